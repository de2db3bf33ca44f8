"""Classes of the images of a folder: from its subfolders, or from a csv file."""

import os
import re
import unicodedata

from infomin_tf.data import folder_layout, label_table
from infomin_tf.errors import UserError

_NUMBER = re.compile(r"[+-]?\d+([.,]\d*)?(e[+-]?\d+)?", re.IGNORECASE)
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
# What spreadsheets and scripts write if nothing is known, or if a formula has failed.
_MISSING = re.compile(r"nan|n/?a|<na>|null|#.*[!?/].*", re.IGNORECASE)


def of_folders(paths, directory):
    """The first folder of each path.

    Args:
        paths: relative to the directory.
        directory: for messages.

    Returns:
        dict path -> class name.

    Raises:
        UserError: an image lies outside the class folders, or these cannot be classes, see
            `folder_layout.check_classes`.
    """
    outside = [path for path in paths if os.sep not in path]
    if outside:
        raise UserError(
            f"{outside[0]} lies outside the class folders of {directory}; put every image into "
            "DIRECTORY/class/, or label the images in a csv file"
        )
    folder_layout.check_classes(paths, directory)
    return {path: path.split(os.sep)[0] for path in paths}


def of_file(labels_file, paths, directory):
    """The labels of a table with the columns file and label, see `label_table.read`.

    A file is given relative to the directory. If there is no such image, the path may also be
    absolute, or relative to the parent folder, to the folder of the table or to the working
    directory. Backslashes are read as slashes.

    Args:
        labels_file: path of the table.
        paths: of the images, relative to the directory.
        directory: of the images.

    Returns:
        dict path -> class name, without images that the table does not list or gives no label.

    Raises:
        UserError: the table cannot be read, names a file that is not an image, gives an image two
            labels, or has two labels that may mean the same class.
    """
    find = _Finder(labels_file, paths, directory)
    classes, lines, strange = {}, {}, []
    for line, file, label in label_table.read(labels_file):
        path = find(file)
        if path is None:
            strange.append((line, file))
            continue
        if not label:
            continue
        if _MISSING.fullmatch(label):
            raise UserError(
                f"{labels_file}, line {line}: {label} may be a class, or mean that there is no "
                "label; leave the cell empty, or give the class another name"
            )
        if classes.setdefault(path, label) != label:
            raise UserError(
                f"{labels_file}, line {line}: {path} is labelled {label}, but was {classes[path]} "
                "above; remove one of them"
            )
        lines.setdefault(label, line)
    if strange:
        raise find.no_image(*strange[0], len(strange))
    if not classes:
        raise UserError(f"{labels_file} has no labels; write a line FILE,LABEL for each image")
    _check_distinct(lines, labels_file)
    return classes


class _Finder:
    """Which image a cell of a table names."""

    def __init__(self, labels_file, paths, directory):
        self._labels_file, self._directory = labels_file, directory
        self._known = set(paths)
        self._composed = {unicodedata.normalize("NFC", path): path for path in paths}
        self._top = os.path.abspath(directory)
        table = os.path.dirname(os.path.abspath(labels_file))
        self._bases = (self._top, os.path.dirname(self._top), table, os.getcwd())

    def __call__(self, file):
        """Its path relative to the directory; None for no image."""
        for written in (file, file.replace("\\", "/")):
            for base in self._bases:
                path = os.path.relpath(os.path.join(base, written), self._top)
                if path in self._known:
                    return path
                if composed := self._composed.get(unicodedata.normalize("NFC", path)):
                    return composed
        return None

    def no_image(self, line, file, number):
        """What is wrong with the first of so many rows."""
        if not file:
            return UserError(
                f"{self._labels_file}, line {line}: a label without a file; write FILE,LABEL"
            )
        said = f"{self._labels_file}, line {line}: {file} is not an image under {self._directory}"
        if os.path.isfile(os.path.join(self._directory, file)):
            said += " that can be read: its file type is not supported, or it is hidden"
        said += label_table.nearest(file, self._known)
        if number > 1:
            said += f", nor are the files of {number - 1} more lines"
        fix = "give paths relative to it, and remove lines of images that are not there"
        return UserError(f"{said}; {fix}")


def _check_distinct(lines, labels_file):
    """Raises UserError when two labels, of a dict label -> first line, look like one class."""
    seen = {}
    for label, line in lines.items():
        plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", label)).casefold()
        plain = " ".join(plain.split())
        key = float(label.replace(",", ".")) if _NUMBER.fullmatch(label) else plain
        other = seen.setdefault(key, label)
        if other != label:
            raise UserError(
                f"{labels_file}, line {line}: is {label!r} the same class as {other!r} (line "
                f"{lines[other]})? write each class in one way, and give different classes names "
                "that differ in more than case, spaces or number format"
            )
