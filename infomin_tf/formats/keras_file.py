"""Keras's own file: the layers, for those who continue in Keras with this package."""

from infomin_tf.formats.format import Format


class KerasFile(Format):
    """One file, which `keras.saving.load_model` reads where this package is imported."""

    entry = "encoder.keras"

    def write(self, encoder, path):
        """See `Format`."""
        encoder.save(path)
