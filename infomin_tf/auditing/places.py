"""Where an audit reads and writes; without TensorFlow, so that a slip is answered at once."""

import os

from infomin_tf.errors import UserError
from infomin_tf.runs import paths


def check(images, labels, out):
    """Raises UserError when images or labels are missing, or lie in `out`, or `out` in them."""
    paths.check_images(images, labels)
    written = os.path.realpath(out)
    for folder in folders(images, labels):
        if os.path.commonpath([folder, written]) in (folder, written):
            raise UserError(
                f"one of --out={out} and {folder} lies inside the other; use an --out next to the "
                "images"
            )


def folders(images, labels):
    """Real paths of those of the two that are folders."""
    return [os.path.realpath(path) for path in (images, labels) if path and os.path.isdir(path)]


def sources(images, labels):
    """dict part -> settings of its `ImageFolder`: where images and labels are, and which split.

    Args:
        images: folder.
        labels: folder with a folder for each class, or a csv file; None without labels.
    """
    found = {
        "unlabelled": {"directory": images, "split": "train"},
        "held_out": {"directory": images, "split": "test"},
    }
    for part in () if labels is None else ("train", "test"):
        if os.path.isdir(labels):
            found[part] = {"directory": labels, "split": part, "labelled": True}
        else:
            found[part] = {"directory": images, "split": part, "labels_file": labels}
    return found


def bindings(part, **settings):
    """Lines of a gin file that make an `ImageFolder` with these settings a part of the data."""
    folder = f"{part}/ImageFolder"
    made = [f"{folder}.{name} = {value!r}" for name, value in settings.items()]
    return [f"Data.{part} = @{folder}()", *made]
