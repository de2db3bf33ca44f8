"""The input pipeline: which images and which views a step sees, as a function of (seed, step) alone.

So a run that goes on at step k reads exactly what it would have read without the stop.
"""

import tensorflow as tf

from infomin_tf.data.sources import ArrayImages
from infomin_tf.errors import UserError


def steps_per_epoch(images, batch_size):
    """Whole batches in a set; the last, smaller batch is dropped in training.

    Raises:
        UserError: the set is smaller than one batch.
    """
    if batch_size > images.size:
        raise UserError(
            f"{images.name} has {images.size} images, fewer than one batch of {batch_size}; use a smaller batch size or "
            "more images"
        )
    return images.size // batch_size


def training_batches(images, batch_size, seed, transform, first_step=0, shard=(0, 1)):
    """Infinite batches for training, from any step on.

    Each epoch takes the images in an order of its own; every image occurs at most once an epoch.

    Args:
        images: `ArrayImages` or `StreamedImages`.
        batch_size: images of a global batch.
        seed: integer; the order is keyed by (seed, epoch), the transform by (seed, step, shard).
        transform: function (images uint8 [b, H, W, 3], seed int32 [2]) -> views.
        first_step: global step of the first batch.
        shard: (index, count): which slice of each global batch, b = batch_size / count.

    Returns:
        tf.data.Dataset of (views, labels int32 [b]).
    """
    index, count = shard
    if batch_size % count:
        raise UserError(f"batch size {batch_size} cannot be divided among {count} hosts")
    steps = steps_per_epoch(images, batch_size)
    last = tf.int64.max - 1
    numbers = tf.data.Dataset.range(first_step, last)
    if isinstance(images, ArrayImages):
        part = tf.range(index * (batch_size // count), (index + 1) * (batch_size // count))

        def read(step):
            epoch, position = step // steps, step % steps * batch_size
            places = position + tf.cast(part, tf.int64)
            order = tf.stack([tf.cast(seed, tf.int64), epoch])
            return images.gather(
                tf.random.experimental.index_shuffle(
                    places, order, tf.cast(images.size - 1, tf.int64)
                )
            )

        batches = tf.data.Dataset.zip((numbers, numbers.map(read, tf.data.AUTOTUNE)))
    else:
        stream = _streamed_batches(images, batch_size, seed, first_step, shard, steps)
        batches = tf.data.Dataset.zip((numbers, stream))

    def views(step, batch):
        batch_images, labels = batch
        return transform(batch_images, _step_seed(seed, step, index)), labels

    return batches.map(views, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(images, batch_size, transform=None):
    """Every image once, in order; the last, smaller batch is kept.

    Args:
        images: `ArrayImages` or `StreamedImages`.
        batch_size: images a batch.
        transform: function (images uint8, seed int32 [2]) -> views, called with the seed (0, 0); None for the images.

    Returns:
        tf.data.Dataset of (views, labels).
    """
    if isinstance(images, ArrayImages):
        batches = tf.data.Dataset.range(images.size).batch(batch_size).map(images.gather)
    else:
        batches = images.records().map(images.decode, tf.data.AUTOTUNE).batch(batch_size)
    if transform is not None:
        fixed = tf.zeros([2], tf.int32)
        batches = batches.map(lambda x, y: (transform(x, fixed), y), tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _streamed_batches(images, batch_size, seed, first_step, shard, steps):
    """Batches of a set that is read in order: one shuffle buffer an epoch, what came before first_step skipped."""
    index, count = shard
    size = batch_size // count

    def epoch_batches(epoch):
        # Of this traced function alone: a global seed of 0 would make shuffle compare the tensor below with 0.
        tf.compat.v1.set_random_seed(1)
        already = tf.cast(first_step % steps * batch_size, tf.int64)
        skipped = tf.where(epoch == first_step // steps, already, tf.zeros_like(already))
        records = images.records().shuffle(
            images.shuffle_buffer, seed=_epoch_seed(seed, epoch), reshuffle_each_iteration=False
        )
        records = records.take(steps * batch_size).skip(skipped)
        decoded = records.enumerate().filter(lambda place, _: place % batch_size // size == index)
        decoded = decoded.map(lambda _, record: images.decode(record), tf.data.AUTOTUNE)
        return decoded.batch(size, drop_remainder=True)

    return tf.data.Dataset.range(first_step // steps, tf.int64.max - 1).flat_map(epoch_batches)


def _epoch_seed(seed, epoch):
    return tf.random.stateless_uniform(
        [], tf.stack([tf.cast(seed, tf.int64), epoch]), minval=1, maxval=2**31, dtype=tf.int64
    )


def _step_seed(seed, step, shard_index):
    """int32 [2] from (seed, step, shard), well mixed."""
    key = tf.stack([tf.cast(seed, tf.int64), step * 1009 + shard_index])
    return tf.random.stateless_uniform([2], key, minval=None, maxval=None, dtype=tf.int32)
