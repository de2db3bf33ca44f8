"""Residual networks like torchvision's (v1.5: a bottleneck strides in its 3x3 convolution)."""

import itertools

import keras
import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.models import layers
from infomin_tf.models.residual import (
    BasicBlock,
    Bottleneck,
    Bottleneck32x4d,
    Bottleneck32x8d,
    ConvolutionAndNormalization,
    pad,
)
from infomin_tf.settings import ABOVE_ZERO, COUNT, check


class ResNet(keras.layers.Layer):
    """Stem, four stages of residual blocks, global average pooling (He et al., arXiv:1512.03385).

    Args:
        width: multiplies the number of filters of every convolution.
        small_images: stem of one 3x3 convolution with stride 1 instead of 7x7 with stride 2.
        stem_filters: of the stem, whatever the width; None for 64 * width.
        max_pool: 3x3 max-pooling with stride 2 after the stem.
        zero_init_last: each block starts as relu(shortcut): the scale of its last normalisation
            starts at 0 (arXiv:1706.02677, section 5.1).
        synchronized: batch statistics over all replicas; False: each replica's own, of which the
            first replica's are saved.
        normalization_splits: parts of a replica's batch that are normalised apart, see
            `layers.BatchNormalization`; more than 1 needs synchronized = False and a batch that it
            divides.
        rematerialize: compute the maps inside each block again in the backward pass instead of
            keeping them: less memory, more time, the same numbers.
    """

    blocks_per_stage, block = (), None

    def __init__(
        self,
        width=1.0,
        small_images=False,
        max_pool=True,
        zero_init_last=False,
        synchronized=True,
        normalization_splits=1,
        rematerialize=False,
        stem_filters: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check(self, ABOVE_ZERO, width=width)
        check(self, COUNT, normalization_splits=normalization_splits)
        if stem_filters is not None:
            check(self, COUNT, stem_filters=stem_filters)
        if normalization_splits > 1 and synchronized:
            raise UserError(
                f"{type(self).__name__}.normalization_splits = {normalization_splits} normalises "
                "parts of a replica's batch separately, which synchronized statistics do not "
                f"allow; bind {type(self).__name__}.synchronized = False as well"
            )
        self.width, self.stem_filters = width, stem_filters
        self.small_images, self.max_pool = small_images, max_pool
        self.zero_init_last, self.rematerialize = zero_init_last, rematerialize
        self.synchronized, self.normalization_splits = synchronized, normalization_splits

    def build(self, input_shape):
        """Makes the weights for images of shape (None, H, W, C)."""
        shared = {"synchronized": self.synchronized, "splits": self.normalization_splits}
        shared["dtype"] = self.dtype_policy
        filters = max(1, round(64 * self.width))
        stem = (3, 1) if self.small_images else (7, 2)
        channels = self.stem_filters or filters
        self.stem = ConvolutionAndNormalization(channels, *stem, relu=True, **shared)
        self.stem.build(input_shape)
        self.blocks = []
        for stage, count in enumerate(self.blocks_per_stage):
            for index in range(count):
                strides = 2 if index == 0 and stage > 0 else 1
                block = self.block(filters * 2**stage, strides, self.zero_init_last, **shared)
                block.build((None, None, None, channels))
                self.blocks.append(block)
                channels = block.output_channels
        self.output_dimension = channels
        self.built = True

    @property
    def stages(self):
        """The blocks of each of the four stages, as lists."""
        blocks = iter(self.blocks)
        return [list(itertools.islice(blocks, count)) for count in self.blocks_per_stage]

    def stage_outputs(self, images, training=None):
        """The last maps of the four stages, for images [B, H, W, C].

        Returns:
            Four maps [B, H / s, W / s, output_dimension / f], rounded up, with s of 4, 8, 16, 32
            and f of 8, 4, 2, 1; s is half that with `small_images` or without `max_pool`, a quarter
            with both.
        """
        if not self.built:
            self.build(images.shape)
        x, maps = self.stem(images, training=training), []
        if self.max_pool:
            x = tf.nn.max_pool2d(pad(x, 1), 3, 2, "VALID")  # x >= 0: zeros never win
        for stage in self.stages:
            for block in stage:
                if training and self.rematerialize:
                    x = layers.rematerialized(block, x, training)
                else:
                    x = block(x, training=training)
            maps.append(x)
        return maps

    def feature_map(self, images, training=False):
        """The map of the last stage, for images [B, H, W, C] of any size."""
        return self.stage_outputs(images, training)[-1]

    def call(self, images, training=None):
        """Pooled features [B, output_dimension] of images [B, H, W, C]."""
        return tf.reduce_mean(self.stage_outputs(images, training)[-1], axis=(1, 2))

    def get_config(self):
        own = ("width", "stem_filters", "small_images", "max_pool", "zero_init_last")
        statistics = ("synchronized", "normalization_splits", "rematerialize")
        return super().get_config() | {name: getattr(self, name) for name in own + statistics}


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet18(ResNet):
    """ResNet-18, features of 512 * width."""

    blocks_per_stage, block = (2, 2, 2, 2), BasicBlock


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet34(ResNet):
    """ResNet-34, features of 512 * width."""

    blocks_per_stage, block = (3, 4, 6, 3), BasicBlock


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet50(ResNet):
    """ResNet-50, features of 2048 * width."""

    blocks_per_stage, block = (3, 4, 6, 3), Bottleneck


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet101(ResNet):
    """ResNet-101, features of 2048 * width."""

    blocks_per_stage, block = (3, 4, 23, 3), Bottleneck


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNet152(ResNet):
    """ResNet-152, features of 2048 * width."""

    blocks_per_stage, block = (3, 8, 36, 3), Bottleneck


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNeXt50(ResNet):
    """ResNeXt-50 32x4d (arXiv:1611.05431), features of 2048 * width."""

    blocks_per_stage, block = (3, 4, 6, 3), Bottleneck32x4d


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNeXt101(ResNet):
    """ResNeXt-101 32x8d, like torchvision's; features of 2048 * width."""

    blocks_per_stage, block = (3, 4, 23, 3), Bottleneck32x8d


@keras.saving.register_keras_serializable(package="infomin_tf")
class ResNeXt152(ResNet):
    """ResNeXt-152 32x8d, the largest of the paper's; features of 2048 * width."""

    blocks_per_stage, block = (3, 8, 36, 3), Bottleneck32x8d
