"""Whether the folders of a folder are classes."""

import collections
import os
import re
import unicodedata

from infomin_tf.data.passed_over import is_of_system
from infomin_tf.errors import UserError, listed, warn_once

_PARTS = {
    *("train", "training", "trainset", "val", "valid", "validation", "dev", "test", "testing"),
    *("testset", "eval", "evaluation", "holdout", "held_out", "unlabelled", "unlabeled", "fold"),
}
_MAPS = {
    *("mask", "masks", "map", "maps", "label", "labels", "annotation", "annotations"),
    *("segmentation", "segmentations", "gt", "groundtruth", "ground_truth", "gtfine", "gtcoarse"),
    *("segmentationclass", "segmentationobject"),
}
_PICTURES = {"image", "images", "img", "imgs", "pictures", "photos", "jpegimages", "leftimg8bit"}
_BESIDE = _PICTURES | {"data", "set", "split", ""}  # as in train_images, val2017
_DATE = re.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}")


def check_classes(paths, directory):
    """Makes sure that the folders of labelled images can be classes; one warning says what is odd.

    Args:
        paths: of the images, relative to the directory: CLASS/...
        directory: for messages.

    Raises:
        UserError: the folders are the parts of a data set, or images and their label maps, or one
            folder with others in it.
    """
    classes = collections.Counter(path.split(os.sep)[0] for path in paths)
    inner = collections.defaultdict(dict)
    for path in paths:
        first, *between, _ = path.split(os.sep)
        if between:
            inner[first][between[0]] = None
    shown, likely = _counted(classes, inner), _likely(classes, directory)
    if all(map(_is_part, classes)):
        raise UserError(
            f"the folders of {directory} are parts of a data set, not classes: {shown}; bind "
            f"ImageFolder.directory of Data.train to the training folder ({likely}) and that of "
            'Data.test to the test folder, both with split = "all"'
        )
    if len(classes) == 1 and len(inner[next(iter(classes))]) > 1:
        raise UserError(
            f"{directory} has only one class, {shown}; bind ImageFolder.directory = {likely!r} if "
            "the folders in it are the classes"
        )
    if all(name.lower() in _MAPS | _PICTURES for name in classes):
        raise UserError(
            f"the folders of {directory} are images and their annotations, not classes: {shown}; "
            f"bind ImageFolder.directory to the images ({likely}), with a labels_file or without "
            "labels; label maps go into SegmentationFolder"
        )
    if odd := " ".join(_oddities(classes, inner, paths, directory)):
        warn_once(f"{directory} is read as {len(classes)} classes, one per folder: {shown}. {odd}")


def check_unlabelled(paths, directory):
    """Warns of folders of unlabelled images whose names say that they hold label maps."""
    first = collections.Counter(path.split(os.sep)[0] for path in paths if os.sep in path)
    maps = {name: count for name, count in first.items() if name.lower() in _MAPS}
    if maps:
        warn_once(
            f"{directory}: {_counted(maps, {})} seem to be label maps or similar, but are used as "
            "images to learn from; bind ImageFolder.directory to the folder that holds only the "
            "images"
        )


def _oddities(classes, inner, paths, directory):
    direct = {path.split(os.sep)[0] for path in paths if path.count(os.sep) == 1}
    deep = [name for name in classes if len(inner[name]) > 1 and name not in direct]
    plain = collections.Counter(map(_plain, classes))
    twins = [name for name in classes if plain[_plain(name)] > 1]
    parts = [name for name in classes if _is_part(name)]
    single = [name for name, count in classes.items() if count == 1]
    empty = sorted(
        entry.name
        for entry in os.scandir(directory)
        if not entry.is_symlink() and entry.is_dir()
        if entry.name not in classes and not is_of_system(entry.name)
    )
    dates = list(classes) if all(map(_DATE.fullmatch, classes)) else []
    odd = {
        "All images of {} lie in subfolders, which are not classes of their own.": deep,
        "{} differ only in case, spaces or the form of letters, but are different classes.": twins,
        "{} look like parts of a data set.": parts if len(parts) > 1 else [],
        "{} have a single image, which can be used to train or to test, but not both.": single,
        "{} have no images, so they are not classes.": empty,
        "{} look like dates.": dates,
    }
    return [sentence.format(listed(sorted(names), 10)) for sentence, names in odd.items() if names]


def _counted(classes, inner):
    """Names with numbers of images and of the folders inside."""
    shown = []
    for name, count in sorted(classes.items()):
        within = f" in {listed(list(inner[name]))}" if inner.get(name) else ""
        shown.append(f"{name} ({count} image{'s' * (count > 1)}{within})")
    return listed(shown, 10)


def _is_part(name):
    words = [word for word in re.split("[^a-z]+", name.lower()) if word not in _BESIDE]
    return "_".join(words) in _PARTS


def _plain(name):
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _likely(classes, directory):
    """The folder that holds the images to train on, as far as names tell."""
    named = (n for n in classes if n.lower() in _PICTURES or n.lower().startswith("train"))
    return os.path.join(directory, next(named, next(iter(classes))))
