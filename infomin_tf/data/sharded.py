"""Streamed images in files that can only be read from their beginning on, such as TFRecord."""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.images import spread
from infomin_tf.data.streams import StreamedImages
from infomin_tf.errors import warn_once

_MOST_LANES, _SAMPLE_BLOCKS = 32, 50


@dataclasses.dataclass(kw_only=True)
class ShardedImages(StreamedImages):
    """Images in shards, which are files in sequence.

    The set is divided into lanes of neighbouring images, of about a shard or more each. Their
    number depends on the set and the batch size alone. Each batch takes equally many images of each
    lane, so a worker reads the lanes of its own rows. In each epoch a lane begins at a random one
    of its shards, leaves out a random stretch of neighbours, as many as fill no batch, and is
    shuffled window by window. A training that is resumed passes over shards without reading them;
    of each lane it reads up to one shard and one window again.

    Args:
        between: function (start, stop), int64 -> tf.data.Dataset of dicts of tensors, for use in
            tf.data: what is read of the images at these places, from the shards that have them.
        starts: rising int64 [shards], the place of the first image of each shard.
        shuffle_buffer: images that are shuffled together, over all lanes.
    """

    between: callable
    starts: np.ndarray
    shuffle_buffer: int = 16_384

    def lanes(self, batch_size):
        """How many lanes there are."""
        most = min(len(self.starts), batch_size, _MOST_LANES)
        return max(n for n in range(1, most + 1) if batch_size % n == 0)

    @graphs.without_autograph
    def records_in(self, order):
        """See `StreamedImages`."""
        lanes = self.lanes(order.batch_size)
        self._warn(order, lanes)
        of_lane = order.batch_size // lanes
        first = order.shard.index * order.size
        mine = range(first // of_lane, math.ceil((first + order.size) / of_lane))

        def rows(lane):
            """Of each batch, the images of a lane that this worker has."""
            low, high = (
                tf.clip_by_value(end - lane * of_lane, 0, of_lane)
                for end in (first, first + order.size)
            )
            records = self._shuffled(order, lane, lanes).batch(of_lane, drop_remainder=True)
            return records.map(
                lambda record: {name: value[low:high] for name, value in record.items()}
            )

        read = tf.data.Dataset.range(mine.start, mine.stop).interleave(
            rows, len(mine), 1, num_parallel_calls=len(mine), deterministic=True
        )
        return read.unbatch()

    def _warn(self, order, lanes):
        if order.shard.count > lanes:
            warn_once(
                f"{self.name} has {len(self.starts)} files, of which a batch of "
                f"{order.batch_size} reads {lanes} at a time, for {order.shard.count} workers: "
                "several workers read the same records. Prepared as ArrayRecord, or in more files, "
                "each would read its own alone (docs/scaling.md)"
            )

    def _shuffled(self, order, lane, lanes):
        """Infinite tf.data.Dataset of a lane's records, from the first step of the order on."""
        start, stop = self.size * lane // lanes, self.size * (lane + 1) // lanes
        steps, of_lane = self.size // order.batch_size, order.batch_size // lanes
        window = max(1, self.shuffle_buffer // lanes)
        first_epoch = order.first_step // steps

        def of_epoch(epoch):
            key = functools.partial(_key, order.key, epoch, lane)
            already = order.first_step % steps * of_lane
            done = tf.where(epoch == first_epoch, already, 0)
            done = tf.cast(done, tf.int64)
            passed = done // window

            def shuffle(number, records):
                count = tf.shape(records["place"], tf.int64)[0]
                places = tf.range(count)
                places = tf.random.experimental.index_shuffle(places, key(number), count - 1)
                return {name: tf.gather(value, places) for name, value in records.items()}

            surplus = stop - start - steps * of_lane
            records = self._turned(start, stop, surplus, passed * window, key)
            windows = records.batch(window).enumerate(passed).map(shuffle).prefetch(1)
            return windows.unbatch().skip(done % window)

        return tf.data.Dataset.range(first_epoch, tf.int64.max - 1).flat_map(of_epoch)

    def _turned(self, start, stop, surplus, passed, key):
        """The records at places start to stop, from one of their shards on, and round.

        Args:
            start, stop: places.
            surplus: how many neighbours, of which the last has the first next to it, are left out.
            passed: how many of the others are passed over.
            key: function (number) -> int64 [2], of which those of -1 and -2 are used.
        """
        starts = tf.constant(self.starts, tf.int64)
        inside = tf.boolean_mask(starts, (starts > start) & (starts < stop))
        choice = tf.random.stateless_uniform([], key(-1), 0, tf.size(inside) + 1, tf.int32)
        begin = tf.concat([[start], inside], 0)[choice]
        size = stop - start
        gap = tf.random.stateless_uniform([], key(-2), 0, size, tf.int64)
        # A gap that goes over the end leaves out what is read first, too.
        passed += tf.maximum(gap + surplus - size, 0)
        passed = tf.where(passed < gap, passed, passed + surplus)
        first = begin + passed
        round_ = tf.maximum(start, start + first - stop)
        records = self.records_between(tf.minimum(first, stop), stop)
        records = records.concatenate(self.records_between(round_, begin))
        # Filtered out, because to open a shard behind the gap would read its beginning again.
        return records.filter(lambda each: (each["place"] - begin - gap) % size >= surplus)

    @graphs.without_autograph
    def records_between(self, start, stop):
        """See `StreamedImages`."""
        start, stop = tf.cast(start, tf.int64), tf.cast(stop, tf.int64)
        found = self._contents(start, stop).enumerate(start)
        return found.map(lambda place, content: {"place": place} | content)

    def _contents(self, start, stop):
        if self.places is None:
            return self.between(start, stop)
        is_chosen = np.zeros(self.places[-1] + 1, bool)
        is_chosen[self.places] = True
        first = tf.gather(np.append(self.places, len(is_chosen)), start)
        last = tf.gather(self.places, tf.maximum(stop - 1, 0)) + 1
        last = tf.where(start < stop, last, first)
        kept = self.between(first, last).enumerate(first)
        kept = kept.filter(lambda place, _: tf.gather(is_chosen, place))
        return kept.map(lambda _, content: content)

    def _part(self, chosen):
        starts = np.unique(np.searchsorted(chosen, self.starts))
        return dataclasses.replace(super()._part(chosen), starts=starts[starts < len(chosen)])

    def records_at(self, chosen):
        """See `StreamedImages`; what lies between them is read, too."""
        chosen = np.asarray(chosen, np.int64)
        records = self._part(chosen).records()
        return records.map(lambda record: record | {"place": tf.gather(chosen, record["place"])})

    def _records_of_sample(self, count):
        """From a large set, 50 evenly spread blocks, so that it need not be read whole."""
        if self.size <= self.shuffle_buffer:
            return super()._records_of_sample(count)
        lengths = [
            len(part) for part in np.array_split(np.arange(count), min(count, _SAMPLE_BLOCKS))
        ]
        starts = spread(len(lengths), self.size - lengths[0] + 1).tolist()
        blocks = [self.records_between(a, a + n) for a, n in zip(starts, lengths, strict=True)]
        return functools.reduce(tf.data.Dataset.concatenate, blocks)


def _key(order_key, epoch, lane, window):
    """int64 [2] of what is random in an epoch of a lane."""
    key = tf.stack([tf.constant(order_key, tf.int64), epoch])
    for part in (lane, window):
        key = tf.random.experimental.stateless_fold_in(key, tf.cast(part, tf.int64))
    return key
