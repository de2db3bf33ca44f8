"""A trained encoder on disk, in the formats of `infomin_tf.formats`, and back as a Keras layer."""

import contextlib
import os
import zipfile

import keras
import tensorflow as tf

from infomin_tf.errors import UserError, reason
from infomin_tf.formats.format import DEFAULT, make
from infomin_tf.models.image_encoder import ImageEncoder, set_trainable
from infomin_tf.models.saved_encoder import SavedEncoder
from infomin_tf.runs import files, paths, results

_DTYPES = ("uint8", "float32")


def save_encoder(encoder, directory, formats=DEFAULT):
    """Writes an encoder in one or more formats, each complete or not at all.

    Args:
        encoder: a built `ImageEncoder`, such as `load_encoder` gives of an export folder.
        directory: made when missing; what it holds in these formats is replaced, and nothing else.
        formats: "saved_model", "keras", "torchvision", "detectron2", "onnx" or "litert", or several
            (docs/exports.md).

    Raises:
        UserError: a format cannot carry this encoder, or needs a package that is not installed; the
            disk is full or cannot be written.
    """
    if not isinstance(encoder, ImageEncoder):
        raise UserError(
            f"save_encoder writes an ImageEncoder, not a {type(encoder).__name__}; load it from an "
            "export folder with encoder.keras in it"
        )
    made, directory = make(formats), paths.expand(directory)
    for each in made:
        each.check(encoder.extractor.split, encoder.extractor.backbones)
    try:
        os.makedirs(directory, exist_ok=True)
        with files.unfinished_folder(directory) as unfinished, _as_it_is_loaded(encoder):
            for each in made:
                each.write(encoder, os.path.join(unfinished, each.entry))
            results.forget(directory)  # killed between two of them, the stage is not finished
            for entry in (each.entry for each in made):
                target = os.path.join(directory, entry)
                if os.path.isdir(target):  # which cannot be replaced, but moved at once
                    os.replace(target, os.path.join(unfinished, f"replaced_{entry}"))
                os.replace(os.path.join(unfinished, entry), target)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"the export could not be written to {directory} ({reason(error)}); make room or make "
            "it writable, then run the same command again"
        ) from error


@contextlib.contextmanager
def _as_it_is_loaded(encoder):
    """No layer is frozen, as pre-training has left g, and white is 1: who loads it decides."""
    layers = encoder._flatten_layers()
    before, white = [layer.trainable for layer in layers], encoder.white
    set_trainable(layers, [True] * len(layers))
    encoder.white = 1.0
    try:
        yield
    finally:
        set_trainable(layers, before)
        encoder.white = white


def load_encoder(path, dtype="float32", trainable=True):
    """Loads an exported encoder as a Keras layer.

    Integer images of any type are 0..255, float images 0..1; others are refused with a message. In
    a model without a `keras.Input`, and in one whose `keras.Input` has no dtype, Keras turns
    integer images into floats before the layer sees them: begin the model with
    `keras.Input(shape, dtype="uint8")`, or give `dtype="uint8"` here.

    Args:
        path: an export folder of `save_encoder`, or the file encoder.keras in it, which is what a
            folder stands for; a model that contains it can be saved and loaded. The SavedModel
            folder in it also works, but a model that contains that cannot be saved as .keras.
        dtype: "float32", or "uint8", with which float images are 0..255, too.
        trainable: whether fine-tuning changes its weights, those of a generator included.

    Returns:
        A keras layer, images [B, H, W, 3] -> features float32 [B, D]. `trainable` may be set as on
        any layer.

    Raises:
        UserError: there is no export at `path`, it is damaged, or the dtype is unknown.
    """
    if dtype not in _DTYPES:
        raise UserError(f'load_encoder takes dtype "float32" or "uint8", not {dtype!r}')
    path = paths.expand(path)
    try:
        encoder = _load(path)
    except (OSError, ValueError, LookupError, zipfile.BadZipFile, tf.errors.OpError) as error:
        raise UserError(
            f"{path} is damaged or is not an export of this package ({reason(error)}); export "
            "again with bin/export"
        ) from error
    encoder.white = 255.0 if dtype == "uint8" else 1.0
    encoder.trainable = trainable
    return encoder


def _load(path):
    for file in (path, os.path.join(path, "encoder.keras")):
        if file.endswith(".keras") and os.path.isfile(file):
            encoder = keras.saving.load_model(file, safe_mode=True)
            if not isinstance(encoder, ImageEncoder):
                raise ValueError(f"it holds a {type(encoder).__name__}")
            return encoder
    for folder in (path, os.path.join(path, "saved_model")):
        if os.path.isfile(os.path.join(folder, "saved_model.pb")):
            with paths.without_patterns(folder) as readable:
                encoder = SavedEncoder(readable)
            encoder.filepath = folder
            return encoder
    raise UserError(
        f"{path} is neither a SavedModel nor a .keras file; give model_dir/export of a finished run"
    )
