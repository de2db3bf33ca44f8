"""LiteRT (TFLite): one file for phones, browsers and small devices."""

import os
import re
import tempfile

import keras
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from infomin_tf.errors import UserError, reason
from infomin_tf.formats.format import Format
from infomin_tf.formats.saved_model import endpoint, signature
from infomin_tf.formats.single_precision import in_float32


class LiteRT(Format):
    """A file with the signature serve: images, uint8 [B, H, W, 3], to float32 [B, D].

    TensorFlow's own converter writes it; the extra brings the interpreter that runs it. Every size
    goes where the encoder resizes, once the interpreter's input is resized to it.
    """

    entry = "encoder.tflite"

    def write(self, encoder, path):
        """See `Format`."""
        encoder = in_float32(encoder)
        archive = keras.export.ExportArchive()
        archive.track(encoder)
        archive.add_endpoint("serve", endpoint(encoder), [signature(encoder)])
        with tempfile.TemporaryDirectory() as folder:
            saved = os.path.join(folder, "saved_model")
            archive.write_out(saved, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(saved, ["serve"])
            try:
                content = converter.convert()
            except ConverterError as error:
                lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
                why = f"LiteRT lacks {', '.join(lacking)}" if lacking else reason(error)
                raise UserError(
                    f"TensorFlow cannot convert this encoder to LiteRT ({why}); use the formats "
                    "saved_model or keras"
                ) from error
        with open(path, "wb") as file:
            file.write(content)
