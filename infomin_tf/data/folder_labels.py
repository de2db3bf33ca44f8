"""Classes of the images of a folder: from its subfolders, or from a csv file."""

import csv
import os

from infomin_tf.errors import UserError

_COLUMNS = {"file", "label"}


def of_folders(paths, directory):
    """The first folder of each path.

    Args:
        paths: relative to the directory.
        directory: for messages.

    Returns:
        dict path -> class name.

    Raises:
        UserError: an image lies outside the class folders.
    """
    outside = [path for path in paths if os.sep not in path]
    if outside:
        raise UserError(
            f"{outside[0]} lies outside the class folders of {directory}; put every image into DIRECTORY/class/, or "
            "label them by a csv file"
        )
    return {path: path.split(os.sep)[0] for path in paths}


def of_file(labels_file, paths, directory):
    """The labels of a csv file with the columns file and label.

    Args:
        labels_file: path of the csv file, UTF-8.
        paths: of the images, relative to the directory.
        directory: for messages.

    Returns:
        dict path -> class name, without images that the file leaves out or gives no label.

    Raises:
        UserError: no such file, no such columns, an image that does not exist, or two labels of one image.
    """
    known, classes = set(paths), {}
    for line, row in _rows(labels_file):
        path, label = os.path.normpath(row["file"] or ""), (row["label"] or "").strip()
        if path not in known:
            raise UserError(
                f"{labels_file}, line {line}: {row['file']} is not an image under {directory}; give paths relative to it"
            )
        if label and classes.setdefault(path, label) != label:
            raise UserError(
                f"{labels_file}, line {line}: {path} is labelled {label}, but was {classes[path]} above; remove "
                "one of them"
            )
    if not classes:
        raise UserError(f"{labels_file} has no labels; write a line FILE,LABEL for each image")
    return classes


def _rows(labels_file):
    """(number of line, dict) of each row."""
    try:
        with open(labels_file, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if _COLUMNS - set(reader.fieldnames or ()):
                raise UserError(
                    f"{labels_file} has the columns {', '.join(reader.fieldnames or ()) or 'none'}; its first line must be "
                    "file,label"
                )
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{labels_file} cannot be read ({error}); give a csv file in UTF-8 with the columns file and label"
        ) from error
