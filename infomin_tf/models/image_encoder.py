"""What is exported: a trained encoder with all that comes before it, as one Keras model."""

import keras

from infomin_tf.models import unit_images
from infomin_tf.views.augment import crop


@keras.saving.register_keras_serializable(package="infomin_tf")
class ImageEncoder(keras.Model):
    """Images in, features out: [resize and centre crop ->] colour space -> g -> split -> backbones.

    Args:
        extractor: `FeatureExtractor`.
        size: side in pixels of the views that the extractor takes.
        resize: side in pixels to which images of any size are resized before the centre crop, both
            sides alike (cut images that are not square to squares first, as the sources of the
            training images do); None if images are `size` x `size` already.
        white: white value of float images: 1, or 255 for the floats that Keras makes from uint8
            images.
    """

    def __init__(self, extractor, size, resize=None, white=1.0, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.extractor, self.size, self.resize, self.white = extractor, size, resize, white

    @property
    def image_shape(self):
        """(H, W, 3), None where any size goes."""
        return (None, None, 3) if self.resize else (self.size, self.size, 3)

    def build(self, input_shape=None):
        if not self.extractor.built:
            self.extractor.build((None, self.size, self.size, 3))
        self.built = True

    def call(self, images, training=None):
        """Features float32 [B, D] of images [B, H, W, 3], integers to 255 or floats to `white`."""
        unit_images.check_shape(images.shape, None if self.resize else self.size)
        images = unit_images.to_unit(images, self.white)
        if self.resize:
            images = crop.resize_and_center_crop(images, self.resize, self.size)
        return self.extractor(images, training=training)

    def get_config(self):
        extractor = keras.saving.serialize_keras_object(self.extractor)
        own = {
            "extractor": extractor,
            "size": self.size,
            "resize": self.resize,
            "white": self.white,
            # Keras keeps it for layers whose configuration is saved, not for parts that they make.
            "trainable_layers": [layer.trainable for layer in self._flatten_layers()],
        }
        return super().get_config() | own

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        trainable_layers = config.pop("trainable_layers")
        encoder = cls(keras.saving.deserialize_keras_object(config.pop("extractor")), **config)
        encoder.build((None, *encoder.image_shape))
        set_trainable(encoder._flatten_layers(), trainable_layers)
        return encoder


def set_trainable(layers, values):
    """Sets `trainable` of each layer; parts come after what they are parts of.

    Keras passes over a layer that has the value already, and so over parts of it that have not:
    hence the change to and fro.
    """
    for layer, value in zip(layers, values, strict=True):
        layer.trainable = not value
        layer.trainable = value
