"""A split with a learned generator in a file: one view learning serves many pre-trainings."""

import json
import os
import pathlib

import keras
import numpy as np

from infomin_tf.errors import UserError
from infomin_tf.runs import files, paths, results

_OF_EVERY_LAYER = ("name", "dtype", "trainable")


def save(split, directory):
    """Writes directory/views.json: the settings of a `ChannelSplit` and the values of its weights.

    Raises:
        UserError: it cannot be written.
    """
    content = {
        "split": keras.saving.serialize_keras_object(split),
        "weights": [np.asarray(variable).tolist() for variable in split.variables],
    }
    files.write_atomically(os.path.join(directory, results.VIEWS), json.dumps(content) + "\n")


def is_in(directory):
    """Whether a folder holds a split."""
    return os.path.exists(os.path.join(directory, results.VIEWS))


def forget(directory):
    """Deletes the split in a folder, if there is one."""
    pathlib.Path(directory, results.VIEWS).unlink(missing_ok=True)


def load_into(split, directory):
    """Gives a built `ChannelSplit` the weights of a saved one: generator, constants of channels.

    Args:
        split: of the same colour space, channels and kind of generator.
        directory: as of `save`.

    Raises:
        UserError: the file is missing, damaged, or of another split.
    """
    path = os.path.join(paths.expand(directory), results.VIEWS)
    if not os.path.isfile(path):
        raise UserError(
            f"{path} is missing; delete results.json next to it and run the same command again "
            "with that --model_dir"
        )
    remedy = "run the view learning there again"
    content = files.read_json(path, remedy)
    try:
        saved = _settings(content["split"])
        values = [np.asarray(value, np.float32) for value in content["weights"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from error
    own = _settings(json.loads(json.dumps(keras.saving.serialize_keras_object(split))))
    other = [name for name in own if own[name] != saved.get(name)]
    if other:
        differences = ", ".join(f"{n} {saved.get(n)} there, {own[n]} here" for n in other)
        raise UserError(f"{path} is of another split: {differences}; bind the same settings")
    if [value.shape for value in values] != [tuple(v.shape) for v in split.variables]:
        raise UserError(f"{path} is damaged: its weights have other shapes; {remedy}")
    for variable, value in zip(split.variables, values, strict=True):
        variable.assign(value)


def _settings(serialized):
    """What must agree: dict name -> value; constants of channels come with the weights."""
    config = serialized["config"]
    settings = {"first_channels": list(config["first_channels"])}
    for part, free in (("color_space", ("mean", "std")), ("generator", _OF_EVERY_LAYER)):
        own = config[part]["config"].items()
        settings[part] = config[part]["class_name"]
        settings |= {f"{part}.{name}": value for name, value in own if name not in free}
    return settings
