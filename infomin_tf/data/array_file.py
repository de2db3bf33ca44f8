"""Images in one .npy file, as NumPy saves an array."""

import os

import numpy as np

from infomin_tf.data.image_folder import is_in_split
from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError, reason
from infomin_tf.runs.paths import expand
from infomin_tf.settings import SHARE, check


class ArrayFile:
    """Images in one .npy file, and labels in another.

    Args:
        images: path of uint8 [M, H, W, 3], or [M, H, W] for grey images.
        labels: path of integers or texts [M], the classes; None for none. A negative number, or "",
            is no label: such images are left out where labels are asked for.
        split: "all", or "train" or "test": a division by a hash of each image's place, stable when
            images are added.
        test_share: share of the images in "test".
    """

    def __init__(self, images: str, labels: str | None = None, split="all", test_share=0.2):
        if split not in ("all", "train", "test"):
            raise UserError(f"ArrayFile.split={split!r} is none of all, train, test")
        check(self, SHARE, test_share=test_share)
        self._images, self._labels = expand(images), expand(labels)
        self._split, self._test_share = split, test_share

    def load(self, data_dir=None):
        """Reads the files.

        Returns:
            `ArrayImages`.

        Raises:
            UserError: a file that is missing, damaged or of another shape; a split without images.
        """
        images = self._pixels()
        places = map(str, range(len(images)))
        chosen = np.array([is_in_split(p, self._split, self._test_share) for p in places], bool)
        labels, names = np.full(len(images), -1), ()
        if self._labels:
            labels, names = self._classes(len(images))
            chosen &= labels >= 0
        if not np.any(chosen):
            raise UserError(
                f"none of {len(images)} images in {self._images} is in the split {self._split!r} "
                "and labelled; give more, or bind another ArrayFile.test_share "
                f"(now {self._test_share:g})"
            )
        name = f"{os.path.splitext(os.path.basename(self._images))[0]}:{self._split}"
        return ArrayImages(name, images[chosen], labels[chosen], names)

    def _pixels(self):
        images = _read(self._images)
        if images.ndim == 3:
            images = np.repeat(images[..., None], 3, axis=-1)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise UserError(
                f"{self._images} holds {images.dtype} {list(images.shape)}; "
                "images are uint8 [M, H, W, 3], or [M, H, W] for grey ones"
            )
        return images

    def _classes(self, count):
        """(int [M], -1 where there is none; names of the classes)."""
        given = _read(self._labels)
        if given.shape != (count,) or given.dtype.kind not in "iuU":
            raise UserError(
                f"{self._labels} holds {given.dtype} {list(given.shape)}; "
                f"labels are integers or texts [{count}], one for each image"
            )
        is_labelled = given != "" if given.dtype.kind == "U" else given >= 0
        names, found = np.unique(given[is_labelled], return_inverse=True)
        labels = np.full(count, -1)
        labels[is_labelled] = found
        return labels, tuple(map(str, names))


def _read(path):
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is no .npy file that can be read ({reason(error)})") from error
