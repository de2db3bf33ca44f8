"""Where negatives come from: the other keys of the batch, a queue filled by momentum encoders, or a memory bank.

The learner asks each of these for the same things: `uses_key_encoders`, `needs_indices`, `build_state`, `tables`,
`num_candidates`, `contrast` and `update`; a bank gives the keys, too (`look_up`).
"""

import keras
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.distribution import replicas
from infomin_tf.learners import losses


class InBatch:
    """The other images of the global batch are the negatives; no momentum encoder (SimCLR, CPC).

    Args:
        temperature: tau > 0.
    """

    uses_key_encoders = False
    needs_indices = False
    one_encoder_only = False
    tables = ()

    def __init__(self, temperature=0.1):
        if not temperature > 0:
            raise ValueError(f"a temperature must be above 0, not {temperature}")
        self.temperature = temperature

    def build_state(self, num_encoders, dimension, num_images, seed):
        """There is none."""

    def num_candidates(self, global_batch_size):
        """N, the positive included."""
        return global_batch_size

    def contrast(self, q, k, encoder_index, indices, step):
        """L_NCE of the queries of all replicas against the keys of all replicas.

        Args:
            q, k: [b, D], this replica's queries and keys.
            encoder_index, indices, step: not used; queue and bank need them.

        Returns:
            (loss [B], correct [B]) over the global batch, the same on every replica.
        """
        return losses.in_batch_info_nce(
            replicas.all_gather(q), replicas.all_gather(k), self.temperature
        )

    def update(self, q, k, encoder_index, indices):
        """There is no state."""


class NTXent(InBatch):
    """In-batch negatives of both views: N = 2B - 1 (SimCLR, arXiv:2002.05709, section 2.1); for one shared encoder.

    Args:
        temperature: tau > 0.
    """

    one_encoder_only = True

    def num_candidates(self, global_batch_size):
        """N, the positive included."""
        return 2 * global_batch_size - 1

    def contrast(self, q, k, encoder_index, indices, step):
        """The loss of the queries of all replicas, as `InBatch.contrast`."""
        return losses.nt_xent(replicas.all_gather(q), replicas.all_gather(k), self.temperature)


