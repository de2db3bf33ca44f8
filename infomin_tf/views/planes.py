"""Channels of images as planes: whole arrays [1, P] of the P pixels of a batch.

Arithmetic on planes is several times faster than on a last axis of 3, and each is computed alone.
"""

import tensorflow as tf


def of_images(images):
    """A list of planes [1, P], one per channel, of images [..., C]."""
    return [tf.reshape(plane, [1, -1]) for plane in tf.unstack(images, axis=-1)]


def to_images(planes, shape):
    """Images [*shape, C] of a list of C planes [1, P]."""
    if len(planes) == 1:
        return tf.reshape(planes[0], tf.concat([shape, [1]], axis=0))
    return tf.stack([tf.reshape(plane, shape) for plane in planes], axis=-1)
