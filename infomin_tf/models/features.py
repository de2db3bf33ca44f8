"""The features of an image: those of the backbones of all parts of its split."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="infomin_tf")
class FeatureExtractor(keras.layers.Layer):
    """image -> split -> backbone of each part -> concatenated features, float32.

    It is what is probed and what is exported.

    Args:
        split: layer, image [B, H, W, 3] in [0, 1] -> parts.
        backbones: one layer per part, [B, H, W, C] -> [B, D].
    """

    def __init__(self, split, backbones, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.split, self.backbones = split, list(backbones)

    def build(self, input_shape):
        if not self.split.built:
            self.split.build(input_shape)
        shapes = self.split.part_shapes(input_shape[1:])
        for backbone, shape in zip(self.backbones, shapes, strict=True):
            if not backbone.built:
                backbone.build((None, *shape))
        self.output_dimension = sum(backbone.output_dimension for backbone in self.backbones)
        self.built = True

    def call(self, images, training=None):
        parts = self.split(images)
        features = [f(v, training=training) for f, v in zip(self.backbones, parts, strict=True)]
        return tf.cast(tf.concat(features, axis=-1), tf.float32)

    def get_config(self):
        parts = {"split": self.split, "backbones": self.backbones}
        return super().get_config() | keras.saving.serialize_keras_object(parts)

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        return cls(**keras.saving.deserialize_keras_object(config))
