"""Colour operations: jitter, greyscale, solarize. Images float32 [B, H, W, 3] in [0, 255]."""

import math

import tensorflow as tf

from infomin_tf.settings import GREY_LEVEL, check
from infomin_tf.views.augment.common import (
    apply_one_of,
    apply_to,
    bernoulli,
    check_probability,
    per_image,
    split_seed,
)
from infomin_tf.views.augment.transform import Transform

GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow and torchvision have them


def adjust_saturation(images, factor):
    """Blends each image [B, H, W, 3] with its grey version; a factor [B] of 1 leaves it."""
    return _clip(_mix(images, _saturation_matrix(factor)))


def adjust_hue(images, shift):
    """Turns the hue of the HSV hexcone.

    Args:
        images: [B, H, W, 3].
        shift: [B], in turns, in [-0.5, 0.5].
    """
    pixels = tf.reshape(images, [tf.shape(images)[0], -1, 3])
    r, g, b = tf.unstack(tf.transpose(pixels, [2, 0, 1]))
    value = tf.maximum(r, tf.maximum(g, b))
    chroma = value - tf.minimum(r, tf.minimum(g, b))
    inverse = 1.0 / tf.maximum(chroma, 1e-6)
    sixths = tf.where(
        value == r,
        (g - b) * inverse,
        tf.where(value == g, (b - r) * inverse + 2.0, (r - g) * inverse + 4.0),
    )
    turned = sixths + 6.0 * shift[:, None] + 12.0  # in [8, 20]: above 0 for the floor below
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = turned + offset
        k -= 6.0 * tf.floor(k * (1.0 / 6.0))
        share = tf.clip_by_value(tf.minimum(k, 4.0 - k), 0.0, 1.0)
        channels.append(value - chroma * share)
    return tf.reshape(tf.transpose(tf.stack(channels), [1, 2, 0]), tf.shape(images))


def greyscale(images):
    """The grey version, in three equal channels."""
    weights = tf.constant(GREY_WEIGHTS, images.dtype)[:, None] * tf.ones([1, 3], images.dtype)
    return tf.reshape(tf.matmul(tf.reshape(images, [-1, 3]), weights), tf.shape(images))


def mean_grey(images):
    """The mean of each image's grey version, [B]."""
    height, width = images.shape[1:3]
    rows = tf.reshape(images, [-1, height, 3 * width])
    weights = tf.tile(tf.constant(GREY_WEIGHTS, images.dtype) / (height * width), [width])
    return tf.linalg.matvec(tf.reduce_sum(rows, axis=1), weights)  # rows are summed as vectors


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue, in random order for each image.

    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ColorJitter.html

    Args:
        brightness, contrast, saturation: b: the factor is uniform in [max(0, 1 - b), 1 + b].
        hue: h: the shift is uniform in [-h, h] turns, h at most 0.5.
        probability: share of images that are changed.
    """

    def __init__(
        self, brightness: float, contrast: float, saturation: float, hue: float, probability=0.8
    ):
        strengths = (brightness, contrast, saturation, hue)
        if not all(0 <= s < math.inf for s in strengths) or hue > 0.5:
            raise ValueError(
                "ColorJitter needs strengths of at least 0 and a hue of at most 0.5, not "
                f"{brightness}, {contrast}, {saturation}, {hue}"
            )
        self.strengths, self.hue = (brightness, contrast, saturation), hue
        self.probability = check_probability(probability)

    @classmethod
    def of_strength(cls, strength, probability=0.8):
        """Jitter (0.8x, 0.8x, 0.8x, 0.2x) of section 3.4; hue stops at half a turn."""
        x = strength
        return cls(0.8 * x, 0.8 * x, 0.8 * x, min(0.2 * x, 0.5), probability)

    def draw(self, num_images, seed):
        """factors [B, 3], hue [B], chosen [B]; order [B, 4] of all four, hue the last of them."""
        seeds = split_seed(seed, 4)
        low = tf.constant([max(0.0, 1.0 - s) for s in self.strengths])
        high = tf.constant([1.0 + s for s in self.strengths])
        uniform = tf.random.stateless_uniform([num_images, 3], seeds[0])
        return {
            "factors": low + (high - low) * uniform,
            "hue": tf.random.stateless_uniform([num_images], seeds[1], -self.hue, self.hue),
            "order": tf.argsort(tf.random.stateless_uniform([num_images, 4], seeds[3])),
            "chosen": bernoulli(num_images, seeds[2], self.probability),
        }

    def apply(self, images, draws):
        """Jittered images [B, H, W, 3]."""
        names = ("factors", "hue", "order")
        return apply_to(self._jitter, images, draws["chosen"], *(draws[name] for name in names))

    def _jitter(self, images, factors, hue, order):
        def turn(subset, _, __, shift):
            return adjust_hue(subset, shift) if self.hue else subset

        for kind in tf.unstack(order, axis=1):
            turned = tf.cast(kind == 3, tf.int32)
            images = apply_one_of((self._adjust, turn), images, turned, factors, kind, hue)
        return images

    def _adjust(self, images, factors, kind, _):
        """Brightness (0), contrast (1) or saturation (2), as a colour matrix and an offset."""

        def contrast_offset(_, x, factor):
            return (1.0 - factor) * mean_grey(x)

        factor = tf.gather(factors, tf.minimum(kind, 2), batch_dims=1)
        offset = apply_to(contrast_offset, tf.zeros_like(factor), kind == 1, images, factor)
        scaled = factor[:, None, None] * tf.eye(3)
        matrix = tf.where((kind == 2)[:, None, None], _saturation_matrix(factor), scaled)
        return _clip(_mix(images, matrix) + per_image(offset))


class Greyscale(Transform):
    """Grey with a probability."""

    def __init__(self, probability=0.2):
        self.probability = check_probability(probability)

    def draw(self, num_images, seed):
        """grey, bool [B]."""
        return {"grey": bernoulli(num_images, seed, self.probability)}

    def apply(self, images, draws):
        """Images, some of them grey."""
        return apply_to(greyscale, images, draws["grey"])


class Solarize(Transform):
    """255 - image at or above a threshold, with a probability.

    Args:
        threshold: grey levels.
        probability: share of images that are changed.
    """

    def __init__(self, threshold=128.0, probability=0.2):
        check(self, GREY_LEVEL, threshold=threshold)
        self.threshold = threshold
        self.probability = check_probability(probability)

    def draw(self, num_images, seed):
        """threshold [B]; 256 leaves an image."""
        chosen = bernoulli(num_images, seed, self.probability)
        return {"threshold": tf.where(chosen, float(self.threshold), 256.0)}

    def apply(self, images, draws):
        """Images, some of them solarized."""
        return tf.where(images >= per_image(draws["threshold"]), 255.0 - images, images)


def _saturation_matrix(factor):
    grey = tf.constant(GREY_WEIGHTS)[:, None] * tf.ones([1, 3])
    return factor[:, None, None] * tf.eye(3) + (1.0 - factor)[:, None, None] * grey


def _mix(images, matrix):
    """images [B, H, W, 3] times a matrix [B, 3, 3] (from, to) a pixel."""
    shape = tf.shape(images)
    pixels = tf.reshape(images, [shape[0], math.prod(images.shape[1:3]), 3])
    return tf.reshape(tf.matmul(pixels, matrix), shape)


def _clip(images):
    return tf.clip_by_value(images, 0.0, 255.0)
