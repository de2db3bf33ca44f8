"""Affine warps of RandAugment: rotate, shear, translate; bilinear, as Pillow's Image.transform."""

import math

import numpy as np
import tensorflow as tf


def affine_warp(images, matrices, fill):
    """Output pixel (x, y) is the input at (a x + b y + c, d x + e y + f); centres at half-integers.

    As Pillow, samples outside the image take the fill colour, those within half a pixel of the
    border its pixels.
    Source: https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image.transform

    Args:
        images: float32 [B, H, W, C].
        matrices: float32 [B, 6]: a, b, c, d, e, f.
        fill: C numbers.
    """
    batch = tf.shape(images)[0]
    height, width = images.shape[1:3]
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32) + 0.5
    grid = tf.constant(np.stack([x, y, np.ones_like(x)]))  # [3, P]
    place = tf.matmul(tf.reshape(matrices, [batch * 2, 3]), grid)
    place = tf.reshape(place, [batch, 2, height * width])
    x_in, y_in = place[:, 0], place[:, 1]
    inside = (x_in >= 0.0) & (x_in < width) & (y_in >= 0.0) & (y_in < height)
    inside = tf.reshape(inside, [batch, height, width, 1])
    return tf.where(inside, _sample(images, x_in, y_in), tf.constant(fill, images.dtype))


def _sample(images, x_in, y_in):
    batch = tf.shape(images)[0]
    _, height, width, channels = images.shape
    x_low, y_low = tf.floor(x_in - 0.5), tf.floor(y_in - 0.5)
    right, down = (x_in - 0.5 - x_low)[..., None], (y_in - 0.5 - y_low)[..., None]
    columns = [_index(x_low + step, width) for step in (0, 1)]
    rows = [_index(y_low + step, height) * width for step in (0, 1)]
    flat = tf.reshape(images, [batch, height * width, channels])

    def line(row):
        left, other = (tf.gather(flat, row + column, batch_dims=1) for column in columns)
        return left * (1.0 - right) + other * right

    warped = line(rows[0]) * (1.0 - down) + line(rows[1]) * down
    return tf.reshape(warped, tf.shape(images))


def rotation(degrees, height, width):
    """Matrices [B, 6] that turn images [height, width] about their centre, counter-clockwise."""
    angle = degrees * (math.pi / 180.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x, y = width / 2.0, height / 2.0
    c, f = x - cosine * x + sine * y, y - sine * x - cosine * y
    return matrices(cosine, -sine, c, sine, cosine, f)


def matrices(*entries):
    """Matrices [B, 6] of a, b, c, d, e, f, each a number or [B], at least one of them [B]."""
    zero = tf.zeros_like(next(entry for entry in entries if tf.is_tensor(entry)))
    return tf.stack([zero + entry for entry in entries], axis=-1)


def _index(place, extent):
    return tf.cast(tf.clip_by_value(place, 0.0, extent - 1.0), tf.int32)
