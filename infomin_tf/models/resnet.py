"""Residual networks as torchvision has them (v1.5: the stride of a bottleneck is on its 3x3 convolution)."""

import keras
import tensorflow as tf

from infomin_tf.models import layers


class ResNet(keras.layers.Layer):
    """Stem, four stages of residual blocks, global average pooling.

    Args:
        width: multiplies the number of filters of every convolution.
        small_images: stem of one 3x3 convolution with stride 1 instead of 7x7 with stride 2.
        max_pool: 3x3 max-pooling with stride 2 after the stem.
    """

    blocks_per_stage = ()
    block = None

    def __init__(self, width=1.0, small_images=False, max_pool=True, **kwargs):
        super().__init__(**kwargs)
        self.width, self.small_images, self.max_pool = width, small_images, max_pool

    def build(self, input_shape):
        """Makes the weights for images of shape (None, H, W, C)."""
        filters = max(1, round(64 * self.width))
        stem = (3, 1) if self.small_images else (7, 2)
        self.stem = ConvolutionAndNormalization(filters, *stem, relu=True)
        self.stem.build(input_shape)
        self.blocks, channels = [], filters
        for stage, count in enumerate(self.blocks_per_stage):
            for index in range(count):
                strides = 2 if index == 0 and stage > 0 else 1
                block = self.block(filters * 2**stage, strides)
                block.build((None, None, None, channels))
                self.blocks.append(block)
                channels = block.output_channels
        self.output_dimension = channels
        self.built = True

    def call(self, images, training=None):
        """Pooled features [B, output_dimension] of images [B, H, W, C]."""
        x = self.stem(images, training=training)
        if self.max_pool:
            x = tf.nn.max_pool2d(_pad(x, 1, -1e9), 3, 2, "VALID")
        for block in self.blocks:
            x = block(x, training=training)
        return tf.reduce_mean(x, axis=(1, 2))

    def get_config(self):
        own = {"width": self.width, "small_images": self.small_images, "max_pool": self.max_pool}
        return super().get_config() | own


class ConvolutionAndNormalization(keras.layers.Layer):
    """Convolution with symmetric padding, as PyTorch pads, batch normalisation and optionally ReLU."""

    def __init__(self, filters, kernel_size, strides=1, relu=False, **kwargs):
        super().__init__(**kwargs)
        self.padding, self.relu, self.filters = (
            kernel_size // 2 if strides > 1 else 0,
            relu,
            filters,
        )
        padding = "valid" if strides > 1 else "same"
        self.convolution = layers.convolution(filters, kernel_size, strides, padding)
        self.normalization = layers.batch_normalization()

    def build(self, input_shape):
        self.convolution.build(input_shape)
        self.normalization.build((None, None, None, self.filters))
        self.built = True

    def call(self, x, training=None):
        x = self.normalization(self.convolution(_pad(x, self.padding)), training=training)
        return tf.nn.relu(x) if self.relu else x


class ResidualBlock(keras.layers.Layer):
    """relu(residual(x) + shortcut(x)); the shortcut is a 1x1 convolution where the shape changes."""

    def build(self, input_shape):
        self.shortcut = None
        if self.strides > 1 or input_shape[-1] != self.output_channels:
            self.shortcut = ConvolutionAndNormalization(self.output_channels, 1, self.strides)
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

    def __init__(self, filters, strides, **kwargs):
        super().__init__(**kwargs)
        self.strides, self.output_channels = strides, filters
        self.residual = [
            ConvolutionAndNormalization(filters, 3, strides, relu=True),
            ConvolutionAndNormalization(filters, 3),
        ]


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolution, the last with four times the filters."""

    def __init__(self, filters, strides, **kwargs):
        super().__init__(**kwargs)
        self.strides, self.output_channels = strides, 4 * filters
        self.residual = [
            ConvolutionAndNormalization(filters, 1, relu=True),
            ConvolutionAndNormalization(filters, 3, strides, relu=True),
            ConvolutionAndNormalization(4 * filters, 1),
        ]


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet18(ResNet):
    """ResNet-18, features of 512 * width."""

    blocks_per_stage = (2, 2, 2, 2)
    block = BasicBlock


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet50(ResNet):
    """ResNet-50, features of 2048 * width."""

    blocks_per_stage = (3, 4, 6, 3)
    block = Bottleneck


def _pad(x, pixels, value=0.0):
    if not pixels:
        return x
    return tf.pad(x, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], constant_values=value)
