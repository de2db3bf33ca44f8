"""Where negatives come from: the batch, a queue filled by momentum encoders, or a memory bank."""

import typing

import keras
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.distribution import replicas
from infomin_tf.learners import losses
from infomin_tf.settings import ABOVE_ZERO, BELOW_ONE, COUNT, check

# Tables are alike on all replicas.
_KEPT = {"trainable": False, "aggregation": "only_first_replica"}


class Slot(typing.NamedTuple):
    """Which negatives a query meets.

    Args:
        table: which queue, or bank.
        places: int32 [b], the images' places in the set.
        step: int scalar.
    """

    table: int
    places: typing.Any
    step: typing.Any


class Negatives:
    """What the learner requires of its negatives.

    Attributes:
        temperature: tau > 0.
        uses_key_encoders: whether keys come from momentum encoders.
        needs_indices: whether keys are looked up by the places of images.
        one_encoder_only: whether one encoder must have made all embeddings.
        tables: variables that a step reads whole and then writes by rows.
    """

    uses_key_encoders = needs_indices = one_encoder_only = False
    tables = ()

    def build_state(self, num_tables, dimension, num_images, seed):
        """Makes the tables, of embeddings [., dimension]; nothing where there are none."""

    def num_candidates(self, global_batch_size):
        """N, the positive included."""
        raise NotImplementedError

    def look_up(self, slot):
        """Keys [b, D], where `needs_indices`."""
        raise NotImplementedError

    def contrast(self, q, k, slot):
        """L_NCE of this replica's queries q [b, D] and keys k [b, D] against negatives of a `Slot`.

        Returns:
            (loss, correct), [b] each of this replica, or [B] each of the global batch.
        """
        raise NotImplementedError

    def update(self, q, k, slot):
        """Puts the queries and keys [b, D] of a step into the tables, if there are any."""


class InBatch(Negatives):
    """The other images of the global batch are the negatives; no momentum encoder (SimCLR, CPC).

    Args:
        temperature: tau > 0.
    """

    _loss = staticmethod(losses.in_batch_info_nce)

    def __init__(self, temperature=0.1):
        check(self, ABOVE_ZERO, temperature=temperature)
        self.temperature = temperature

    def num_candidates(self, global_batch_size):
        """See `Negatives`."""
        return global_batch_size

    def contrast(self, q, k, slot):
        """See `Negatives`; [B] each, the same on every replica."""
        return self._loss(replicas.all_gather(q), replicas.all_gather(k), self.temperature)


class NTXent(InBatch):
    """In-batch negatives of both views, N = 2B - 1, of one shared encoder (arXiv:2002.05709, 2.1).

    Args:
        temperature: tau > 0.
    """

    one_encoder_only = True
    _loss = staticmethod(losses.nt_xent)

    def num_candidates(self, global_batch_size):
        """See `Negatives`."""
        return 2 * global_batch_size - 1


