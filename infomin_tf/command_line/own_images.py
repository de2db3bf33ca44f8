"""A person's own images in the place of the sets of a gin file; without TensorFlow."""

import os

from infomin_tf.errors import UserError
from infomin_tf.runs import paths

_WITH_LABELS, _WITHOUT = "gin/folder_semisup_views.gin", "gin/folder_unsup_views.gin"


def default_file(labels):
    """The experiment for images with labels, or without (None)."""
    return _WITHOUT if labels is None else _WITH_LABELS


def bindings(images, labels):
    """Bindings of the sources.

    Args:
        images: folder of images at any depth.
        labels: another, or the same, with a folder for each class; a table with the columns file
            and label; or None.
    """
    directory = f"ImageFolder.directory = {paths.expand(images)!r}"
    if labels is None:
        return [directory]
    labels = paths.expand(labels)
    found = [f"unlabelled/{directory}"]
    for part in ("train", "test"):
        if os.path.isdir(labels):
            found.append(f"{part}/ImageFolder.directory = {labels!r}")
        else:
            found += [f"{part}/{directory}", f"{part}/ImageFolder.labels_file = {labels!r}"]
            found.append(f"{part}/ImageFolder.labelled = False")
    return found


def check(images, labels):
    """Raises UserError for labels without images, and for what is not there."""
    if images is None and labels is not None:
        raise UserError("--labels says what --images are; give both")
    paths.check_images(images, labels)


def bind(values):
    """Adds the gin file and the bindings that --images and --labels of bin/train stand for."""
    if values.images is not None:
        values.gin_file = values.gin_file or [default_file(values.labels)]
        values.gin_param = [*bindings(values.images, values.labels), *values.gin_param]
