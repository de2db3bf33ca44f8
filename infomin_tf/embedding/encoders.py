"""Encoders to embed with: opened from an export, and applied to a set of images."""

import hashlib
import os

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import check_finite
from infomin_tf.export import load_encoder
from infomin_tf.runs import differences, run_folder


def open_encoder(path):
    """The encoder of an export, or of a run that has one; see `load_encoder`."""
    inside = os.path.join(path, "export")
    return load_encoder(inside if os.path.isdir(inside) else path)


def usual_side(encoder):
    """Side in pixels to which an encoder resizes its images, or that it expects.

    Raises:
        UserError: the encoder does not say it.
    """
    side = getattr(encoder, "resize", None) or encoder.size
    if side is None:
        raise UserError(
            "a SavedModel does not say what size of images it expects; give the folder of the "
            "export, or its encoder.keras"
        )
    return side


def number_of_run(path, name):
    """What the run whose export is at `path` has bound for its images.

    Args:
        path: of the export, or of the run.
        name: such as "ImageFolder.image_size"; in scopes, too.

    Returns:
        float; None if there is no run, or it has bound none or several.
    """
    folders = path, os.path.dirname(os.path.abspath(path))
    files = (os.path.join(folder, run_folder.FILE_NAME) for folder in folders)
    found = [file for file in files if os.path.isfile(file)]
    if not found:
        return None
    with open(found[0], encoding="utf-8", errors="replace") as file:
        bindings = differences.bindings_of(file.read())
    values = {value for binding, value in bindings.items() if binding.split("/")[-1] == name}
    try:
        [value] = map(float, values - {"None"})
    except ValueError:  # none, several, or a macro
        return None
    return value


def digest(encoder):
    """Text that changes with the weights of an encoder, and with how it takes images."""
    found = hashlib.sha256(f"{getattr(encoder, 'resize', None)} {encoder.size}".encode())
    for weight in encoder.weights:
        found.update(np.ascontiguousarray(weight).tobytes())
    return found.hexdigest()


def embed(call, reader, start, stop, batch_size):
    """`Rows` of images start to stop of a set, batch after batch.

    Args:
        call: of `compiled`.
        reader: `Reader`.
        start, stop: places.
        batch_size: images per call.

    Raises:
        UserError: features that are not finite.
    """
    for pixels, rows in reader.batches(start, stop, batch_size):
        features = call(pixels) if len(pixels) else np.zeros((0, 0), np.float32)
        check_finite(features)
        yield rows._replace(features=features)


def compiled(encoder, side):
    """A function uint8 [B, side, side, 3] -> features float32 [B, D] of numpy."""
    signature = [tf.TensorSpec((None, side, side, 3), tf.uint8)]
    function = graphs.compiled(lambda images: encoder(images), input_signature=signature)
    return lambda pixels: function(pixels).numpy().astype(np.float32)
