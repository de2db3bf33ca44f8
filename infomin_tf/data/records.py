"""Records of prepared data sets: decoding them, and messages about damaged ones."""

import contextlib
import re

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from infomin_tf import graphs
from infomin_tf.data import buffers
from infomin_tf.errors import UserError, reason

_CONTENT = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.InvalidArgumentError,
)
_DAMAGE = (
    *_CONTENT,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
    tf.errors.PermissionDeniedError,
)
# What is said by decoders of an image, by `tfds_records`, and by tf.data of a file that ends early.
_IN_RECORDS = re.compile(r"JPEG|PNG|ArrayRecord|image file format|dataset was expected to contain")


@graphs.without_autograph
def load_decoded(records, decode, size):
    """Decodes a whole set into memory.

    Args:
        records: tf.data.Dataset.
        decode: function record -> (image uint8 [H, W, 3], label int32).
        size: number of records.

    Returns:
        (images uint8 [M, H, W, 3] for `ArrayImages`, labels int32 [M]).
    """
    decoded = records.map(decode, tf.data.AUTOTUNE)
    images = buffers.empty((size, *decoded.element_spec[0].shape))
    labels, start = np.empty(size, np.int32), 0
    for batch, label in decoded.batch(256).prefetch(4):
        places = slice(start, start + len(batch))
        images[places], labels[places] = batch, label
        start = places.stop
    return buffers.filled(images[:start]), labels[:start]


def fit_square(image, side):
    """Resizes the shorter side of an image to `side` (antialiased bilinear) and cuts the centre.

    Args:
        image: uint8 [H, W, 3].
        side: pixels.

    Returns:
        uint8 [side, side, 3].
    """
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scaled = tf.cast(tf.round(shape * (side / tf.reduce_min(shape))), tf.int32)
    scaled = tf.maximum(scaled, side)

    def resize():
        resized = tf.image.resize(image, scaled, antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)

    resized = tf.cond(tf.reduce_all(scaled == tf.shape(image)[:2]), lambda: image, resize)
    top, left = (scaled[0] - side) // 2, (scaled[1] - side) // 2
    return tf.ensure_shape(resized[top : top + side, left : left + side], (side, side, 3))


@contextlib.contextmanager
def damage_explained(builder):
    """Raises UserError where TensorFlow finds the files of a prepared data set damaged."""
    try:
        yield
    except _DAMAGE as error:
        raise UserError(
            f"the files in {builder.data_dir} are damaged or incomplete ({reason(error)}); copy "
            "or prepare them again"
        ) from error


@contextlib.contextmanager
def streaming_damage_explained(data_dir):
    """Raises UserError where a record or image of a streamed set proves damaged in use.

    Args:
        data_dir: where prepared sets are looked for; None for TFDS's own folder.
    """
    try:
        yield
    except _CONTENT as error:
        if not (isinstance(error, tf.errors.DataLossError) or _IN_RECORDS.search(error.message)):
            raise
        raise UserError(
            f"a data set is damaged ({reason(error)}); copy or prepare it again (prepared sets "
            f"are in {data_dir or tfds.core.constants.DATA_DIR}), or fix the folder of images; "
            "then the same command continues"
        ) from error
