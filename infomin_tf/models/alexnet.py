"""The tiny AlexNet of the colour-space, patch and view-learning experiments, one half of it."""

import math

import keras
import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.models import layers
from infomin_tf.settings import COUNT, check


@keras.saving.register_keras_serializable(package="infomin_tf")
class AlexNetHalf(keras.layers.Layer):
    """One half of the tiny AlexNet; its output is fc7.

    conv3x3 48 - pool - 96 - pool - 192 - 192 - 96 - pool - fc6 2048 - fc7 2048, each with batch
    normalisation and ReLU, convolutions without bias, pools 3x3 with stride 2; 64 px end in a 7x7
    map, 32 px in 3x3 with fc6 and fc7 of 512. Source: section B.2 and the CMC code that the paper
    builds on (arXiv:1906.05849).

    Args:
        width: multiplies the number of filters and the units of fc6 and fc7.
        units: of fc6 and fc7 at width 1; None for 512 when the last map is 3x3 or smaller,
            otherwise 2048.
        dropout: rate before fc6 and fc7, for use as a classifier.
    """

    def __init__(self, width=1.0, units: int | None = None, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if not 0 < width < math.inf or not 0 <= dropout < 1:
            raise ValueError(
                f"AlexNetHalf needs width > 0 and 0 <= dropout < 1, not {width} and {dropout}"
            )
        if units is not None:
            check(self, COUNT, units=units)
        self.width, self.units, self.dropout = width, units, dropout

    def build(self, input_shape):
        """Makes the weights for images of shape (None, H, W, C); H and W at least 24."""
        if min(input_shape[1:3]) < 24:
            raise UserError(
                f"AlexNetHalf needs images of at least 24x24 px, not {tuple(input_shape[1:3])}; "
                "enlarge the views"
            )
        policy = {"dtype": self.dtype_policy}
        filters = [max(1, round(self.width * f)) for f in (48, 96, 192, 192, 96)]
        self.convolutions = [layers.convolution(f, 3, **policy) for f in filters]
        self.normalizations = [layers.batch_normalization(**policy) for _ in filters]
        self.pool = keras.layers.MaxPooling2D(3, 2, data_format="channels_last", **policy)
        height, width, channels = input_shape[1:]
        for index, f in enumerate(filters):
            self.convolutions[index].build((None, height, width, channels))
            self.normalizations[index].build((None, height, width, f))
            channels = f
            if index in (0, 1, 4):
                height, width = (height - 3) // 2 + 1, (width - 3) // 2 + 1
        self.map_shape = (height, width, channels)
        units = self.units or (512 if max(height, width) <= 3 else 2048)
        self.output_dimension = max(1, round(self.width * units))
        inputs = (height * width * channels, self.output_dimension)
        self.dropouts = [keras.layers.Dropout(self.dropout, **policy) for _ in inputs]
        dense = {"units": self.output_dimension, "kernel_initializer": "he_normal"} | policy
        self.fully_connected = [keras.layers.Dense(**dense) for _ in inputs]
        self.fully_connected_normalizations = [layers.batch_normalization(**policy) for _ in inputs]
        for index, width in enumerate(inputs):
            self.fully_connected[index].build((None, width))
            self.fully_connected_normalizations[index].build((None, self.output_dimension))
        self.built = True

    def call(self, images, training=None):
        """fc7 [B, output_dimension] of images [B, H, W, C]."""
        x = self.pool(self.feature_map(images, training))
        x = tf.reshape(x, [-1, math.prod(self.map_shape)])
        stages = zip(self.fully_connected, self.fully_connected_normalizations, strict=True)
        for dropout, (dense, normalization) in zip(self.dropouts, stages, strict=True):
            x = dense(dropout(x, training=training))
            x = tf.nn.relu(normalization(x, training=training))
        return x

    def feature_map(self, images, training=False):
        """The map of the fifth convolution, not pooled, for images [B, H, W, C] of any size."""
        x, stages = images, zip(self.convolutions, self.normalizations, strict=True)
        for index, (convolution, normalization) in enumerate(stages):
            x = tf.nn.relu(normalization(convolution(x), training=training))
            if index in (0, 1):
                x = self.pool(x)
        return x

    def get_config(self):
        own = {"width": self.width, "units": self.units, "dropout": self.dropout}
        return super().get_config() | own
