"""Gaussian blur with a sigma of its own for each image, as two products with banded matrices."""

import numpy as np
import tensorflow as tf

from infomin_tf.views.augment.common import apply_to, bernoulli, check_probability, split_seed


def gaussian_blur(images, sigma, kernel_size):
    """Separable Gaussian blur, borders reflected without repeating the edge (OpenCV's default, torchvision's).

    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.GaussianBlur.html

    Args:
        images: float32 [B, H, W, C].
        sigma: float32 [B] in pixels, above 0.
        kernel_size: odd number of taps; kernel_size // 2 smaller than H and W.
    """
    _, height, width, channels = images.shape
    batch = tf.shape(images)[0]
    rows = tf.reshape(images, [batch, height, width * channels])
    rows = tf.matmul(blur_matrix(sigma, height, kernel_size), rows)
    columns = tf.transpose(tf.reshape(rows, [batch, height, width, channels]), [0, 2, 1, 3])
    columns = tf.reshape(columns, [batch, width, height * channels])
    columns = tf.matmul(blur_matrix(sigma, width, kernel_size), columns)
    blurred = tf.reshape(columns, [batch, width, height, channels])
    return tf.transpose(blurred, [0, 2, 1, 3])


def blur_matrix(sigma, extent, kernel_size):
    """The matrix [B, extent, extent] that blurs a line of `extent` pixels, reflection included."""
    radius = kernel_size // 2
    if kernel_size % 2 == 0 or radius >= extent:
        raise ValueError(
            f"a blur of {extent} px takes an odd kernel of less than {2 * extent} px, not {kernel_size}"
        )
    distance = tf.range(radius + 1, dtype=tf.float32)
    taps = tf.exp(-0.5 * tf.square(distance / sigma[:, None]))  # [B, radius + 1]
    taps /= 2.0 * tf.reduce_sum(taps, axis=1, keepdims=True) - taps[:, :1]
    bands = tf.constant(_bands(extent, radius).reshape(radius + 1, -1))
    return tf.reshape(tf.matmul(taps, bands), [-1, extent, extent])


def _bands(extent, radius):
    """float32 [radius + 1, extent, extent]: how often output i takes input j at each distance."""
    bands = np.zeros((radius + 1, extent, extent), np.float32)
    row = np.arange(extent)
    for shift in range(-radius, radius + 1):
        column = np.abs(row + shift)
        column = np.where(column >= extent, 2 * (extent - 1) - column, column)
        np.add.at(bands, (abs(shift), row, column), 1.0)
    return bands


class GaussianBlur:
    """Gaussian blur of a random sigma, with a probability.

    Args:
        sigma: (low, high), the range of the uniform sigma in pixels.
        kernel_share: kernel size as a share of the image's height (23 px at 224 px), made odd.
        probability: share of images that are blurred.
    """

    def __init__(self, sigma=(0.1, 2.0), kernel_share=0.1, probability=0.5):
        self.sigma, self.kernel_share = sigma, kernel_share
        self.probability = check_probability(probability)

    def draw(self, num_images, seed):
        """sigma [B], 0 for no blur."""
        seeds = split_seed(seed, 2)
        sigma = tf.random.stateless_uniform([num_images], seeds[0], *self.sigma)
        return {"sigma": tf.where(bernoulli(num_images, seeds[1], self.probability), sigma, 0.0)}

    def apply(self, images, draws, dense=False):
        """Images, some of them blurred."""
        sigma = draws["sigma"]
        kernel_size = max(3, 2 * int(self.kernel_share * images.shape[1] / 2) + 1)

        def blur(subset, subset_sigma):
            return gaussian_blur(subset, tf.maximum(subset_sigma, 1e-3), kernel_size)

        return apply_to(blur, images, sigma > 0.0, sigma, dense=dense)
