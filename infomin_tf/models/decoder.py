"""A decoder from feature maps to a class for every pixel."""

import keras
import tensorflow as tf

from infomin_tf.models import layers


@keras.saving.register_keras_serializable(package="infomin_tf")
class SegmentationDecoder(keras.Model):
    """Four convolutions on the maps of a frozen backbone (section B.2).

    Three of 3x3 with batch normalisation and ReLU, then one of 1x1.

    Args:
        num_classes: outputs.
        size: (height, width) of the result, to which the logits are enlarged bilinearly.
        filters: of the first three convolutions.
    """

    def __init__(self, num_classes, size, filters=128, **kwargs):
        super().__init__(**kwargs)
        self.num_classes, self.size, self.filters = num_classes, tuple(size), filters
        self.convolutions = [layers.convolution(filters, 3) for _ in range(3)]
        self.normalizations = [layers.batch_normalization() for _ in range(3)]
        self.classifier = keras.layers.Conv2D(num_classes, 1, dtype="float32")

    def build(self, input_shape):
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            convolution.build(input_shape)
            input_shape = (*input_shape[:-1], self.filters)
            normalization.build(input_shape)
        self.classifier.build(input_shape)
        self.built = True

    def call(self, maps, training=None):
        """Logits float32 [B, *size, num_classes] of maps [B, h, w, C]."""
        x = maps
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            x = tf.nn.relu(normalization(convolution(x), training=training))
        return tf.image.resize(self.classifier(x), self.size)

    def get_config(self):
        own = {"num_classes": self.num_classes, "size": self.size, "filters": self.filters}
        return super().get_config() | own