class MomentumQueue(Negatives, keras.layers.Layer):
    """A queue of K keys per encoder, filled by momentum encoders (MoCo, arXiv:1911.05722, 3.2).

    Queues start as random unit vectors; the pointer is a weight, so a resumed run continues where
    it was. K and the batch size may have any values.

    Args:
        size: K, keys in a queue.
        momentum: m in theta_k <- m theta_k + (1 - m) theta_q.
        temperature: tau > 0.
    """

    uses_key_encoders = True

    def __init__(self, size=65536, momentum=0.999, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        check(self, COUNT, size=size)
        check(self, BELOW_ONE, momentum=momentum)
        check(self, ABOVE_ZERO, temperature=temperature)
        self.size, self.momentum, self.temperature = size, momentum, temperature

    def build_state(self, num_tables, dimension, num_images, seed):
        """Makes the queues: float32 [K, D] each, and their pointers."""
        self.queues, self.pointers = [], []
        pointer = {"shape": (), "dtype": "int32", "initializer": "zeros"} | _KEPT
        for index in range(num_tables):
            self.queues.append(_random_unit_rows(self, self.size, dimension, f"queue_{index}"))
            self.pointers.append(self.add_weight(**pointer, name=f"pointer_{index}"))
        self.tables = self.queues
        self.built = True

    def num_candidates(self, global_batch_size):
        """See `Negatives`: K + 1."""
        return self.size + 1

    def contrast(self, q, k, slot):
        """See `Negatives`; against the queue of the encoder that made the keys."""
        queue = self.queues[slot.table].value  # [K, D]
        return losses.queue_info_nce(q, k, queue, self.temperature)

    def update(self, q, k, slot):
        """Writes the keys of all replicas over the oldest, in place; if more than K, the last K."""
        keys = replicas.all_gather(tf.cast(k, tf.float32))[-self.size :]  # [min(B, K), D]
        pointer = self.pointers[slot.table]
        count = keys.shape[0]
        rows = (pointer.value + tf.range(count)) % self.size  # [min(B, K)], from the oldest on
        replicas.assign_rows_here(self.queues[slot.table].value, rows, keys)
        replicas.assign_here(pointer.value, (pointer.value + count) % self.size)


class MemoryBank(Negatives, keras.layers.Layer):
    """One key for each image of the set: the running mean of its embeddings.

    Views of two encoders, or of different kinds, have one bank each, and a query is contrasted with
    the bank of the other view (CMC). Sources: InstDis, arXiv:1805.01978; PIRL.

    Deviation from the authors' code: the K negatives of a step are shared by its queries, which
    needs K x D numbers instead of B x K x D; and an image's own entry is never its negative.

    Args:
        size: K, negatives sampled from the bank in each step; None for a softmax over the whole
            bank.
        momentum: share of the old entry in an update.
        temperature: tau > 0.
    """

    needs_indices = True

    def __init__(self, size=16384, momentum=0.5, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        if size is not None:
            check(self, COUNT, size=size)
        check(self, BELOW_ONE, momentum=momentum)
        check(self, ABOVE_ZERO, temperature=temperature)
        self.size, self.momentum, self.temperature = size, momentum, temperature

    def build_state(self, num_tables, dimension, num_images, seed):
        """Makes the banks: float32 [M, D] each, random unit vectors; the seed is of the samples."""
        self.num_images, self.seed = num_images, seed
        names = [f"bank_{index}" for index in range(num_tables)]
        self.banks = [_random_unit_rows(self, num_images, dimension, name) for name in names]
        self.tables = self.banks
        self.built = True

    def num_candidates(self, global_batch_size):
        """See `Negatives`."""
        return self.num_images if self.size is None else self.size + 1

    def look_up(self, slot):
        """The entries [b, D] of images."""
        bank = self.banks[slot.table].value  # [M, D]
        # Gathering from a variable makes TensorFlow copy it when it is read whole.
        return tf.gather(bank.read_value() if self.size is None else bank, slot.places)

    def contrast(self, q, k, slot):
        """See `Negatives`; against the entry k of the query's image and others of the same bank."""
        bank = self.banks[slot.table].value  # [M, D]
        if self.size is None:
            own = tf.range(self.num_images) == slot.places[:, None]  # [b, M]
            return losses.queue_info_nce(q, k, bank, self.temperature, own)
        key = seeds.stream(self.seed, f"sample of bank {slot.table}")
        seed = tf.stack([key, tf.cast(slot.step, tf.int32)])
        sample = tf.random.stateless_uniform([self.size], seed, 0, self.num_images, tf.int32)  # [K]
        own = sample == slot.places[:, None]  # [b, K]
        return losses.queue_info_nce(q, k, tf.gather(bank, sample), self.temperature, own)

    def update(self, q, k, slot):
        """entry <- normalise(m entry + (1 - m) q) for the images of all replicas, in place."""
        q, places = replicas.all_gather(q), replicas.all_gather(slot.places)  # [B, D], [B]
        old = self.look_up(slot._replace(places=places))  # [B, D]
        new = self.momentum * old + (1.0 - self.momentum) * tf.cast(q, tf.float32)
        new = tf.math.l2_normalize(new, axis=-1)
        replicas.assign_rows_here(self.banks[slot.table].value, places, new)


def _random_unit_rows(layer, rows, dimension, name):
    """A weight of random unit vectors, float32 [rows, dimension]."""
    normal = keras.initializers.RandomNormal(stddev=1.0)
    weight = layer.add_weight(shape=(rows, dimension), initializer=normal, **_KEPT, name=name)
    weight.assign(tf.math.l2_normalize(weight.value, axis=-1))
    return weight
