"""TensorFlow's SavedModel: serves without this package, and fine-tunes."""

import keras
import tensorflow as tf

from infomin_tf.formats.format import Format


class SavedModel(Format):
    """A folder with the endpoints serve and train (uint8 images), serve_float and train_float.

    The train endpoints use batch statistics and update them; its trainable variables fine-tune.
    """

    entry = "saved_model"

    def write(self, encoder, path):
        """See `Format`."""
        archive = keras.export.ExportArchive()
        archive.track(encoder)
        for suffix, dtype in (("", tf.uint8), ("_float", tf.float32)):
            for name, training in (("serve", False), ("train", True)):
                function = endpoint(encoder, training)
                archive.add_endpoint(name + suffix, function, [signature(encoder, dtype)])
        archive.write_out(path, verbose=False)


def endpoint(encoder, training=False):
    """A function of images alone."""

    def serve(images):
        return encoder(images, training=training)

    return serve


def signature(encoder, dtype=tf.uint8):
    """`tf.TensorSpec` of the images that the encoder takes."""
    return tf.TensorSpec((None, *encoder.image_shape), dtype, name="images")
