"""What a stage started with: its images and planned learning rates; in <stage>/begun.json."""

import json
import os

import numpy as np
from absl import logging

from infomin_tf.data import inspection
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError, listed
from infomin_tf.runs import files
from infomin_tf.training import checkpoint

FILE_NAME = "begun.json"
_SAMPLED_STEPS = 1000


def write(run, stage):
    """Notes what the stage begins with, or continues with; of several workers the chief does."""
    if not workers.is_chief():
        return
    content = {"data": _described(stage.sets(run)), "learning_rates": _planned(run, stage)}
    path = os.path.join(run.directory(stage.name), FILE_NAME)
    files.write_atomically(path, json.dumps(content, indent=1) + "\n")


def read(run, stage):
    """The content of the note; None where there is none."""
    path = os.path.join(run.directory(stage.name), FILE_NAME)
    if not os.path.lexists(path):
        return None
    return files.read_json(
        path, "delete that file; earlier changes of the images then go unnoticed"
    )


def changes(run, stage):
    """dict role -> how its images have changed since the stage began; {} where none is known."""
    content = read(run, stage)
    if content is None:
        return {}
    then, now = content["data"], _described(stage.sets(run))
    found = {role: _change(then.get(role), now.get(role)) for role in sorted(then.keys() | now)}
    return {role: words for role, words in found.items() if words}


def check_images(run, stage, finished):
    """Compares the images with those that the stage began with.

    A finished stage keeps its results, with a warning. An unfinished training cannot continue
    with other images to train on.

    Returns:
        Whether the stage must begin again: it trains nothing, and has other images or no note.

    Raises:
        UserError: images of an unfinished training have changed.
    """
    if finished and not stage.trains_on:
        return False
    found = changes(run, stage)
    if not found:
        # What an earlier version has begun has other random numbers.
        return not finished and not stage.trains_on and read(run, stage) is None
    words = "; ".join(f"{role}: {change}" for role, change in found.items())
    if finished:
        _warn("%s is finished, and its results are of the earlier images (%s)", stage.name, words)
        return False
    if checkpoint.newest_step(run.directory(stage.name)) and found.keys() & set(stage.trains_on):
        raise UserError(
            f"{stage.name} in {run.model_dir} was begun with other images ({words}); restore them "
            "to continue, or use another --model_dir, or --overwrite to delete that run"
        )
    _warn("%s was begun with other images (%s)", stage.name, words)
    return not stage.trains_on


def _warn(*message):
    if workers.is_chief():
        logging.warning(*message)


def _described(sets):
    """dict role -> number, digest and classes of loaded images."""
    return {
        role: {
            "name": images.name,
            "size": images.size,
            "classes": list(images.class_names),
            "digest": inspection.digest(images),
        }
        for role, images in sets.items()
        if images is not None
    }


def _change(then, now):
    """What differs, in words; None for nothing."""
    if then is None or now is None:
        return "none then" if then is None else "none now"
    if then["size"] != now["size"]:
        return f"{then['size']} images then, {now['size']} now"
    if then["classes"] != now["classes"]:
        return f"classes {listed(then['classes'])} then, {listed(now['classes'])} now"
    if then["digest"] != now["digest"]:
        return f"{now['size']} images as before, but different ones"
    return None


def _planned(run, stage):
    """Learning rates of a training, at evenly spread steps where there are many; None without."""
    if not stage.trains_on:
        return None
    images = stage.images(run)
    count = max(stage.training.last_step(images), 1)
    steps = np.unique(np.linspace(0, count - 1, min(count, _SAMPLED_STEPS)).round().astype(int))
    return {"steps": steps.tolist(), "rates": stage.training.rates(images, steps)}
