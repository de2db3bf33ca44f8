"""Where negatives come from: the other keys of the batch, or a queue filled by momentum encoders."""

import keras
import tensorflow as tf

from infomin_tf import distribution
from infomin_tf.contrastive import losses


class InBatch:
    """The other images of the global batch are the negatives; no momentum encoder (SimCLR, CPC).

    Args:
        temperature: tau > 0.
    """

    momentum = None

    def __init__(self, temperature=0.1):
        self.temperature = temperature

    def num_candidates(self, global_batch_size):
        """N, the positive included."""
        return global_batch_size

    def contrast(self, q, k, encoder_index):
        """L_NCE of the queries of all replicas against the keys of all replicas.

        Args:
            q, k: [b, D], this replica's queries and keys.
            encoder_index: not used; a queue needs it.

        Returns:
            (loss [B], correct [B]) over the global batch, the same on every replica.
        """
        del encoder_index
        return losses.in_batch_info_nce(
            distribution.all_gather(q), distribution.all_gather(k), self.temperature
        )


class MomentumQueue(keras.layers.Layer):
    """A queue of K keys for each encoder, filled by momentum encoders (MoCo, arXiv:1911.05722, section 3.2).

    Queues start as random unit vectors; the pointer is a weight, so a resumed run goes on where it was. Any K and any
    batch size go together.

    Args:
        size: K, keys in a queue.
        momentum: m in theta_k <- m theta_k + (1 - m) theta_q.
        temperature: tau > 0.
    """

    def __init__(self, size=65536, momentum=0.999, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        if size < 1 or not 0.0 <= momentum < 1.0:
            raise ValueError(
                f"MomentumQueue takes size >= 1 and 0 <= momentum < 1, not {size} and {momentum}"
            )
        self.size, self.momentum, self.temperature = size, momentum, temperature

    def build_queues(self, num_queues, dimension):
        """Makes the queues: float32 [K, D] each, and their pointers."""
        self.queues, self.pointers = [], []
        for index in range(num_queues):
            queue = self.add_weight(
                shape=(self.size, dimension),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                trainable=False,
                aggregation="only_first_replica",
                name=f"queue_{index}",
            )
            queue.assign(tf.math.l2_normalize(queue.value, axis=-1))
            self.queues.append(queue)
            self.pointers.append(
                self.add_weight(
                    shape=(),
                    dtype="int32",
                    initializer="zeros",
                    trainable=False,
                    aggregation="only_first_replica",
                    name=f"pointer_{index}",
                )
            )
        self.built = True

    def num_candidates(self, global_batch_size):
        """N = K + 1, the positive included."""
        del global_batch_size
        return self.size + 1

    def contrast(self, q, k, encoder_index):
        """L_NCE of each query against its key and the queue of the encoder that made the keys.

        Args:
            q, k: [b, D], this replica's queries and keys.
            encoder_index: which queue.

        Returns:
            (loss [b], correct [b]).
        """
        return losses.queue_info_nce(q, k, self.queues[encoder_index].value, self.temperature)

    def enqueue(self, keys, encoder_index):
        """Writes the keys [b, D] of all replicas over the oldest ones, in place; of more than K, the last K."""
        keys = distribution.all_gather(tf.cast(keys, tf.float32))[-self.size :]
        pointer = self.pointers[encoder_index]
        count = keys.shape[0]
        rows = (pointer.value + tf.range(count)) % self.size
        self.queues[encoder_index].value.scatter_update(tf.IndexedSlices(keys, rows))
        pointer.assign((pointer.value + count) % self.size)
