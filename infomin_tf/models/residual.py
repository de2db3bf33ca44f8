"""The blocks of residual networks: convolution with normalisation, and those with a shortcut."""

import functools

import keras
import tensorflow as tf

from infomin_tf.models import layers


class ConvolutionAndNormalization(keras.layers.Layer):
    """Convolution with symmetric padding, as PyTorch pads, batch normalisation and optionally ReLU.

    A strided 1x1 convolution is computed as one without strides, of every second (third, ...)
    pixel: with fewer channels than a vector register holds, oneDNN's gradient of its kernel is
    wrong and overwrites other memory (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        relu=False,
        groups=1,
        gamma_initializer="ones",
        synchronized=True,
        splits=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.relu = filters, relu
        self.padding = kernel_size // 2 if strides > 1 else 0
        padding = "valid" if strides > 1 else "same"
        self.step = strides if kernel_size == 1 else 1
        strides, dtype = strides // self.step, self.dtype_policy
        statistics = (synchronized, splits, dtype)
        self.convolution = layers.convolution(filters, kernel_size, strides, padding, groups, dtype)
        self.normalization = layers.batch_normalization(gamma_initializer, *statistics)

    def build(self, input_shape):
        self.convolution.build(input_shape)
        self.normalization.build((None, None, None, self.filters))
        self.built = True

    def call(self, x, training=None):
        x = pad(x, self.padding)
        x = x[:, :: self.step, :: self.step] if self.step > 1 else x
        x = self.normalization(self.convolution(x), training=training)
        return tf.nn.relu(x) if self.relu else x


class ResidualBlock(keras.layers.Layer):
    """relu(residual(x) + shortcut(x)); the shortcut is a 1x1 convolution where the shape changes.

    Args:
        filters: of the stage.
        strides: of the block.
        zero_init_last: the scale of the last normalisation of the residual starts at 0.
        synchronized, splits: of batch normalisation.
    """

    expansion = 1
    groups, group_width = 1, 64  # of its 3x3 convolution, at width 1 in the first stage

    def __init__(
        self, filters, strides, zero_init_last=False, synchronized=True, splits=1, **kwargs
    ):
        super().__init__(**kwargs)
        self.strides, self.output_channels = strides, self.expansion * filters
        shared = {"synchronized": synchronized, "splits": splits, "dtype": self.dtype_policy}
        self.part = functools.partial(ConvolutionAndNormalization, **shared)
        last = {"gamma_initializer": "zeros" if zero_init_last else "ones"}
        self.residual = self._make_residual(filters, last)

    def _make_residual(self, filters, last):
        """The convolutions of the residual; `last` are arguments of the last."""
        raise NotImplementedError

    def build(self, input_shape):
        self.shortcut = None
        if self.strides > 1 or input_shape[-1] != self.output_channels:
            self.shortcut = self.part(self.output_channels, 1, self.strides)
            self.shortcut.build(input_shape)
        channels = input_shape[-1]
        for part in self.residual:
            part.build((None, None, None, channels))
            channels = part.filters
        self.built = True

    def call(self, x, training=None):
        shortcut = x if self.shortcut is None else self.shortcut(x, training=training)
        for part in self.residual:
            x = part(x, training=training)
        return tf.nn.relu(x + shortcut)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions."""

    def _make_residual(self, filters, last):
        first = self.part(filters, 3, self.strides, relu=True)
        return [first, self.part(filters, 3, **last)]


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolution, the last with four times the filters.

    The 3x3 convolution has `groups` groups of `group_width` filters in the first stage at width 1,
    and at least one filter per group.
    """

    expansion = 4

    def _make_residual(self, filters, last):
        inner = max(1, filters * self.group_width // 64) * self.groups
        return [
            self.part(inner, 1, relu=True),
            self.part(inner, 3, self.strides, relu=True, groups=self.groups),
            self.part(self.expansion * filters, 1, **last),
        ]


class Bottleneck32x4d(Bottleneck):
    """Bottleneck with 32 groups of 4 filters."""

    groups, group_width = 32, 4


class Bottleneck32x8d(Bottleneck):
    """Bottleneck with 32 groups of 8 filters."""

    groups, group_width = 32, 8


def pad(x, pixels):
    """Maps [B, H, W, C] with so many zeros on each side."""
    return tf.pad(x, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]]) if pixels else x
