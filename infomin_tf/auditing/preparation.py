"""Small copies of a person's images for the many short runs of an audit: read, checked and divided once."""

import json
import os
import shutil

import keras
from absl import logging

from infomin_tf import results
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.errors import UserError

_TEST_SHARE = 0.25
_LEAST_IMAGES = 200
_PARTS = {"unlabelled": "train", "held_out": "test", "train": "train", "test": "test"}


def prepare(images, labels, out, limit, image_size):
    """Writes out/data: unlabelled/ and held_out/ of the images and, with labels, train/CLASS/ and test/CLASS/.

    A quarter of the images, chosen by a hash of their paths, is held out of pre-training. What an earlier call with the same
    arguments wrote is left as it is.

    Args:
        images: folder of images at any depth.
        labels: folder with a folder for each class, such as the same one; or a csv file with the columns file (path under
            `images`) and label; None without labels.
        out: folder of the audit.
        limit: at most so many images, and so many labelled ones.
        image_size: side of the copies in pixels.

    Returns:
        dict: "sizes", a dict part -> number of images, and "classes", their number.

    Raises:
        UserError: nothing to read, too few images or classes, or another audit in `out`.
    """
    directory, path = os.path.join(out, "data"), os.path.join(out, "data.json")
    arguments = {
        "images": images,
        "labels": labels,
        "limit": limit,
        "image_size": image_size,
        "test_share": _TEST_SHARE,
    }
    if os.path.exists(path):
        with open(path) as file:
            known = json.load(file)
        if known["arguments"] != arguments:
            raise UserError(
                f"{out} holds an audit of {known['arguments']}, not of {arguments}; use another --out"
            )
        return known
    loaded = {part: source.load() for part, source in _sources(**arguments).items()}
    _check_number(loaded, images)
    classes = _usable_classes(loaded, labels)
    shutil.rmtree(directory, ignore_errors=True)
    for part, content in loaded.items():
        _write(content, os.path.join(directory, part), classes)
    facts = {
        "arguments": arguments,
        "sizes": {part: _size(content, classes) for part, content in loaded.items()},
        "classes": len(classes - {-1}),
    }
    results.write_atomically(path, json.dumps(facts, indent=2) + "\n")
    return facts


def _sources(images, labels, limit, image_size, test_share):
    shared = {"image_size": image_size, "test_share": test_share, "memory_limit_gib": float("inf")}
    shares = {"train": 1.0 - test_share, "test": test_share}
    sources = {}
    for part, split in _PARTS.items():
        if part in ("unlabelled", "held_out"):
            where = {"directory": images}
        elif labels is None:
            continue
        elif os.path.isdir(labels):
            where = {"directory": labels, "labelled": True}
        else:
            where = {"directory": images, "labels_file": labels}
        sources[part] = ImageFolder(
            split=split, limit=round(limit * shares[split]), **where, **shared
        )
    return sources


def _check_number(loaded, images):
    total = loaded["unlabelled"].size + loaded["held_out"].size
    if total < _LEAST_IMAGES:
        raise UserError(
            f"an audit needs at least {_LEAST_IMAGES} images, but {images} has {total}; add images, or judge views by eye "
            "with bin/show_views"
        )


def _usable_classes(loaded, labels):
    """Numbers of the classes that have images to train on and to test on; -1 stands for no label."""
    if labels is None:
        return {-1}
    names = loaded["test"].class_names
    usable = set.intersection(
        *(set(loaded[part].labels.numpy().tolist()) for part in ("train", "test"))
    )
    left_out = [name for index, name in enumerate(names) if index not in usable]
    if len(usable) < 2:
        raise UserError(
            f"{labels}: {len(usable)} of {len(names)} classes have images both to train on (three quarters) and to test on; "
            "label more images of at least two classes"
        )
    if left_out:
        logging.warning(
            "%d classes with too few images are left out: %s",
            len(left_out),
            ", ".join(left_out[:10]),
        )
    return usable | {-1}


def _write(content, directory, classes):
    for index, (image, label) in enumerate(
        zip(content.images.numpy(), content.labels.numpy(), strict=True)
    ):
        if label in classes:
            folder = os.path.join(directory, f"{label:04d}" if label >= 0 else "")
            os.makedirs(folder, exist_ok=True)
            keras.utils.save_img(os.path.join(folder, f"{index:06d}.png"), image, scale=False)


def _size(content, classes):
    return sum(label in classes for label in content.labels.numpy().tolist())
