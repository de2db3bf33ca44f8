"""Features of a trained learner's backbones."""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError


@keras.saving.register_keras_serializable(package="infomin_tf")
class FeatureExtractor(keras.layers.Layer):
    """image -> split -> backbone of each part -> concatenated features, float32: what is probed and what is exported.

    Args:
        split: layer, image [B, H, W, 3] in [0, 1] -> parts.
        backbones: one layer a part, [B, H, W, C] -> [B, D].
    """

    def __init__(self, split, backbones, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.split, self.backbones = split, list(backbones)

    def build(self, input_shape):
        if not self.split.built:
            self.split.build(input_shape)
        for backbone, shape in zip(
            self.backbones, self.split.part_shapes(input_shape[1:]), strict=True
        ):
            if not backbone.built:
                backbone.build((None, *shape))
        self.output_dimension = sum(backbone.output_dimension for backbone in self.backbones)
        self.built = True

    def call(self, images, training=None):
        parts = self.split(images)
        features = [f(v, training=training) for f, v in zip(self.backbones, parts, strict=True)]
        return tf.cast(tf.concat(features, axis=-1), tf.float32)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        parts = {
            "split": serialize(self.split),
            "backbones": [serialize(b) for b in self.backbones],
        }
        return super().get_config() | parts

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        deserialize = keras.saving.deserialize_keras_object
        split, backbones = deserialize(config.pop("split")), config.pop("backbones")
        return cls(split, [deserialize(backbone) for backbone in backbones], **config)


def check_finite(*sets):
    """Raises UserError for features [M, D] that are not all finite numbers: what is measured of them would mean nothing."""
    for values in sets:
        bad = int(np.sum(~np.isfinite(values).all(axis=1)))
        if bad:
            raise UserError(
                f"the features of {bad} of {len(values)} images are not finite; the training has diverged: lower the "
                "learning rate and train with another --model_dir"
            )


def extract(function, images, view, batch_size=256, seed=0):
    """Applies a function to a view of every image once, in order.

    Args:
        function: what `view` gives, such as [b, H, W, 3] in [0, 1] -> features [b, ...]; a tf.function is called as it is.
        images: loaded images.
        view: function (images uint8, seed) -> views.
        batch_size: images a call; the last call may have fewer.
        seed: integer, of a view that is random.

    Returns:
        (features float32 [M, D], labels int32 [M]); features of any shape are flattened.
    """
    # Not above: loading Keras imports this layer, and must need no data for that.
    from infomin_tf.data import pipeline

    is_compiled = isinstance(function, tf.types.experimental.PolymorphicFunction)
    compiled = function if is_compiled else graphs.compiled(function, reduce_retracing=True)
    features, labels = [], []
    for views, label in pipeline.evaluation_batches(images, batch_size, view, seed):
        output = compiled(views).numpy()
        features.append(output.reshape(len(output), -1).astype(np.float32))
        labels.append(label.numpy())
    return np.concatenate(features), np.concatenate(labels)
