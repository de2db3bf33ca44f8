"""Frequency bands instead of colours, so that grey images have channels to split."""

import keras
import tensorflow as tf

from infomin_tf.settings import ABOVE_ZERO, check
from infomin_tf.views.augment.blur import blurred
from infomin_tf.views.augment.photometric import GREY_WEIGHTS
from infomin_tf.views.color import ColorSpace


@keras.saving.register_keras_serializable(package="infomin_tf")
class Bands(ColorSpace):
    """Low, middle and high frequencies of the luminance Y.

    Blur(Y, 3 fine), Blur(Y, fine) - Blur(Y, 3 fine), Y - Blur(Y, fine). Section B.3 divides an
    image in two by a blur; this divides it in three, as a `ChannelSplit` and its generator need.
    Only the luminance of the colours is left. Images are float32 [B, H, W, 3], not sequences.

    Args:
        fine: the smaller sigma of the Gaussian blurs, in pixels of the view, above 0.
        mean, std: see `ColorSpace`.
    """

    channel_names = ("low", "middle", "high")

    def __init__(
        self,
        fine=1.0,
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
    ):
        check(self, ABOVE_ZERO, fine=fine)
        super().__init__(mean, std)
        self.fine = fine

    def from_rgb(self, rgb):
        """The bands [B, H, W, 3] of RGB [B, H, W, 3] in [0, 1]."""
        luminance = tf.tensordot(rgb, tf.constant(GREY_WEIGHTS, rgb.dtype), axes=1)[..., tf.newaxis]
        fine, coarse = (blurred(luminance, sigma) for sigma in (self.fine, 3.0 * self.fine))
        return tf.concat([coarse, fine - coarse, luminance - fine], axis=-1)

    def get_config(self):
        return super().get_config() | {"fine": self.fine}
