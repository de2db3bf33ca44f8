"""What loaded sets have in common, and which classes they show."""

import hashlib
import os

import numpy as np
from absl import logging

from infomin_tf.data.facts import Facts
from infomin_tf.data.images import Source
from infomin_tf.data.tfds_splits import count_shared as count_shared_places
from infomin_tf.errors import UserError, listed


def count_shared(images, others):
    """How many of `others` are among `images`, by places in a prepared data set or by pixels.

    Args:
        images, others: loaded sets, or None.

    Returns:
        int; 0 where it cannot be told.
    """
    if images is None or others is None:
        return 0
    if images is others:
        return others.size
    mine, theirs = images.facts.places, others.facts.places
    if mine and theirs and mine[0] == theirs[0]:
        return count_shared_places(mine[1], theirs[1])
    if images.image_shape != others.image_shape:
        return 0
    known = set(images.fingerprints())
    return sum(found in known for found in others.fingerprints())


def digest(images):
    """Text that changes with the pixels and labels of a set, as far as known; or ""."""
    found = images.digest_parts()
    return hashlib.blake2b(b"".join(found), digest_size=16).hexdigest() if found else ""


def count_classes(images):
    """int [classes], the number of images of each; None where that is not known."""
    labels = images.known_labels()
    if labels is None or not images.class_names:
        return None
    labels = np.asarray(labels)
    return np.bincount(labels[labels >= 0], minlength=len(images.class_names))


def describe(images, with_classes=False):
    """A set in words: its name, number of images and, if asked for, number of classes."""
    classes = f", {len(images.class_names)} classes" if with_classes and images.class_names else ""
    return f"{images.name}, {images.size} images{classes}"


def thin(images, count):
    """`images.thin(count)`, which still knows how deep images are scaled."""
    part = images.thin(count)
    if scales := images.facts.scales:
        part.facts = Facts(scales=scales)
    return part


def warn(unlabelled, train, test, held_out):
    """Warns of whatever makes the sets of an experiment doubtful.

    That is: equal images with different labels, classes without images to train or test on, images
    that are used both to learn and to test, and folders whose deep images are scaled by different
    factors.

    Args:
        unlabelled, train, test, held_out: loaded sets, or None.
    """
    for kind in ("floats", "integers"):
        _warn_of_scales(kind, [unlabelled, train, test, held_out])
    for sentence in labelled_twice(train, test):
        logging.warning("%s", sentence)
    if train is not None and test is not None:
        _warn_of_classes(train, test)
        if shared := count_shared(train, test):
            logging.warning(
                "%d of %d images of %s are also among the training images of %s (the same "
                "pixels), so accuracies are too high; remove them from one of the two sets",
                *(shared, test.size, test.name, train.name),
            )
    if held_out is not unlabelled and (shared := count_shared(unlabelled, held_out)):
        logging.warning(
            "%d of %d images of %s are also among the unlabelled images of %s, so measurements on "
            "them are not of held-out images; learn from a folder without them, or bind "
            "Data.held_out to images that are not used to learn",
            *(shared, held_out.size, held_out.name, unlabelled.name),
        )


def labelled_twice(*sets):
    """A sentence on images whose pixels are equal and whose labels differ, or [].

    Args:
        sets: loaded labelled images; None, and sets whose labels are not known, are passed over.
    """
    seen = {}
    for images in {id(images): images for images in sets if images}.values():
        labels = images.known_labels()
        if labels is None or not images.class_names:
            continue
        files = images.facts.files or [f"image {place}" for place in range(images.size)]
        for found, label, file in zip(images.fingerprints(), labels, files, strict=False):
            name = images.class_names[label] if label >= 0 else None
            seen.setdefault(found, {}).setdefault(name, file)
    doubtful = [
        " and ".join(f"{file} ({name})" for name, file in names.items() if name)
        for names in seen.values()
        if len(names.keys() - {None}) > 1
    ]
    return doubtful and [
        f"{len(doubtful)} images come with the same pixels and different labels: "
        f"{listed(doubtful, joint='; ')}; no features can tell them apart. Fix their labels"
    ]


def check_outside(path, sources):
    """Makes sure that a picture is not written where it would be read as an image to learn from.

    Args:
        path: of the file that is to be written.
        sources: what reads the images; None among them is ignored.

    Raises:
        UserError: the file lies in a folder of images.
    """
    for folder in (folder for source in sources for folder in _folders_of(source)):
        top = os.path.realpath(folder)
        if os.path.commonpath([top, os.path.realpath(path)]) == top:
            raise UserError(
                f"--out={path} lies in {folder}, a folder of images, and would be read as one of "
                "them; give an --out elsewhere"
            )


def _folders_of(source):
    """Folders of images that a source, or one of which it is made, reads."""
    parts = [part for part in getattr(source, "__dict__", {}).values() if isinstance(part, Source)]
    own = [source.directory] if hasattr(source, "directory") else []
    return own + [folder for part in parts for folder in _folders_of(part)]


def _warn_of_classes(train, test):
    counts = [count_classes(images) for images in (train, test)]
    if any(c is None for c in counts) or train.class_names != test.class_names:
        return
    lacking = [
        f"{name} ({learned} to train on, {tested} to test on)"
        for name, learned, tested in zip(train.class_names, *counts, strict=True)
        if not (learned and tested)
    ]
    if lacking:
        logging.warning(
            "%d of %d classes have no images to train on or none to test on: %s; accuracies say "
            "nothing about them. Add images, or remove the classes",
            *(len(lacking), len(train.class_names), listed(lacking, 10)),
        )


def _warn_of_scales(kind, sets):
    scales = {images.name: getattr(images.facts.scales, kind, None) for images in sets if images}
    scales = {name: scale for name, scale in scales.items() if scale}
    if len(set(scales.values())) > 1:
        logging.warning(
            "the same pixel value (%s) becomes a different grey level in each of these sets: %s; "
            "if their images are of one kind, bind ImageFolder.white = %g for all, or keep them "
            "in one folder, divided by ImageFolder.split or a labels_file",
            *(kind, ", ".join(scales), max(scale.white for scale in scales.values())),
        )
