"""The nearest images of one image, as a page that needs no other file."""

import html
import io
import os
import typing

import numpy as np
from PIL import Image

from infomin_tf.embedding import feature_files
from infomin_tf.runs import files
from infomin_tf.sweeps import report

NUMBER = 24
SIDE = 144
_STYLE = f"style='width: {SIDE}px; vertical-align: top; overflow-wrap: anywhere'"


class Neighbour(typing.NamedTuple):
    """An image near another.

    Args:
        distance: cosine distance of their features, in [0, 2].
        path, label: see `Rows`.
    """

    distance: float
    path: str
    label: str


def of_image(out, names):
    """(path, features [D], label) of the image of one of these paths in a file; None for none."""
    for rows in feature_files.read(out):
        for place, path in enumerate(rows.paths):
            if path in names:
                return path, rows.features[place], rows.labels[place]
    return None


def nearest(out, features, number=NUMBER, without=None):
    """The images of a file whose features have the least cosine distance, 1 - cosine.

    Args:
        out: path of the file of features.
        features: float [D], not all 0, of the query.
        number: of neighbours; fewer if the file has fewer.
        without: path of an image that is no neighbour, as it is the query; None for none.

    Returns:
        List of `Neighbour`, nearest first; of equal distances the first path comes first.
    """
    found = []
    for rows in feature_files.read(out):
        distances = 1.0 - _unit(rows.features) @ _unit(features)
        nearest_here = np.argsort(distances, kind="stable")[: number + 1]
        made = (Neighbour(distances[i], rows.paths[i], rows.labels[i]) for i in nearest_here)
        found = sorted([*found, *(n for n in made if n.path != without)])[:number]
    return found


def _unit(features):
    features = np.asarray(features, np.float64)
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, np.finfo(np.float64).tiny)


def path_of(out, name):
    """Where the page of a query of this name is written: next to the file of features."""
    return f"{os.path.splitext(out)[0]}_neighbours_{name.replace(os.sep, '_')}.html"


def write_page(path, query, shown, found, pictures, about):
    """Writes the page.

    Args:
        path: of the page.
        query: name of the image.
        shown: (uint8 [S, S, 3], label) of it.
        found: list of `Neighbour`.
        pictures: as of `pictures.of_place`.
        about: text, of what the neighbours are looked for in.
    """
    read = pictures.read([neighbour.path for neighbour in found], SIDE)
    figures = [
        _figure(picture, f"{place}: {neighbour.distance:.4f}", neighbour)
        for place, (picture, neighbour) in enumerate(zip(read, found, strict=True), 1)
    ]
    parts = [
        _figure(shown[0], "the query", Neighbour(0.0, "", shown[1])),
        f"<p>{html.escape(about)}</p><h2>Nearest first</h2>",
        *figures,
    ]
    files.write_atomically(path, report.page(f"Nearest images of {query}", parts))


def _figure(picture, first, neighbour):
    shown = "(no picture)"
    if picture is not None:
        with io.BytesIO() as file:
            Image.fromarray(picture).resize((SIDE, SIDE)).save(file, "PNG", optimize=True)
            shown = report.image(file.getvalue(), neighbour.path)
    lines = [first, neighbour.label, neighbour.path]
    caption = "<br>".join(html.escape(line) for line in lines if line)
    return f"<figure {_STYLE}>{shown}<figcaption>{caption}</figcaption></figure>"
