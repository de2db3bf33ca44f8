"""Small copies of a person's images for the short runs of an audit, checked and divided once."""

import hashlib
import json
import os
import shutil

import keras
from absl import logging

from infomin_tf.auditing import hygiene, places
from infomin_tf.data.image_files import find_images
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.errors import UserError
from infomin_tf.runs import files
from infomin_tf.views.augment.colors import are_grey

_TEST_SHARE = 0.25
_LEAST_IMAGES = 200


def prepare(images, labels, out, audit):
    """Writes out/copies: unlabelled/, held_out/ and, with labels, train/CLASS/ and test/CLASS/.

    A quarter of the images, chosen by a hash of their paths, is held out from pre-training, and so
    is every near-duplicate of a test image. What an earlier call with the same arguments and images
    wrote stays as it is.

    Args:
        images: folder of images at any depth.
        labels: folder with a folder for each class, such as the same one; or a csv file with the
            columns file (path under `images`) and label; None without labels.
        out: folder of the audit.
        audit: `Audit`.

    Returns:
        dict: "arguments", "sizes", a dict part -> number of images, "classes", their number,
        "grey", whether no image has colour, and "doubts", sentences on the images.

    Raises:
        UserError: nothing to read, too few images or classes, another audit or files in `out`.
    """
    directory, path = os.path.join(out, "copies"), os.path.join(out, "copies.json")
    arguments = _arguments(images, labels, audit)
    if os.path.exists(path):
        known = files.read_json(path, f"use another --out, or delete {out}")
        changed = [name for name in arguments if known["arguments"].get(name) != arguments[name]]
        if changed:
            raise UserError(
                f"{out} holds an audit that differs in {', '.join(changed)}; use another --out, "
                "or delete that one"
            )
        return known
    marker = os.path.join(directory, "made_by_audit_views")
    if os.path.lexists(directory) and not os.path.exists(marker):
        raise UserError(f"{directory} was not made by bin/audit_views; use another --out")
    loaded = {part: source.load() for part, source in _sources(images, labels, audit).items()}
    loaded = hygiene.keep_apart(loaded)
    _check_number(loaded, images, audit)
    classes = _usable_classes(loaded, labels)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    files.write_atomically(marker, "")
    facts = {
        "arguments": arguments,
        "sizes": {p: _write(c, os.path.join(directory, p), classes) for p, c in loaded.items()},
        "classes": len(classes - {-1}),
        "grey": are_grey(loaded["unlabelled"].images.numpy()),
        "doubts": hygiene.doubts(loaded),
    }
    files.write_atomically(path, json.dumps(facts, indent=2) + "\n")
    return facts


def _arguments(images, labels, audit):
    """What an audit is of, with a digest of the names and sizes of its files."""
    digest = hashlib.sha256()
    for folder in places.folders(images, labels):
        for name in find_images(folder):
            path = os.path.join(folder, name)
            size = os.path.getsize(path) if os.path.exists(path) else 0
            digest.update(f"{name} {size}\n".encode("utf-8", "surrogateescape"))
    if labels and os.path.isfile(labels):
        with open(labels, "rb") as file:
            digest.update(file.read())
    return {
        "images": os.path.abspath(images),
        "labels": labels and os.path.abspath(labels),
        "contents": digest.hexdigest(),
        "limit": audit.limit,
        "image_size": audit.image_size,
        "test_share": _TEST_SHARE,
        "first_steps": audit.first_steps,
        "batch_size": audit.batch_size,
    }


def _sources(images, labels, audit):
    shared = {
        "image_size": audit.image_size,
        "test_share": _TEST_SHARE,
        "memory_limit_gib": float("inf"),
        "max_corrupt_share": audit.max_corrupt_share,
    }
    shares = {"train": 1.0 - _TEST_SHARE, "test": _TEST_SHARE}
    limits = {split: round(audit.limit * share) for split, share in shares.items()}
    return {
        part: ImageFolder(limit=limits[settings["split"]], **settings, **shared)
        for part, settings in places.sources(images, labels).items()
    }


def _check_number(loaded, images, audit):
    learned = loaded["unlabelled"].size
    total = learned + loaded["held_out"].size
    if total < _LEAST_IMAGES or learned < audit.batch_size:
        raise UserError(
            f"an audit needs at least {_LEAST_IMAGES} images, {audit.batch_size} of them to learn "
            f"from; {images} gives it {total} and {learned}, not counting copies of test images "
            f"(Audit.limit is {audit.limit}); add images, lower Audit.batch_size, or judge views "
            "by eye with bin/show_views"
        )


def _usable_classes(loaded, labels):
    """Numbers of the classes with images to train on and to test on; -1 stands for no label."""
    if labels is None:
        return {-1}
    names = loaded["test"].class_names
    train, test = (set(loaded[part].labels.numpy().tolist()) for part in ("train", "test"))
    usable = train & test
    left_out = [name for index, name in enumerate(names) if index not in usable]
    if len(usable) < 2:
        raise UserError(
            f"{labels}: {len(usable)} of {len(names)} classes have images both to train on (three "
            "quarters) and to test on; label more images of at least two classes"
        )
    if left_out:
        shown = ", ".join(left_out[:10])
        logging.warning("%d classes with too few images are left out: %s", len(left_out), shown)
    return usable | {-1}


def _write(content, directory, classes):
    """Writes the images of known classes; returns their number."""
    written = 0
    os.makedirs(directory, exist_ok=True)
    for image, label in zip(content.images.numpy(), content.labels.numpy().tolist(), strict=True):
        if label in classes:
            folder = os.path.join(directory, f"{label:04d}" if label >= 0 else "")
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, f"{written:06d}.png")
            keras.utils.save_img(path, image, scale=False, compress_level=1)
            written += 1
    return written
