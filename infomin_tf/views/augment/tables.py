"""Tables [B, 3, 256] that map each grey level of a channel, as Pillow's ImageOps and ImageEnhance.

Source: https://pillow.readthedocs.io/en/stable/reference/ImageOps.html
"""

import math

import tensorflow as tf


def look_up(images, tables):
    """Replaces each grey level by its entry.

    Args:
        images: float32 [B, H, W, 3] in [0, 255], rounded here.
        tables: float32 [B, 3, 256].
    """
    mapped = tf.gather_nd(tf.reshape(tables, [-1]), _places(images)[..., None])
    return tf.reshape(mapped, tf.shape(images))


def identity(num_images):
    """Tables that change nothing."""
    return tf.tile(tf.range(256, dtype=tf.float32)[None, None], [num_images, 3, 1])


def blend(levels, factor, reference):
    """reference + factor * (level - reference), clipped, [B] each.

    Brightness has the reference 0, contrast the mean grey.
    """
    factor, reference = factor[:, None, None], reference[:, None, None]
    return tf.clip_by_value(tf.round(reference + factor * (levels - reference)), 0.0, 255.0)


def autocontrast(images):
    """Stretches each channel of images so that its darkest level becomes 0 and its lightest 255."""
    histogram = _histograms(images)
    levels = tf.range(256, dtype=tf.float32)
    present = histogram > 0
    low = tf.reduce_min(tf.where(present, levels, 255.0), axis=2, keepdims=True)
    high = tf.reduce_max(tf.where(present, levels, 0.0), axis=2, keepdims=True)
    stretched = tf.floor((levels - low) * (255.0 / tf.maximum(high - low, 1.0)))
    return tf.where(high > low, tf.clip_by_value(stretched, 0.0, 255.0), levels)


def equalize(images):
    """Makes the levels of each channel of images as even as whole levels allow."""
    histogram = _histograms(images)
    levels = tf.range(256, dtype=tf.float32)
    total = tf.reduce_sum(histogram, axis=2, keepdims=True)
    last = tf.reduce_max(tf.where(histogram > 0, levels, 0.0), axis=2, keepdims=True)
    last_count = tf.reduce_sum(tf.where(levels == last, histogram, 0.0), axis=2, keepdims=True)
    step = tf.floor((total - last_count) / 255.0)
    before = tf.cumsum(histogram, axis=2, exclusive=True)
    mapped = tf.minimum(tf.floor((before + tf.floor(step / 2)) / tf.maximum(step, 1.0)), 255.0)
    return tf.where(step > 0, mapped, levels)


def _histograms(images):
    """Counts of each grey level (rounded) by channel, float32 [B, 3, 256]."""
    batch = tf.shape(images)[0]
    places = tf.reshape(_places(images), [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(places, tf.float32), places, 768 * batch)
    return tf.reshape(counts, [batch, 3, 256])


def _places(images):
    """int32 [B, H * W * 3]: where each value of a batch stands in tables [B, 3, 256]."""
    batch = tf.shape(images)[0]
    flat = tf.reshape(images, [batch, math.prod(images.shape[1:])])
    channels = tf.tile(tf.constant([[0, 256, 512]]), [1, math.prod(images.shape[1:3])])
    return tf.cast(flat + 0.5, tf.int32) + channels + 768 * tf.range(batch)[:, None]
