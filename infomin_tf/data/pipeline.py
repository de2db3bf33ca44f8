"""The input pipeline: which images and which views a step sees, as a function of (seed, step) alone.

So a run that continues at step k reads exactly what it would have read without the stop.
"""

import tensorflow as tf

from infomin_tf import graphs, seeds
from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError
from infomin_tf.moving_mnist.sequences import Sequences
from infomin_tf.views.augment import jpeg
from infomin_tf.views.augment.common import take_shard

_PIXELS_PER_CHUNK = 2**17


def steps_per_epoch(images, batch_size):
    """Whole batches in a set; the last, smaller batch is dropped in training.

    Raises:
        UserError: the set is smaller than one batch, or the batch is empty.
    """
    if batch_size < 1:
        raise UserError(f"a batch has at least 1 image, not {batch_size}; fix the batch size")
    if batch_size > images.size:
        raise UserError(
            f"{images.name} has {images.size} images, fewer than one batch of {batch_size}; use a smaller batch size or "
            "more images"
        )
    return images.size // batch_size


@graphs.without_autograph
def training_batches(images, batch_size, seed, transform, first_step=0, shard=(0, 1)):
    """Infinite batches for training, from any step on.

    Each epoch takes the images in an order of its own; every image occurs at most once per epoch.

    Args:
        images: `ArrayImages` or `StreamedImages`; or `Sequences`, which are drawn anew in every step.
        batch_size: images of a global batch.
        seed: integer; the order is keyed by (seed, epoch), the transform by (seed, step), in streams of their own: the
            shards of a batch together are the batch of one host.
        transform: `FactorPair` for sequences; otherwise `Family` or pair: `draw(b, seed)` -> draws, `apply(images uint8 [b, H, W, 3], draws)` -> views. With
            `transform.on_device`, batches hold (images, draws) in the place of views.
        first_step: global step of the first batch.
        shard: (index, count): which slice of each global batch, b = batch_size / count.

    Returns:
        tf.data.Dataset of (views, labels int32 [b]).
    """
    index, count = shard
    if batch_size % count:
        raise UserError(f"batch size {batch_size} cannot be divided among {count} hosts")
    steps = steps_per_epoch(images, batch_size)
    size = batch_size // count
    if isinstance(images, Sequences):
        return _sequence_views(images, batch_size, seed, transform, first_step, shard)
    order = (batch_size, seed, first_step, shard, steps)
    if _cuts_files(images, transform):
        draws = _draws(transform, batch_size, 1, seed, first_step, shard)
        views = _views_of_files(_streamed_images(images, *order), images, draws, transform)
        return views.batch(size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    on_device = getattr(transform, "on_device", False)
    chunk = size if on_device else _chunk_size(size, getattr(transform, "size", 64))
    draws = _draws(transform, batch_size, chunk, seed, first_step, shard)
    if isinstance(images, ArrayImages):
        raw = _array_chunks(images, *order, chunk)
    else:
        decoded = _streamed_images(images, *order).map(images.decode, tf.data.AUTOTUNE)
        raw = decoded.batch(chunk, drop_remainder=True)

    def views_of_chunk(batch, chunk_draws):
        chunk_images, labels = batch
        if on_device:
            return (chunk_images, chunk_draws), labels
        return transform.apply(chunk_images, chunk_draws), labels

    views = tf.data.Dataset.zip((raw, draws)).map(views_of_chunk, tf.data.AUTOTUNE)
    return _join(views, size // chunk).prefetch(tf.data.AUTOTUNE)


def check_views(images, transform):
    """Raises UserError when a pair or family cannot make views of these images; reads none."""
    if not isinstance(images, Sequences):
        _cuts_files(images, transform)


def _sequence_views(sequences, batch_size, seed, pair, first_step, shard):
    """(v1, v2) of sequences that are drawn and rendered in each step; the labels are none."""

    def of_step(step):
        views = pair(sequences, batch_size, _step_seed(seed, step), shard)
        return views, tf.fill([batch_size // shard[1]], -1)

    steps = tf.data.Dataset.range(first_step, tf.int64.max - 1)
    return steps.map(of_step, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


@graphs.without_autograph
def frame_batches(sequences, batch_size, seed, first_step=0, shard=(0, 1)):
    """Infinite batches of single frames with their labels, drawn anew in every step; arguments as of `training_batches`.

    Returns:
        tf.data.Dataset of `Sequences.frames`.
    """
    index, count = shard
    if batch_size % count:
        raise UserError(f"batch size {batch_size} cannot be divided among {count} hosts")
    steps = tf.data.Dataset.range(first_step, tf.int64.max - 1)
    frames = steps.map(
        lambda step: sequences.frames(batch_size, _step_seed(seed, step), shard), tf.data.AUTOTUNE
    )
    return frames.prefetch(tf.data.AUTOTUNE)


def _draws(transform, batch_size, chunk, seed, first_step, shard):
    """The drawn parameters of chunk after chunk of a shard of each step's batch."""
    chunks = batch_size // shard[1] // chunk

    def of_step(step):
        draws = take_shard(transform.draw(batch_size, _step_seed(seed, step)), shard)
        shape = [chunks, chunk]
        return tf.nest.map_structure(lambda x: tf.reshape(x, [*shape, *x.shape[1:]]), draws)

    steps = tf.data.Dataset.range(first_step, tf.int64.max - 1)
    return steps.map(of_step, tf.data.AUTOTUNE).unbatch()


def _cuts_files(images, transform):
    """Whether crops are cut while files are decoded: of sets of image files that are streamed, for boxes."""
    samplers = getattr(transform, "samplers", ())
    boxes = samplers and all(hasattr(sampler.crop, "boxes") for sampler in samplers)
    if isinstance(images, ArrayImages) or images.encoded is None or not boxes:
        return False
    if getattr(transform, "on_device", False):
        raise UserError(
            f"{images.name} is streamed from image files, whose crops are cut while they are decoded, on the host; "
            "bind IndependentPair.on_device = False, or raise memory_limit_gib so that the set is held in memory"
        )
    return True


def _chunk_size(size, side):
    """Images that are augmented together: a divisor of the batch whose floats stay in a processor's cache."""
    wanted = max(1, _PIXELS_PER_CHUNK // side**2)
    return max(
        divisor for divisor in range(1, size + 1) if size % divisor == 0 and divisor <= wanted
    )


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


def _array_chunks(images, batch_size, seed, first_step, shard, steps, chunk):
    """(images uint8 [chunk, H, W, 3], labels) of a set in memory."""
    index, count = shard
    size = batch_size // count
    parts, order = size // chunk, seeds.stream(seed, "order")

    def read(number):
        step = first_step + number // parts
        start = index * size + number % parts * chunk
        places = step % steps * batch_size + start + tf.range(chunk, dtype=tf.int64)
        epoch = tf.stack([tf.constant(order, tf.int64), step // steps])
        last = tf.cast(images.size - 1, tf.int64)
        return images.gather(tf.random.experimental.index_shuffle(places, epoch, last))

    return tf.data.Dataset.range(tf.int64.max - 1).map(read, tf.data.AUTOTUNE)


def _views_of_files(records, images, draws, pair):
    """Views of each image, whose crops were cut while its file was decoded."""

    def views(record, image_draws):
        encoded, label = images.encoded(record)
        crops = jpeg.decode_crops(encoded, pair.samplers, image_draws)
        return tf.nest.map_structure(lambda x: x[0], pair.finish(crops, image_draws)), label

    return tf.data.Dataset.zip((records, draws)).map(views, tf.data.AUTOTUNE)


@graphs.without_autograph
def evaluation_batches(images, batch_size, transform=None, seed=0):
    """Every image once, in order; the last, smaller batch is kept.

    Args:
        images: `ArrayImages` or `StreamedImages`.
        batch_size: images per batch.
        transform: function (images uint8, seed int32 [2]) -> views; None for the images.
        seed: integer, of a transform that is random.

    Returns:
        tf.data.Dataset of (views, labels).
    """
    if isinstance(images, ArrayImages):
        batches = tf.data.Dataset.range(images.size).batch(batch_size).map(images.gather)
    else:
        batches = images.records().map(images.decode, tf.data.AUTOTUNE).batch(batch_size)
    if transform is not None:
        batches = batches.enumerate().map(
            lambda number, batch: (transform(batch[0], _step_seed(seed, number)), batch[1]),
            tf.data.AUTOTUNE,
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def _streamed_images(images, batch_size, seed, first_step, shard, steps):
    """Records of a set that is read in order: one shuffle buffer an epoch, what came before first_step skipped."""
    index, count = shard
    size = batch_size // count

    def epoch_records(epoch):
        # Of this traced function alone: a global seed of 0 would make shuffle compare the tensor below with 0.
        tf.compat.v1.set_random_seed(1)
        already = tf.cast(first_step % steps * batch_size, tf.int64)
        skipped = tf.where(epoch == first_step // steps, already, tf.zeros_like(already))
        records = images.records().shuffle(
            images.shuffle_buffer, seed=_epoch_seed(seed, epoch), reshuffle_each_iteration=False
        )
        records = records.take(steps * batch_size).skip(skipped)
        kept = records.enumerate().filter(lambda place, _: place % batch_size // size == index)
        return kept.map(lambda _, record: record)

    return tf.data.Dataset.range(first_step // steps, tf.int64.max - 1).flat_map(epoch_records)


def _epoch_seed(seed, epoch):
    key = tf.stack([tf.constant(seeds.stream(seed, "order"), tf.int64), epoch])
    return tf.random.stateless_uniform([], key, minval=1, maxval=2**31, dtype=tf.int64)


def _step_seed(seed, step):
    """int32 [2] for the views of a step."""
    key = tf.stack([tf.constant(seeds.stream(seed, "views"), tf.int64), step])
    return tf.random.stateless_uniform([2], key, minval=None, maxval=None, dtype=tf.int32)
