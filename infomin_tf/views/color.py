"""Colour spaces: differentiable conversions of RGB images in [0, 1], in scikit-image's scales.

https://scikit-image.org/docs/stable/api/skimage.color.html
"""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.settings import check_constants


class ColorSpace:
    """A colour space; stateless, images are float [..., 3].

    Args:
        mean, std: of each channel over a set of images, by which splits standardise; None for those
            of the images at hand.

    Attributes:
        channel_names: of the three channels.
        lone_channels: which channel a view generator treats apart, block by block: luminance where
            there is chroma, each in turn otherwise.
    """

    channel_names = ()
    lone_channels = (0, 1, 2)

    def __init__(
        self,
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
    ):
        check_constants(self, mean, std)
        self.mean, self.std = mean, std

    def from_rgb(self, rgb):
        """Channels [..., 3] of RGB [..., 3] in [0, 1]."""
        raise NotImplementedError

    def get_config(self):
        return {"mean": self.mean, "std": self.std}

    @classmethod
    def from_config(cls, config):
        """A new object."""
        return cls(**config)


class _Linear(ColorSpace):
    """channels = matrix @ rgb + offset."""

    matrix = ()
    offset = (0.0, 0.0, 0.0)

    def from_rgb(self, rgb):
        """Channels [..., 3] of RGB [..., 3] in [0, 1]: matrix @ rgb + offset."""
        return _transform(rgb, self.matrix) + tf.constant(self.offset, rgb.dtype)


@keras.saving.register_keras_serializable(package="infomin_tf")
class RGB(_Linear):
    """Red, green, blue, each in [0, 1]."""

    channel_names = ("R", "G", "B")

    def from_rgb(self, rgb):
        """The same."""
        return rgb


@keras.saving.register_keras_serializable(package="infomin_tf")
class YDbDr(_Linear):
    """Luminance Y in [0, 1] and the chroma Db, Dr in about [-1.333, 1.333] (SECAM)."""

    lone_channels = (0,)
    channel_names = ("Y", "Db", "Dr")
    matrix = ((0.299, 0.587, 0.114), (-0.45, -0.883, 1.333), (-1.333, 1.116, 0.217))


@keras.saving.register_keras_serializable(package="infomin_tf")
class YUV(_Linear):
    """Luminance Y in [0, 1], U in about [-0.436, 0.436], V in about [-0.615, 0.615] (PAL)."""

    lone_channels = (0,)
    channel_names = ("Y", "U", "V")
    matrix = (
        (0.299, 0.587, 0.114),
        (-0.14714119, -0.28886916, 0.43601035),
        (0.61497538, -0.51496512, -0.10001026),
    )


@keras.saving.register_keras_serializable(package="infomin_tf")
class YIQ(_Linear):
    """Luminance Y in [0, 1], I in about [-0.596, 0.596], Q in about [-0.523, 0.523] (NTSC)."""

    lone_channels = (0,)
    channel_names = ("Y", "I", "Q")
    matrix = (
        (0.299, 0.587, 0.114),
        (0.59590059, -0.27455667, -0.32134392),
        (0.21153661, -0.52273617, 0.31119955),
    )


@keras.saving.register_keras_serializable(package="infomin_tf")
class YCbCr(_Linear):
    """Luminance Y in [16, 235], Cb and Cr in [16, 240] (ITU-R BT.601, as digital video has it)."""

    lone_channels = (0,)
    channel_names = ("Y", "Cb", "Cr")
    matrix = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
    offset = (16.0, 128.0, 128.0)


@keras.saving.register_keras_serializable(package="infomin_tf")
class Lab(ColorSpace):
    """CIE L*a*b* of sRGB under D65 (2 degrees): L in [0, 100], a, b in [-86, 98], [-108, 94]."""

    lone_channels = (0,)
    channel_names = ("L", "a", "b")
    _xyz_from_rgb = (
        (0.412453, 0.357580, 0.180423),
        (0.212671, 0.715160, 0.072169),
        (0.019334, 0.119193, 0.950227),
    )
    _white = (0.95047, 1.0, 1.08883)

    def from_rgb(self, rgb):
        """L, a, b [..., 3] of sRGB [..., 3] in [0, 1]."""
        curve = lambda x: ((x + 0.055) / 1.055) ** 2.4
        linear = _piecewise(rgb, 0.04045, curve, lambda x: x / 12.92)
        xyz = _transform(linear, self._xyz_from_rgb) / tf.constant(self._white, rgb.dtype)
        f = _piecewise(xyz, 0.008856, lambda x: x ** (1 / 3), lambda x: 7.787 * x + 16 / 116)
        x, y, z = tf.unstack(f, axis=-1)
        return tf.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


@keras.saving.register_keras_serializable(package="infomin_tf")
class HSV(ColorSpace):
    """Hue in [0, 1) (a circle; 0 for grey), saturation and value in [0, 1]."""

    channel_names = ("H", "S", "V")

    def from_rgb(self, rgb):
        """Hue, saturation, value [..., 3] of RGB [..., 3], each in [0, 1]."""
        red, green, blue = tf.unstack(rgb, axis=-1)
        value = tf.reduce_max(rgb, axis=-1)
        chroma = value - tf.reduce_min(rgb, axis=-1)
        safe_chroma = tf.where(chroma > 0, chroma, tf.ones_like(chroma))
        safe_value = tf.where(value > 0, value, tf.ones_like(value))
        from_green, from_blue = (blue - red) / safe_chroma, (red - green) / safe_chroma
        sixths = tf.where(value == green, 2.0 + from_green, 4.0 + from_blue)
        sixths = tf.where(value == red, (green - blue) / safe_chroma, sixths)
        hue = tf.where(chroma > 0, tf.math.floormod(sixths / 6.0, 1.0), tf.zeros_like(chroma))
        return tf.stack([hue, chroma / safe_value, value], axis=-1)


def channel_statistics(images, color_space):
    """Mean and standard deviation of each channel over all pixels.

    Args:
        images: RGB float32 [M, H, W, 3] in [0, 1].
        color_space: a `ColorSpace`.

    Returns:
        (mean, std), float32 arrays [3]; std is exactly 0 for a constant channel.

    Raises:
        ValueError: when there are no images.
    """
    if len(images) == 0:
        raise ValueError("channel_statistics got 0 images; give at least one")
    count, total, squares, origin = 0, np.zeros(3), np.zeros(3), None
    for start in range(0, len(images), 256):
        rgb = tf.constant(images[start : start + 256], tf.float32)
        pixels = color_space.from_rgb(rgb).numpy().reshape(-1, 3).astype(np.float64)
        origin = pixels[0] if origin is None else origin  # near the mean: no cancellation
        pixels = pixels - origin
        count += len(pixels)
        total += pixels.sum(0)
        squares += np.square(pixels).sum(0)
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0.0)
    return (origin + mean).astype(np.float32), np.sqrt(variance).astype(np.float32)


def _transform(x, matrix):
    """Product matrix @ x over the last axis."""
    return tf.tensordot(x, tf.constant(np.transpose(matrix), x.dtype), axes=1)


def _piecewise(x, threshold, above, below):
    """above(x) where x > threshold, else below(x); gradients stay finite."""
    large = x > threshold
    return tf.where(large, above(tf.where(large, x, tf.ones_like(x))), below(x))
