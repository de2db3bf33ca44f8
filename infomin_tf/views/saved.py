"""A split with a learned generator in a file, so that one view learning serves many pre-trainings."""

import contextlib
import json
import os

import keras
import numpy as np

from infomin_tf.errors import UserError
from infomin_tf.runs import files, paths, results


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
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(directory, results.VIEWS))


def load_into(split, directory):
    """Gives a built `ChannelSplit` the weights of one that was saved: the generator's, and the constants of its channels.

    Args:
        split: of the same colour space, channels and kind of generator.
        directory: as of `save`.

    Raises:
        UserError: there is nothing, it is damaged, or it is of another split.
    """
    path = os.path.join(paths.expand(directory), results.VIEWS)
    if not os.path.isfile(path):
        raise UserError(
            f"{path} is missing; delete results.json next to it and run the same command again with that --model_dir"
        )
    content = files.read_json(path, "run the view learning there again")
    try:
        saved, weights = _settings(content["split"]), content["weights"]
        values = [np.asarray(value, np.float32) for value in weights]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged ({error}); run the view learning there again"
        ) from error
    own = _settings(json.loads(json.dumps(keras.saving.serialize_keras_object(split))))
    other = [name for name in own if own[name] != saved.get(name)]
    if other:
        differences = ", ".join(f"{n} {saved.get(n)} there, {own[n]} here" for n in other)
        raise UserError(f"{path} is of another split: {differences}; bind the same ones")
    if [value.shape for value in values] != [tuple(v.shape) for v in split.variables]:
        raise UserError(
            f"{path} is damaged: its weights have other shapes; run the view learning there again"
        )
    for variable, value in zip(split.variables, values, strict=True):
        variable.assign(value)


def _settings(serialized):
    """What must agree: dict name -> value; constants of channels come with the weights."""
    config = serialized["config"]
    generator = config["generator"]
    settings = {
        name: value
        for name, value in generator["config"].items()
        if name not in ("name", "dtype", "trainable")
    }
    space = {
        name: value
        for name, value in config["color_space"]["config"].items()
        if name not in ("mean", "std")
    }
    return {
        "first_channels": list(config["first_channels"]),
        "color_space": config["color_space"]["class_name"],
        **{f"color_space.{name}": value for name, value in space.items()},
        "generator": generator["class_name"],
        **{f"generator.{name}": value for name, value in settings.items()},
    }
