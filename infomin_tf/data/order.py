"""Which images and which views a step sees, as a function of (seed, step) alone.

So a run that continues at step k reads exactly what it would have read without the stop.
"""

import typing

import tensorflow as tf

from infomin_tf import graphs, seeds
from infomin_tf.errors import UserError


class Shard(typing.NamedTuple):
    """One of `count` equal parts of each global batch: that of one host of several."""

    index: int = 0
    count: int = 1

    def of(self, tensors):
        """This part of the rows of nested tensors."""

        def part(x):
            size = x.shape[0] // self.count
            return x[self.index * size : (self.index + 1) * size]

        return tf.nest.map_structure(part, tensors)


WHOLE = Shard()


class Order(typing.NamedTuple):
    """The batches of a training from some step on.

    Args:
        batch_size: images of a global batch.
        seed: of the order, keyed by (seed, epoch), and of the views, keyed by (seed, step), in
            streams of their own.
        first_step: global step of the first batch.
        shard: which slice of each global batch is read; all together are the batch of one host.
    """

    batch_size: int
    seed: int
    first_step: int = 0
    shard: Shard = WHOLE

    @property
    def size(self):
        """Images of a batch on this host; UserError when they cannot be divided."""
        if self.batch_size % self.shard.count:
            raise UserError(
                f"batch size {self.batch_size} cannot be divided among {self.shard.count} hosts; "
                f"use a multiple of {self.shard.count}"
            )
        return self.batch_size // self.shard.count

    @property
    def key(self):
        """Integer that, with an epoch, gives the epoch's order."""
        return seeds.stream(self.seed, "order")

    @graphs.without_autograph
    def by_step(self, function):
        """Infinite tf.data.Dataset of what `function` gives for each step."""
        steps = tf.data.Dataset.range(self.first_step, tf.int64.max - 1)
        return steps.map(function, tf.data.AUTOTUNE)

    @graphs.without_autograph
    def shuffled(self, count, chunk):
        """Infinite tf.data.Dataset of this host's places int64 [chunk] in a set of `count`.

        Each epoch has an order of its own; a place occurs at most once in it.
        """
        parts, steps = self.size // chunk, count // self.batch_size

        def places(number):
            step = self.first_step + number // parts
            start = self.shard.index * self.size + number % parts * chunk
            in_epoch = step % steps * self.batch_size + start + tf.range(chunk, dtype=tf.int64)
            epoch = tf.stack([tf.constant(self.key, tf.int64), step // steps])
            last = tf.cast(count - 1, tf.int64)
            return tf.random.experimental.index_shuffle(in_epoch, epoch, last)

        return tf.data.Dataset.range(tf.int64.max - 1).map(places, tf.data.AUTOTUNE)

    def views_seed(self, step):
        """int32 [2] for the views of a step."""
        return views_seed(self.seed, step)


def views_seed(seed, step):
    """int32 [2] for the views of a step."""
    key = tf.stack([tf.constant(seeds.stream(seed, "views"), tf.int64), step])
    return tf.random.stateless_uniform([2], key, minval=None, maxval=None, dtype=tf.int32)


def steps_per_epoch(images, batch_size):
    """Whole batches in a set; the last, smaller batch is dropped in training.

    Raises:
        UserError: the set is smaller than one batch, or the batch is empty.
    """
    if batch_size < 1:
        raise UserError(f"a batch must have at least 1 image, not {batch_size}; fix the batch size")
    if batch_size > images.size:
        raise UserError(
            f"{images.name} has {images.size} images, fewer than one batch of {batch_size}; "
            "use a smaller batch size or more images"
        )
    return images.size // batch_size
