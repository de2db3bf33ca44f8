"""Images in one .npy file, as NumPy saves an array."""

import hashlib
import io
import os

import numpy as np

from infomin_tf.data import buffers, division, near_duplicates
from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError, reason
from infomin_tf.runs.files import write_atomically
from infomin_tf.runs.paths import expand
from infomin_tf.settings import SHARE, check


class ArrayFile:
    """Images in one .npy file, and labels in another.

    Args:
        images: path of uint8 [M, H, W, 3], or [M, H, W] for grey images.
        labels: path of integers or strings [M], one class per image; None for no labels. A negative
            number or "" means no label; such images are left out where labels are needed.
        split: "all", "train" or "test"; the division is by a hash of each image's place, so images
            keep their split when others are added, and near-duplicates are on one side, see
            `division.in_split`.
        test_share: share of the images in "test".
    """

    def __init__(self, images: str, labels: str | None = None, split="all", test_share=0.2):
        if split not in division.SPLITS:
            raise UserError(f"ArrayFile.split={split!r} is not one of all, train, test")
        check(self, SHARE, test_share=test_share)
        self._images, self._labels = expand(images), expand(labels)
        self._split, self._test_share = split, test_share

    def load(self, data_dir=None):
        """Reads the files.

        Returns:
            `ArrayImages`.

        Raises:
            UserError: a file that is missing, damaged or of the wrong shape, or a split without
                images.
        """
        images = check_pixels(self._images, _read(self._images))
        places = list(map(str, range(len(images))))
        chosen = division.in_split(
            *(places, self._split, self._test_share),
            lambda: near_duplicates.groups(near_duplicates.thumbnails(images)),
        )
        labels, names = np.full(len(images), -1), ()
        if self._labels:
            labels, names = self._classes(len(images))
            chosen &= labels >= 0
        if not np.any(chosen):
            raise UserError(
                f"none of the {len(images)} images in {self._images} is labelled and in the split "
                f"{self._split!r}; give more images, or bind another ArrayFile.test_share (now "
                f"{self._test_share:g})"
            )
        name = f"{os.path.splitext(os.path.basename(self._images))[0]}:{self._split}"
        return ArrayImages(
            name, buffers.copy(images, np.flatnonzero(chosen)), labels[chosen], names
        )

    def _classes(self, count):
        """(int [M], -1 where there is none; names of the classes)."""
        given = check_labels(self._labels, _read(self._labels), count)
        is_labelled = given != "" if given.dtype.kind == "U" else given >= 0
        names, found = np.unique(given[is_labelled], return_inverse=True)
        labels = np.full(count, -1)
        labels[is_labelled] = found
        return labels, tuple(map(str, names))


def check_pixels(what, images):
    """Images as uint8 [M, H, W, 3]; grey ones have three equal channels. UserError for others."""
    shape = f"{images.dtype} {list(images.shape)}"
    if images.ndim == 3:
        images = np.broadcast_to(images[..., None], (*images.shape, 3))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise UserError(
            f"{what} holds {shape}; images must be uint8 [M, H, W, 3], or [M, H, W] for grey "
            "ones, with M at least 1"
        )
    return images


def check_labels(what, labels, count):
    """Labels as an array of integers or strings [count]; UserError for others."""
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iuU":
        raise UserError(
            f"{what} holds {labels.dtype} {list(labels.shape)}; labels must be integers or strings "
            f'[{count}], one per image, negative or "" for an image without a label'
        )
    return labels


def keep(array, folder, name):
    """(path of the .npy file of an array in a folder, whether it is new).

    The file is named after its contents, so that no other array replaces it.
    """
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    digest = hashlib.sha256(content.getbuffer()).hexdigest()[:8]
    path = os.path.join(folder, f"{name}_{digest}.npy")
    is_new = not os.path.exists(path)
    if is_new:
        write_atomically(path, content.getbuffer())
    return path, is_new


def _read(path):
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} is not a readable .npy file ({reason(error)}); save one array there with "
            "numpy.save"
        ) from error
    if not isinstance(found, np.ndarray):
        raise UserError(
            f"{path} holds several arrays; save one of them as a .npy file with numpy.save"
        )
    return found