class MomentumQueue(keras.layers.Layer):
    """A queue of K keys for each encoder, filled by momentum encoders (MoCo, arXiv:1911.05722, section 3.2).

    Queues start as random unit vectors; the pointer is a weight, so a resumed run continues where it was. Any K and any
    batch size go together.

    Args:
        size: K, keys in a queue.
        momentum: m in theta_k <- m theta_k + (1 - m) theta_q.
        temperature: tau > 0.
    """

    uses_key_encoders = True
    needs_indices = False
    one_encoder_only = False

    def __init__(self, size=65536, momentum=0.999, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        if size < 1 or not 0.0 <= momentum < 1.0 or not temperature > 0:
            raise ValueError(
                f"MomentumQueue takes size >= 1, 0 <= momentum < 1 and temperature > 0, not {size}, {momentum}, {temperature}"
            )
        self.size, self.momentum, self.temperature = size, momentum, temperature

    def build_state(self, num_encoders, dimension, num_images, seed):
        """Makes the queues: float32 [K, D] each, and their pointers."""
        self.queues, self.pointers = [], []
        for index in range(num_encoders):
            self.queues.append(_random_unit_rows(self, self.size, dimension, f"queue_{index}"))
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

    @property
    def tables(self):
        """The queues."""
        return self.queues

    def num_candidates(self, global_batch_size):
        """N = K + 1, the positive included."""
        return self.size + 1

    def contrast(self, q, k, encoder_index, indices, step):
        """L_NCE of each query against its key and the queue of the encoder that made the keys.

        Args:
            q, k: [b, D], this replica's queries and keys.
            encoder_index: which queue.
            indices, step: not used.

        Returns:
            (loss [b], correct [b]).
        """
        return losses.queue_info_nce(q, k, self.queues[encoder_index].value, self.temperature)

    def update(self, q, k, encoder_index, indices):
        """Writes the keys k [b, D] of all replicas over the oldest ones, in place; of more than K, the last K."""
        keys = replicas.all_gather(tf.cast(k, tf.float32))[-self.size :]
        pointer = self.pointers[encoder_index]
        count = keys.shape[0]
        rows = (pointer.value + tf.range(count)) % self.size
        replicas.assign_rows_here(self.queues[encoder_index].value, rows, keys)
        replicas.assign_here(pointer.value, (pointer.value + count) % self.size)


class MemoryBank(keras.layers.Layer):
    """One key for each image of the set: the running mean of its embeddings (InstDis, arXiv:1805.01978; PIRL). Views of two
    encoders, or of unlike kinds, have a bank each, and a query meets that of the other view (CMC).

    Deviation from the authors' code: the K negatives of a step are shared by its queries, which needs K x D numbers
    instead of B x K x D; and an image's own entry is never its negative.

    Args:
        size: K, negatives sampled from the bank in each step; None for a softmax over the whole bank.
        momentum: share of the old entry in an update.
        temperature: tau > 0.
    """

    uses_key_encoders = False
    needs_indices = True
    one_encoder_only = False

    def __init__(self, size=16384, momentum=0.5, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        if (size is not None and size < 1) or not 0 <= momentum < 1 or not temperature > 0:
            raise ValueError(
                f"MemoryBank takes size >= 1 or None, 0 <= momentum < 1 and temperature > 0, not {size}, {momentum}, "
                f"{temperature}"
            )
        self.size, self.momentum, self.temperature = size, momentum, temperature

    def build_state(self, num_banks, dimension, num_images, seed):
        """Makes the banks: float32 [M, D] each, random unit vectors; the seed is that of the samples."""
        self.num_images, self.seed = num_images, seed
        self.banks = [
            _random_unit_rows(self, num_images, dimension, f"bank_{index}")
            for index in range(num_banks)
        ]
        self.built = True

    @property
    def tables(self):
        """The banks."""
        return self.banks

    def num_candidates(self, global_batch_size):
        """N, the positive included."""
        return self.num_images if self.size is None else self.size + 1

    def look_up(self, encoder_index, indices):
        """The entries [b, D] of images."""
        bank = self.banks[encoder_index].value
        # Gathering from a variable makes TensorFlow copy it when it is read whole.
        return tf.gather(bank.read_value() if self.size is None else bank, indices)

    def contrast(self, q, k, encoder_index, indices, step):
        """L_NCE of each query against the entry k of its image and others of the same bank.

        Args:
            q, k: [b, D], this replica's queries and their positives, as of `look_up`.
            encoder_index: which bank.
            indices: int32 [b], the images' places in the set.
            step: int scalar, which keys the sample.

        Returns:
            (loss [b], correct [b]).
        """
        bank = self.banks[encoder_index].value
        if self.size is None:
            own = tf.range(self.num_images) == indices[:, None]
            return losses.queue_info_nce(q, k, bank, self.temperature, own)
        key = seeds.stream(self.seed, f"sample of bank {encoder_index}")
        seed = tf.stack([key, tf.cast(step, tf.int32)])
        sample = tf.random.stateless_uniform([self.size], seed, 0, self.num_images, tf.int32)
        own = sample == indices[:, None]
        return losses.queue_info_nce(q, k, tf.gather(bank, sample), self.temperature, own)

    def update(self, q, k, encoder_index, indices):
        """entry <- normalise(m entry + (1 - m) q) for the images of all replicas, in place."""
        q, indices = replicas.all_gather(q), replicas.all_gather(indices)
        old = self.look_up(encoder_index, indices)
        new = self.momentum * old + (1.0 - self.momentum) * tf.cast(q, tf.float32)
        new = tf.math.l2_normalize(new, axis=-1)
        replicas.assign_rows_here(self.banks[encoder_index].value, indices, new)


def _random_unit_rows(layer, rows, dimension, name):
    """A weight of random unit vectors, float32 [rows, dimension]."""
    weight = layer.add_weight(
        shape=(rows, dimension),
        initializer=keras.initializers.RandomNormal(stddev=1.0),
        trainable=False,
        aggregation="only_first_replica",
        name=name,
    )
    weight.assign(tf.math.l2_normalize(weight.value, axis=-1))
    return weight
