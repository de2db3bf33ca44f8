"""The input pipeline: batches of views for training, and every image once for measuring."""

import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.order import steps_per_epoch, views_seed

_PIXELS_PER_CHUNK = 2**17


@graphs.without_autograph
def training_batches(images, order, sampler):
    """Infinite batches for training, from any step on.

    Args:
        images: `Images`.
        order: `Order`.
        sampler: `Sampler` of their views. With `on_device`, batches hold (images, draws) instead.

    Returns:
        tf.data.Dataset of (views, labels int32 [b]), b images of this host.
    """
    steps_per_epoch(images, order.batch_size)  # refuses sets that are too small
    if sampler.cuts_files(images):
        views = _views_of_files(images, order, sampler)
        batches = views.batch(order.size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
        options = tf.data.Options()
        # Each view goes to its place in the batch at once, while it lies in a cache.
        options.experimental_optimization.map_and_batch_fusion = True
        return batches.with_options(options)
    chunk = order.size if sampler.on_device else _chunk_size(order.size, sampler.size)

    def views_of_chunk(batch, draws):
        raw, labels = batch
        return ((raw, draws) if sampler.on_device else sampler.apply(raw, draws)), labels

    parts = images.raw(order, chunk), _draws(sampler, order, chunk)
    views = tf.data.Dataset.zip(parts).map(views_of_chunk, tf.data.AUTOTUNE)
    return _join(views, order.size // chunk).prefetch(tf.data.AUTOTUNE)


def _draws(sampler, order, chunk):
    """The drawn parameters of chunk after chunk of this host's part of each step's batch."""
    shape = [order.size // chunk, chunk]

    def of_step(step):
        draws = order.shard.of(sampler.draw(order.batch_size, order.views_seed(step)))
        return tf.nest.map_structure(lambda x: tf.reshape(x, [*shape, *x.shape[1:]]), draws)

    return order.by_step(of_step).unbatch()


def _chunk_size(size, side):
    """Images that are augmented together: a divisor of the batch whose floats fit into a cache."""
    most = max(1, min(size, _PIXELS_PER_CHUNK // side**2))
    return max(divisor for divisor in range(1, most + 1) if size % divisor == 0)


def _join(chunks, parts):
    """Batches from chunks [c, ...] of which `parts` make one."""
    if parts == 1:
        return chunks

    def merge(*batch):
        return tf.nest.map_structure(
            lambda x: tf.reshape(x, [x.shape[0] * x.shape[1], *x.shape[2:]]), batch
        )

    merged = chunks.batch(parts, drop_remainder=True, num_parallel_calls=tf.data.AUTOTUNE)
    return merged.map(merge)


def _views_of_files(images, order, sampler):
    """Views of each image, whose crops are cut while its file is decoded."""

    def views(record, draws):
        encoded, label = images.encoded(record)
        return sampler.of_file(encoded, draws), label

    parts = images.records_in(order), _draws(sampler, order, 1)
    return tf.data.Dataset.zip(parts).map(views, tf.data.AUTOTUNE)


@graphs.without_autograph
def evaluation_batches(images, batch_size, transform=None, seed=0):
    """Every image once, in order; the last, smaller batch is kept.

    Args:
        images: `Images`.
        batch_size: images per batch.
        transform: function (images uint8, seed int32 [2]) -> views; None for the images.
        seed: integer, of a transform that is random.

    Returns:
        tf.data.Dataset of (views, labels).
    """
    batches = images.in_order(batch_size)
    if transform is not None:
        batches = batches.enumerate().map(
            lambda number, batch: (transform(batch[0], views_seed(seed, number)), batch[1]),
            tf.data.AUTOTUNE,
        )
    return batches.prefetch(tf.data.AUTOTUNE)
