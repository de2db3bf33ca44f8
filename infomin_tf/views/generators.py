"""View generators g: pixel-wise invertible layers on images [B, H, W, 3] (sections 4.2, B.5)."""

import keras
import tensorflow as tf

from infomin_tf.views import planes
from infomin_tf.views.pixel_blocks import AdditiveBlock, AffineBlock, GlowBlock, ReversibleBlock


class PixelFlow(keras.layers.Layer):
    """A stack of invertible blocks on single pixels.

    Args:
        num_blocks: blocks (4 in the authors' code).
        lone_channels: the channel that stands alone, cycled over the blocks: (0, 1, 2) mixes all
            channels (RGB); (0,) keeps luminance and chroma apart (YDbDr, Lab) and alternates which
            of them moves. None for those of the split's colour space; (0, 1, 2) without a split.

    Raises:
        ValueError: for no blocks, or channels other than 0, 1 and 2.
    """

    block = None

    def __init__(self, num_blocks=4, lone_channels: tuple[int, ...] | None = None, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        if num_blocks < 1:
            raise ValueError(f"num_blocks must be at least 1, not {num_blocks}")
        if lone_channels is not None and not (lone_channels and set(lone_channels) <= {0, 1, 2}):
            raise ValueError(
                "lone_channels must name channels 0, 1 or 2, such as (0, 1, 2) or (0,), not "
                f"{lone_channels}"
            )
        self.num_blocks, self.lone_channels = num_blocks, lone_channels

    def build(self, input_shape):
        """Makes the weights for images of shape (None, H, W, 3)."""
        if input_shape[-1] != 3:
            raise ValueError(f"{type(self).__name__} needs 3 channels, not {input_shape[-1]}")
        cycle = self.lone_channels or (0, 1, 2)
        self.blocks = [
            self.block(index, cycle[index % len(cycle)], len(cycle) == 1)
            for index in range(self.num_blocks)
        ]
        for block in self.blocks:
            block.build((3, None))
        self.built = True

    def call(self, images):
        """g(X)."""
        return self.forward_with_log_det(images)[0]

    def forward_with_log_det(self, images):
        """(g(X) [B, H, W, 3], log|det J| of each pixel [B, H, W])."""
        found, log_det = self.of_planes(planes.of_images(images))
        shape = tf.shape(images)[:-1]
        return planes.to_images(found, shape), tf.reshape(log_det, shape)

    def of_planes(self, channels):
        """The same of a list of three planes [1, P]: (such a list, [P])."""
        log_det = tf.zeros_like(channels[0][0])
        for block in self.blocks:
            channels, change = block.forward(channels)
            log_det += change
        return channels, log_det

    def inverse(self, channels):
        """X of g(X) [B, H, W, 3]."""
        found = planes.of_images(channels)
        for block in reversed(self.blocks):
            found = block.inverse(found)
        return planes.to_images(found, tf.shape(channels)[:-1])

    def get_config(self):
        own = {"num_blocks": self.num_blocks, "lone_channels": self.lone_channels}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="infomin_tf")
class AdditiveGenerator(PixelFlow):
    """Volume preserving (VP), Fig. 11a: log|det J| = 0; 9 parameters per block of (0, 1, 2)."""

    block = AdditiveBlock


@keras.saving.register_keras_serializable(package="infomin_tf")
class ReversibleGenerator(PixelFlow):
    """The authors' second form, both parts additive: log|det J| = 0 too; 15 parameters a block.

    The paper calls it non-volume preserving; `AffineGenerator` really is. Blocks divide channels
    into {0 | 1, 2} and {0, 1 | 2} in turn, whatever the colour space.

    Args:
        num_blocks: blocks (4 in the authors' code).
    """

    block = ReversibleBlock

    def __init__(self, num_blocks=4, **kwargs):
        if "lone_channels" in kwargs:
            raise ValueError(
                "ReversibleGenerator divides the channels in a fixed way; leave out lone_channels"
            )
        super().__init__(num_blocks, **kwargs)

    def get_config(self):
        config = super().get_config()
        del config["lone_channels"]
        return config


@keras.saving.register_keras_serializable(package="infomin_tf")
class AffineGenerator(PixelFlow):
    """Non-volume preserving (NVP), Fig. 11b: affine coupling as of Real NVP (arXiv:1605.08803)."""

    block = AffineBlock


@keras.saving.register_keras_serializable(package="infomin_tf")
class GlowGenerator(PixelFlow):
    """ActNorm, invertible 1x1 convolution by its LU factors, affine coupling (arXiv:1807.03039).

    The convolution mixes all channels: `lone_channels=(0,)` does not keep luminance apart here.
    """

    block = GlowBlock
