"""A backbone with a head."""

import keras


@keras.saving.register_keras_serializable(package="infomin_tf")
class Encoder(keras.layers.Layer):
    """head(backbone(x)): an embedding for contrast, or logits when the head is a classifier.

    Args:
        backbone: layer, images [B, H, W, C] -> features [B, D].
        head: layer, features [B, D] -> output.
    """

    def __init__(self, backbone: keras.Layer, head: keras.Layer, **kwargs):
        super().__init__(**kwargs)
        self.backbone, self.head = backbone, head

    def build(self, input_shape):
        if not self.backbone.built:
            self.backbone.build(input_shape)
        if not self.head.built:
            self.head.build((None, self.backbone.output_dimension))
        self.built = True

    def call(self, x, training=None):
        return self.head(self.backbone(x, training=training))

    def get_config(self):
        parts = {"backbone": self.backbone, "head": self.head}
        return super().get_config() | keras.saving.serialize_keras_object(parts)

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        return cls(**keras.saving.deserialize_keras_object(config))
