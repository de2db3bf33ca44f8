"""A folder for TensorBoard's projector: features as points, labels and paths, small pictures."""

import io
import math
import os

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig

from infomin_tf.data.images import spread
from infomin_tf.embedding import feature_files
from infomin_tf.embedding.rows import Rows, join
from infomin_tf.progress import Progress
from infomin_tf.runs import files

POINTS = 5000
_SIDE = 48


def path_of(out):
    """The folder that belongs to a file of features."""
    return f"{os.path.splitext(out)[0]}_projector"


def write(out, size, pictures):
    """Writes tensors.tsv, metadata.tsv, sprite.png and projector_config.pbtxt.

    Args:
        out: path of the file of features.
        size: number of its images; of more than `POINTS` as many are taken, spread evenly.
        pictures: as of `pictures.of_place`.

    Returns:
        Number of points.
    """
    directory = path_of(out)
    rows = _chosen(out, spread(POINTS, size))
    with Progress("pictures", "image", len(rows.paths), warms_up=True) as progress:
        read = pictures.read(rows.paths, _SIDE)
        sprite = _sprite(read, len(rows.paths), progress.update)
    lines = ("\t".join(f"{value:.6g}" for value in values) for values in rows.features.tolist())
    write_text(directory, "tensors.tsv", lines)
    write_text(directory, "metadata.tsv", _metadata(rows))
    with io.BytesIO() as file:
        Image.fromarray(sprite).save(file, "PNG")
        files.write_atomically(os.path.join(directory, "sprite.png"), file.getvalue())
    write_text(directory, "projector_config.pbtxt", [_configuration()])
    return len(rows.paths)


def write_text(directory, name, lines):
    """Writes a file of lines."""
    files.write_atomically(os.path.join(directory, name), "".join(f"{line}\n" for line in lines))


def _chosen(out, places):
    """`Rows` at rising places of a file."""
    found, start = [], 0
    for rows in feature_files.read(out):
        here = places[(places >= start) & (places < start + len(rows.paths))] - start
        paths, labels = ([texts[place] for place in here] for texts in rows[:2])
        found.append(Rows(paths, labels, rows.features[here]))
        start += len(rows.paths)
    return join(found)


def _metadata(rows):
    """A header if there are two columns: the projector takes that of one column for a point."""
    cells = [" ".join(path.split()) for path in rows.paths]
    if not any(rows.labels):
        return cells
    labels = (" ".join(label.split()) for label in rows.labels)
    return ["label\tpath", *map("\t".join, zip(labels, cells, strict=True))]


def _sprite(read, number, update):
    """uint8 [side, side, 3]: pictures row by row; one that is missing is grey."""
    columns = math.ceil(math.sqrt(number))
    sheet = np.full((columns, _SIDE, columns, _SIDE, 3), 128, np.uint8)
    for place, picture in enumerate(read):
        if picture is not None:
            sheet[place // columns, :, place % columns] = picture
        update(place + 1)
    return sheet.reshape(columns * _SIDE, columns * _SIDE, 3)


def _configuration():
    configuration = ProjectorConfig()
    embedding = configuration.embeddings.add()
    embedding.tensor_name = "features"
    embedding.tensor_path, embedding.metadata_path = "tensors.tsv", "metadata.tsv"
    embedding.sprite.image_path = "sprite.png"
    embedding.sprite.single_image_dim.extend([_SIDE, _SIDE])
    return text_format.MessageToString(configuration).rstrip()
