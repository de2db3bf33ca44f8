"""Gaussian blur with a sigma of its own for each image, as two sums of shifted lines."""

import math

import tensorflow as tf

from infomin_tf.settings import ABOVE_ZERO, SHARE, check, check_interval
from infomin_tf.views.augment.common import apply_to, bernoulli, check_probability, split_seed
from infomin_tf.views.augment.transform import Transform


def gaussian_blur(images, sigma, kernel_size):
    """Separable Gaussian blur, borders reflected without repeating the edge, as torchvision.

    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.GaussianBlur.html

    Args:
        images: float32 [B, H, W, C].
        sigma: float32 [B] in pixels, above 0.
        kernel_size: odd number of taps; kernel_size // 2 smaller than H and W.
    """
    _, height, width, channels = images.shape
    radius = kernel_size // 2
    if kernel_size % 2 == 0 or radius >= min(height, width):
        raise ValueError(
            f"a blur of {height}x{width} px needs an odd kernel of less than "
            f"{2 * min(height, width)} px, not {kernel_size}"
        )
    taps = tf.exp(-0.5 * tf.square(tf.range(radius + 1.0) / sigma[:, None]))  # [B, radius + 1]
    taps /= 2.0 * tf.reduce_sum(taps, axis=1, keepdims=True) - taps[:, :1]
    border = [radius, radius]
    padded = tf.pad(images, [[0, 0], border, [0, 0], [0, 0]], "REFLECT")
    lines = tf.reshape(padded, [-1, height + 2 * radius, width * channels])
    rows = _weighted_sum(lambda k: lines[:, k : k + height], taps)
    rows = tf.reshape(rows, [-1, height, width, channels])
    padded = tf.pad(rows, [[0, 0], [0, 0], border, [0, 0]], "REFLECT")
    flat = tf.reshape(padded, [-1, height, (width + 2 * radius) * channels])
    columns = _weighted_sum(lambda k: flat[:, :, k * channels : (k + width) * channels], taps)
    return tf.reshape(columns, [-1, height, width, channels])


def blurred(images, sigma):
    """Images float32 [B, H, W, C] under one sigma in pixels, cut off at 4 sigma or at the image."""
    radius = min(max(1, math.ceil(4 * sigma)), min(images.shape[1:3]) - 1)
    return gaussian_blur(images, tf.fill([tf.shape(images)[0]], float(sigma)), 2 * radius + 1)


def _blur_one(image, sigma, kernel_size):
    """`gaussian_blur` of a batch of one, with half of the taps if float32 sees no more."""
    radius = kernel_size // 4 + 1
    return tf.cond(
        5.8 * sigma[0] <= radius,  # exp(-5.8^2 / 2) < 2^-24
        lambda: gaussian_blur(image, sigma, 2 * radius + 1),
        lambda: gaussian_blur(image, sigma, kernel_size),
    )


def _weighted_sum(shifted, taps):
    """The sum of `shifted` of 0, ..., 2r, weighted by taps [B, r + 1] of the distance from r."""
    radius = taps.shape[1] - 1
    total = taps[:, :1, None] * shifted(radius)
    for k in range(1, radius + 1):
        total += taps[:, k : k + 1, None] * (shifted(radius - k) + shifted(radius + k))
    return total


class GaussianBlur(Transform):
    """Gaussian blur of a random sigma, with a probability.

    Args:
        sigma: (low, high), the range of the uniform sigma in pixels.
        kernel_share: kernel size as a share of the image's height (23 px at 224 px), made odd.
        probability: share of images that are blurred.
    """

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0), kernel_share=0.1, probability=0.5):
        check_interval(self, ABOVE_ZERO, sigma=sigma)
        check(self, ABOVE_ZERO, kernel_share=kernel_share)
        check(self, SHARE, kernel_share=kernel_share)
        self.sigma, self.kernel_share = sigma, kernel_share
        self.probability = check_probability(probability)

    def draw(self, num_images, seed):
        """sigma [B], 0 for no blur."""
        seeds = split_seed(seed, 2)
        sigma = tf.random.stateless_uniform([num_images], seeds[0], *self.sigma)
        return {"sigma": tf.where(bernoulli(num_images, seeds[1], self.probability), sigma, 0.0)}

    def apply(self, images, draws):
        """Images, some of them blurred."""
        sigma = draws["sigma"]
        kernel_size = max(3, 2 * int(self.kernel_share * images.shape[1] / 2) + 1)

        def blur(subset, subset_sigma):
            function = _blur_one if subset.shape[0] == 1 and kernel_size > 10 else gaussian_blur
            return function(subset, tf.maximum(subset_sigma, 1e-3), kernel_size)

        return apply_to(blur, images, sigma > 0.0, sigma)
