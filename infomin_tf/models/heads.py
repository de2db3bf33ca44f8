"""Heads on a backbone's features [B, D]; what they give is float32 in any precision."""

import keras
import tensorflow as tf

from infomin_tf.settings import COUNT, check


@keras.saving.register_keras_serializable(package="infomin_tf")
class LinearHead(keras.layers.Layer):
    """D -> dimension -> L2 (Table 1, head "Linear").

    Args:
        dimension: of the embedding.
        normalize: whether embeddings have unit length (not so for the Donsker-Varadhan bound).
    """

    def __init__(self, dimension=128, normalize=True, **kwargs):
        super().__init__(**kwargs)
        check(self, COUNT, dimension=dimension)
        self.dimension, self.normalize = dimension, normalize
        self.projection = keras.layers.Dense(dimension, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.projection.build(input_shape)
        self.built = True

    def call(self, features):
        return _unit_length(self.projection(features), self.normalize)

    def get_config(self):
        return super().get_config() | {"dimension": self.dimension, "normalize": self.normalize}


@keras.saving.register_keras_serializable(package="infomin_tf")
class MlpHead(LinearHead):
    """D -> hidden -> ReLU -> dimension -> L2, no batch normalisation (Table 1, head "MLP").

    Args:
        dimension: of the embedding.
        hidden: units of the hidden layer; None for as many as there are features.
        normalize: whether embeddings have unit length.
    """

    def __init__(self, dimension=128, hidden: int | None = None, normalize=True, **kwargs):
        super().__init__(dimension, normalize, **kwargs)
        if hidden is not None:
            check(self, COUNT, hidden=hidden)
        self.hidden = hidden

    def build(self, input_shape):
        units = self.hidden or input_shape[-1]
        self.hidden_layer = keras.layers.Dense(units, activation="relu", dtype=self.dtype_policy)
        self.hidden_layer.build(input_shape)
        self.projection.build((None, units))
        self.built = True

    def call(self, features):
        return _unit_length(self.projection(self.hidden_layer(features)), self.normalize)

    def get_config(self):
        return super().get_config() | {"hidden": self.hidden}


@keras.saving.register_keras_serializable(package="infomin_tf")
class JigsawHead(keras.layers.Layer):
    """The head of the JigSaw branch: patch_head for each patch -> concatenated -> dimension -> L2.

    Source: PIRL, arXiv:1912.01991.

    Args:
        patch_head: `LinearHead` or `MlpHead` with normalize False.
        num_patches: of an image.
        dimension: of the embedding.
    """

    def __init__(self, patch_head: keras.Layer, num_patches=9, dimension=128, **kwargs):
        super().__init__(**kwargs)
        check(self, COUNT, num_patches=num_patches, dimension=dimension)
        self.patch_head, self.num_patches, self.dimension = patch_head, num_patches, dimension
        self.projection = keras.layers.Dense(dimension, dtype=self.dtype_policy)

    def build(self, input_shape):
        if not self.patch_head.built:
            self.patch_head.build((None, input_shape[-1]))
        self.projection.build((None, self.num_patches * self.patch_head.dimension))
        self.built = True

    def call(self, features):
        """Embeddings [B, dimension] of patch features [B, num_patches, D]."""
        width = self.num_patches * self.patch_head.dimension
        patches = self.patch_head(tf.reshape(features, [-1, features.shape[-1]]))
        return _unit_length(self.projection(tf.reshape(patches, [-1, width])), True)

    def get_config(self):
        patch_head = keras.saving.serialize_keras_object(self.patch_head)
        own = {"num_patches": self.num_patches, "dimension": self.dimension}
        return super().get_config() | own | {"patch_head": patch_head}

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable(package="infomin_tf")
class Classifier(keras.layers.Layer):
    """D -> logits, float32.

    Args:
        num_classes: outputs.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.num_classes = num_classes
        self.projection = keras.layers.Dense(num_classes, dtype="float32")

    def build(self, input_shape):
        self.projection.build(input_shape)
        self.built = True

    def call(self, features):
        return self.projection(features)

    def get_config(self):
        return super().get_config() | {"num_classes": self.num_classes}


def _unit_length(x, normalize):
    x = tf.cast(x, tf.float32)
    return tf.math.l2_normalize(x, axis=-1) if normalize else x
