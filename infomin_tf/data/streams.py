"""Images that are read from disk each time."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.facts import Facts
from infomin_tf.data.images import Images, spread


@dataclasses.dataclass
class StreamedImages(Images):
    """Images that do not fit into memory: cheap records in a fixed order, and how to decode one.

    Args:
        name: of the set.
        size: number of images.
        image_shape: (H, W, 3) after decoding.
        class_names: of the labels; () when there are none.
        records: function -> tf.data.Dataset of records in a fixed order.
        decode: function record -> (image uint8 [H, W, 3], label int32), for use in tf.data.
        shuffle_buffer: records that are shuffled together.
        encoded: function record -> (the image file's bytes, label int32), for use in tf.data, where
            crops may be cut while decoding; None where `decode` does more than that.
        facts: see `Images`.
        records_between: function (start, stop) -> records at these places, without reading those
            before; None for none.
    """

    name: str
    size: int
    image_shape: tuple
    class_names: tuple
    records: callable
    decode: callable
    shuffle_buffer: int = 50_000
    encoded: callable = None
    facts: Facts = Facts()
    records_between: callable = None

    def raw(self, order, chunk):
        """See `Images`."""
        decoded = self.records_in(order).map(self.decode, tf.data.AUTOTUNE)
        return decoded.batch(chunk, drop_remainder=True)

    @graphs.without_autograph
    def records_in(self, order):
        """Records in the order of training, from the first step on; a shuffle buffer per epoch."""
        steps, size = self.size // order.batch_size, order.size

        def epoch_records(epoch):
            # Of this traced function alone: with a global seed of 0 shuffle would compare the
            # tensor below with 0.
            tf.compat.v1.set_random_seed(1)
            already = tf.cast(order.first_step % steps * order.batch_size, tf.int64)
            skipped = tf.where(epoch == order.first_step // steps, already, tf.zeros_like(already))
            shuffled = self.records().shuffle(
                self.shuffle_buffer, seed=_epoch_seed(order, epoch), reshuffle_each_iteration=False
            )
            return _chosen(
                shuffled.take(steps * order.batch_size).skip(skipped),
                lambda place: place % order.batch_size // size == order.shard.index,
            )

        epochs = tf.data.Dataset.range(order.first_step // steps, tf.int64.max - 1)
        return epochs.flat_map(epoch_records)

    def in_order(self, batch_size):
        """See `Images`."""
        return self.records().map(self.decode, tf.data.AUTOTUNE).batch(batch_size)

    def numbered(self):
        """See `Images`."""

        def relabel(function):
            def image_and_number(item):
                return function(item["record"])[0], tf.cast(item["number"], tf.int32)

            return function and image_and_number

        def numbered_records():
            numbers = tf.data.Dataset.range(self.size)
            return tf.data.Dataset.zip({"number": numbers, "record": self.records()})

        return dataclasses.replace(
            self,
            class_names=(),
            records=numbered_records,
            records_between=None,
            decode=relabel(self.decode),
            encoded=relabel(self.encoded),
        )

    def thin(self, count):
        """See `Images`."""
        chosen = spread(count, self.size)
        return self._part(len(chosen), lambda: self.records_at(chosen))

    def hold_out(self, stride):
        """See `Images`."""
        held = -(-self.size // stride)
        rest = lambda: _chosen(self.records(), lambda place: place % stride != 0)
        every = lambda: _chosen(self.records(), lambda place: place % stride == 0)
        return self._part(self.size - held, rest), self._part(held, every)

    def _part(self, size, records):
        return dataclasses.replace(
            self, size=size, records=records, facts=Facts(), records_between=None
        )

    @graphs.without_autograph
    def sample(self, count):
        """See `Images`.

        From a set larger than `shuffle_buffer`, 50 evenly spread blocks of neighbouring images, if
        the set need not be read whole.
        """
        chosen = spread(count, self.size)
        in_blocks = self.records_between and self.size > self.shuffle_buffer
        records = self._blocks(len(chosen)) if in_blocks else self.records_at(chosen)
        images = records.map(self.decode, tf.data.AUTOTUNE).batch(len(chosen))
        return next(iter(images))[0].numpy()

    def _blocks(self, count):
        lengths = [len(part) for part in np.array_split(np.arange(count), min(count, 50))]
        starts = spread(len(lengths), self.size - lengths[0] + 1).tolist()
        blocks = [self.records_between(a, a + n) for a, n in zip(starts, lengths, strict=True)]
        return functools.reduce(tf.data.Dataset.concatenate, blocks)

    def records_at(self, chosen):
        """Records at rising places, int [N]; the rest of the set is not read."""
        is_chosen = np.zeros(chosen[-1] + 1, bool)
        is_chosen[chosen] = True
        first = self.records().take(len(is_chosen))
        return _chosen(first, lambda place: tf.gather(is_chosen, place))


def _chosen(records, is_chosen):
    """The records at the places, int64, for which `is_chosen` holds."""
    kept = records.enumerate().filter(lambda place, _: is_chosen(place))
    return kept.map(lambda _, record: record)


def _epoch_seed(order, epoch):
    key = tf.stack([tf.constant(order.key, tf.int64), epoch])
    return tf.random.stateless_uniform([], key, minval=1, maxval=2**31, dtype=tf.int64)
