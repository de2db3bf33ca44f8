"""Splitting, the half of a view that the model makes: from an image to the encoders' parts.

A split is a Keras layer: image [B, H, W, 3] in [0, 1] -> tuple of parts; it runs on the device, is
differentiable and is exported with the encoders.
"""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.settings import ABOVE_ZERO, check, check_constants
from infomin_tf.views import planes
from infomin_tf.views.augment.blur import blurred
from infomin_tf.views.color import RGB, ColorSpace, channel_statistics
from infomin_tf.views.generators import PixelFlow

_Constants = tuple[float, float, float] | None


class Split(keras.layers.Layer):
    """Colour space, then (x - mean) / std by channel; the constants are weights.

    Args:
        color_space: an object of `infomin_tf.views.color`.
        mean, std: of each channel; None for those of the colour space or, where it has none, of the
            unlabelled images.
    """

    generator = None

    def __init__(
        self, color_space: ColorSpace, mean: _Constants = None, std: _Constants = None, **kwargs
    ):
        super().__init__(**{"dtype": "float32"} | kwargs)
        check_constants(self, mean, std)
        if mean is None:
            mean, std = color_space.mean, color_space.std
        self.color_space, self.mean, self.std = color_space, mean, std

    def build(self, input_shape):
        initial_mean, initial_std = self.mean or (0.0,) * 3, self.std or (1.0,) * 3
        self.channel_mean = self._constant("channel_mean", initial_mean)
        self.channel_std = self._constant("channel_std", initial_std)
        self.built = True

    def _constant(self, name, value):
        return self.add_weight(
            shape=(3,),
            initializer=lambda shape, dtype=None: tf.constant(value, tf.float32, shape),
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def adapt(self, images):
        """Measures mean and standard deviation of each channel, unless they were given.

        Args:
            images: uint8 [M, H, W, 3].
        """
        if self.mean is None:
            mean, std = channel_statistics(images.astype("float32") / 255.0, self.color_space)
            self.channel_mean.assign(mean)
            self.channel_std.assign(np.maximum(std, 1e-6))

    def standardize(self, images):
        """Images [B, H, W, 3] in [0, 1] -> standardised channels of the colour space."""
        channels = self.color_space.from_rgb(images)
        width = channels.shape[-2] or tf.shape(channels)[-2]
        # Constants of a whole row: broadcasting over a last axis of 3 is slow on a CPU.
        mean, std = (
            tf.tile(constant.value[None], [width, 1])
            for constant in (self.channel_mean, self.channel_std)
        )
        return (channels - mean) / std

    def get_config(self):
        color_space = keras.saving.serialize_keras_object(self.color_space)
        own = {"color_space": color_space, "mean": self.mean, "std": self.std}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable(package="infomin_tf")
class Whole(Split):
    """No split: the standardised image is the only part, for one shared encoder.

    Args:
        color_space, mean, std: see `Split`.
    """

    num_parts = 1

    def part_shapes(self, view_shape):
        """[(H, W, 3)] for views (H, W, 3)."""
        return [tuple(view_shape)]

    def call(self, images):
        return (self.standardize(images),)


@keras.saving.register_keras_serializable(package="infomin_tf")
class Sequence(Whole):
    """No split: a sequence of frames and an image, each for its own encoder (section 4.1).

    Args:
        color_space, mean, std: see `Split`; constants must be given, here or in the colour space.
    """

    num_parts = 2

    def __init__(
        self, color_space: ColorSpace, mean: _Constants = None, std: _Constants = None, **kwargs
    ):
        super().__init__(color_space, mean, std, **kwargs)
        if self.mean is None:
            kind = type(color_space).__name__
            raise ValueError(f"Sequence needs constants; bind {kind}.mean and std")

    def part_shapes(self, view_shape):
        """[(None, H, W, 3), (H, W, 3)]: a sequence of any length, and an image."""
        return [(None, *view_shape), tuple(view_shape)]

    def of_images(self):
        """The same for single images alone."""
        return Whole(self.color_space, self.mean, self.std)


@keras.saving.register_keras_serializable(package="infomin_tf")
class ChannelSplit(Split):
    """{X_1, X_2:3}: some channels and the others, natural or learned (sections 3.3, 4.2).

    colour space -> standardise -> g, if a generator is given -> split.

    Args:
        color_space, mean, std: see `Split`.
        generator: g, of `infomin_tf.views.generators`; None for the raw channels.
        first_channels: the channels of part 1, one or two of 0, 1 and 2; part 2 has the others.
    """

    num_parts = 2

    def __init__(
        self,
        color_space: ColorSpace,
        generator: PixelFlow | None = None,
        mean: _Constants = None,
        std: _Constants = None,
        first_channels=(0,),
        **kwargs,
    ):
        super().__init__(color_space, mean, std, **kwargs)
        self.first_channels = tuple(first_channels)
        self.other_channels = tuple({0, 1, 2} - set(first_channels))
        if (len(self.first_channels), len(self.other_channels)) not in ((1, 2), (2, 1)):
            raise ValueError(
                "first_channels must be one or two of 0, 1 and 2, such as (0,) or (0, 2), not "
                f"{first_channels}"
            )
        self.generator = generator
        if generator is not None and generator.lone_channels is None:
            generator.lone_channels = color_space.lone_channels

    def build(self, input_shape):
        super().build(input_shape)
        if self.generator is not None and not self.generator.built:
            self.generator.build(input_shape)

    def part_shapes(self, view_shape):
        """[(H, W, 1), (H, W, 2)] for views (H, W, 3) and one channel in part 1."""
        height, width, _ = view_shape
        return [(height, width, len(part)) for part in (self.first_channels, self.other_channels)]

    def call(self, images):
        return self._parts(images, self.first_channels, self.other_channels)

    def transform(self, images):
        """g(X): the three channels [B, H, W, 3] that are then divided."""
        return self._parts(images, (0, 1, 2))[0]

    def _parts(self, images, *parts):
        """Images [B, H, W, C] of the channels that each part names."""
        channels = self._standard_planes(images)
        if self.generator is not None:
            channels, _ = self.generator.of_planes(channels)
        shape = tf.shape(images)[:-1]
        return tuple(planes.to_images([channels[c] for c in part], shape) for part in parts)

    def _standard_planes(self, images):
        """The planes of `standardize`."""
        channels = planes.of_images(self.color_space.from_rgb(images))
        means, stds = (tf.unstack(w.value) for w in (self.channel_mean, self.channel_std))
        return [(x - m) / s for x, m, s in zip(channels, means, stds, strict=True)]

    def get_config(self):
        generator = keras.saving.serialize_keras_object(self.generator)
        own = {"generator": generator, "first_channels": self.first_channels}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="infomin_tf")
class FrequencySplit(Split):
    """{Blur(X, sigma), X - Blur(X, sigma)}: low and high frequencies (B.3, Fig. 9).

    Args:
        sigma: of the Gaussian blur, in pixels of the view, above 0.
        color_space, mean, std: see `Split`; the colour space is RGB where it is None.
    """

    num_parts = 2

    def __init__(
        self,
        sigma=1.0,
        color_space: ColorSpace | None = None,
        mean: _Constants = None,
        std: _Constants = None,
        **kwargs,
    ):
        super().__init__(color_space or RGB(), mean, std, **kwargs)
        check(self, ABOVE_ZERO, sigma=sigma)
        self.sigma = sigma

    def part_shapes(self, view_shape):
        """[(H, W, 3), (H, W, 3)] for views (H, W, 3)."""
        return [tuple(view_shape)] * 2

    def call(self, images):
        """(low, high), each float32 [B, H, W, 3]."""
        x = self.standardize(images)
        low = blurred(x, self.sigma)
        return low, x - low

    def get_config(self):
        return super().get_config() | {"sigma": self.sigma}
