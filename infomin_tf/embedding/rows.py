"""Rows of features: one image each."""

import os
import typing

import numpy as np


class Rows(typing.NamedTuple):
    """Some of the images of a set, in its order.

    Args:
        paths: list of texts: of files under their folder, or SPLIT/NUMBER in a TFDS set.
        labels: list of class names, "" for none.
        features: float32 [n, D].
        left_out: list of texts: the files among them that could not be read, and why.
    """

    paths: list
    labels: list
    features: np.ndarray
    left_out: list = ()


def join(parts):
    """One `Rows` of several that follow each other; those without an image have no D."""
    parts = list(parts)
    features = [part.features for part in parts if len(part.features)]
    return Rows(
        [path for part in parts for path in part.paths],
        [label for part in parts for label in part.labels],
        np.concatenate(features) if features else np.zeros((0, 0), np.float32),
        [problem for part in parts for problem in part.left_out],
    )


def printable(path):
    """A path as UTF-8 can hold it: bytes of a name that are no text become escapes such as xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
