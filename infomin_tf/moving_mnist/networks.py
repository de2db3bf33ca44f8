"""Networks of Colorful Moving-MNIST (section B.4): a ConvNet for frames, an LSTM over features."""

import keras
import tensorflow as tf

from infomin_tf.models.residual import ConvolutionAndNormalization
from infomin_tf.settings import COUNT, check


@keras.saving.register_keras_serializable(package="infomin_tf")
class ConvNet(keras.layers.Layer):
    """Four 5x5 convolutions of stride 2 with batch normalisation and ReLU, then average pooling.

    The paper gives the filters; kernels, strides and normalisation are ours.

    Args:
        filters: of each convolution.
    """

    def __init__(self, filters=(8, 16, 32, 64), **kwargs):
        super().__init__(**kwargs)
        if not filters:
            raise ValueError(
                "ConvNet.filters must hold at least one number, such as (8, 16), not ()"
            )
        for number in filters:
            check("each of ConvNet", COUNT, filters=number)
        self.filters = tuple(filters)
        self.output_dimension = self.filters[-1]

    def build(self, input_shape):
        """Makes the weights for images of shape (None, H, W, C)."""
        self.convolutions, channels = [], input_shape[-1]
        for filters in self.filters:
            policy = self.dtype_policy
            convolution = ConvolutionAndNormalization(filters, 5, 2, relu=True, dtype=policy)
            convolution.build((None, None, None, channels))
            self.convolutions.append(convolution)
            channels = filters
        self.built = True

    def call(self, images, training=None):
        """Features [B, filters[-1]] of images [B, H, W, C]."""
        for convolution in self.convolutions:
            images = convolution(images, training=training)
        return tf.reduce_mean(images, axis=(1, 2))

    def get_config(self):
        return super().get_config() | {"filters": self.filters}


@keras.saving.register_keras_serializable(package="infomin_tf")
class SequenceEncoder(keras.layers.Layer):
    """head(LSTM(backbone of each frame)): an embedding of frames [B, T, H, W, C].

    Args:
        backbone: layer, images -> features, shared with the encoder of single frames.
        head: layer, the LSTM's last output [B, units] -> embedding.
        units: of the LSTM.
    """

    def __init__(self, backbone, head, units=64, **kwargs):
        super().__init__(**kwargs)
        self.backbone, self.head, self.units = backbone, head, units
        self.recurrent = keras.layers.LSTM(units, dtype=self.dtype_policy)

    def build(self, input_shape):
        if not self.backbone.built:
            self.backbone.build((None, *input_shape[2:]))
        if not self.recurrent.built:
            self.recurrent.build((None, input_shape[1], self.backbone.output_dimension))
        if not self.head.built:
            self.head.build((None, self.units))
        self.built = True

    def call(self, frames, training=None):
        flat = tf.reshape(frames, [-1, *frames.shape[2:]])
        features = self.backbone(flat, training=training)
        features = tf.reshape(features, [-1, frames.shape[1], features.shape[-1]])
        return self.head(self.recurrent(features))

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        parts = {"backbone": serialize(self.backbone), "head": serialize(self.head)}
        return super().get_config() | parts | {"units": self.units}

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        return cls(**keras.saving.deserialize_keras_object(config))
