"""Views to look at, and a check that they are worth looking at."""

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image

from infomin_tf import seeds
from infomin_tf.data.images import spread
from infomin_tf.errors import UserError
from infomin_tf.views.augment.common import split_seed

_SEED = (seeds.stream(0, "check of changes"), 0)


def grid(cells):
    """One picture, uint8 [height, width, 3], with 2 white pixels right of and below each cell.

    Args:
        cells: float32 [rows, columns, H, W, 3] in grey levels.
    """
    cells = tf.pad(cells, [[0, 0], [0, 0], [0, 2], [0, 2], [0, 0]], constant_values=255.0)
    rows, columns, height, width, _ = cells.shape
    joined = tf.reshape(tf.transpose(cells, [0, 2, 1, 3, 4]), [rows * height, columns * width, 3])
    return tf.saturate_cast(tf.round(joined), tf.uint8).numpy()


def view_grid(pair, images, seed=0, num_images=8, num_views=8):
    """A picture of a row per image: the image, then its views, pair after pair.

    Args:
        pair: of `pairs`.
        images: uint8 [M, H, W, 3]; evenly spread ones are shown.
        seed: of the views.
        num_images: rows, at most M.
        num_views: columns after the first.

    Returns:
        uint8 [height, width, 3].
    """
    images = np.asarray(images)[spread(num_images, len(images))]
    columns = [tf.image.resize(images, [pair.size] * 2, antialias=True)]
    for view_seed in split_seed([seeds.stream(seed, "picture"), 0], num_views):
        x1, x2 = pair(images, view_seed)
        columns += [x1 * 255.0] if pair.views_are_one else [x1 * 255.0, x2 * 255.0]
    return grid(tf.stack(columns[: 1 + num_views], axis=1))


def check_changes(pair, images):
    """Makes sure that a pair's views differ, and that each of its operations changes an image.

    Args:
        pair: of `pairs`; if its two views are one and the same, only operations are checked.
        images: uint8 [M, H, W, 3]; a few dozen are enough.

    Raises:
        UserError: the two views of every image are the same.
    """
    images = np.resize(images, (64, *images.shape[1:]))
    x1, x2 = pair(images, tf.constant(_SEED))
    if not pair.views_are_one and float(tf.reduce_max(tf.abs(x1 - x2))) < 1.0 / 255.0:
        raise UserError(
            "the two views of each image are the same, so there is nothing to learn; choose a "
            "family that changes images, such as families.infomin, or a crop area below 1"
        )
    sampler = pair.sampler
    draws = sampler.draw(len(images), tf.constant(_SEED))
    crops = sampler.crop.apply(images, draws[0])
    for operation, parameters in zip(sampler.operations, draws[1:], strict=True):
        changed = operation.apply(crops, parameters)
        if float(tf.reduce_max(tf.abs(changed - crops))) < 0.5:
            logging.warning(
                "%s changes none of %d images: its strength or probability is too low, or the "
                "images lack what it changes",
                type(operation).__name__,
                len(images),
            )
        crops = changed


def save(path, frames):
    """Writes pictures uint8 [H, W, 3] as one image file, several as one that moves.

    Raises:
        UserError: the file cannot be written.
    """
    first, *others = map(Image.fromarray, frames)
    moving = {"save_all": True, "append_images": others, "loop": 0, "duration": 100}
    try:
        first.save(path, **(moving if others else {}))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be written ({error}); give --out a file name that ends in .png, .jpg "
            "or .gif, in a folder that exists"
        ) from error
