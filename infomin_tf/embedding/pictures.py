"""The images of a finished file of features, small, to look at."""

import concurrent.futures
import functools
import itertools
import os

import numpy as np
import tensorflow as tf
from PIL import Image

from infomin_tf.data import deep_images, image_files
from infomin_tf.data.tfds_source import Tfds

_FEW = 100


class FolderPictures:
    """Those under a folder.

    Args:
        directory: the folder.
        scales: `deep_images.Scales` of it.
    """

    def __init__(self, directory, scales):
        self.directory, self._scales = directory, scales

    def read(self, paths, side):
        """Yields uint8 [side, side, 3] for each path; None where there is no such image."""
        read = functools.partial(self._read, side=side)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(read, paths)

    def _read(self, path, side):
        try:
            return self.read_file(os.path.join(self.directory, path), side)
        except Exception:  # decoders fail in many ways; a picture less is no mistake
            return None

    def read_file(self, path, side):
        """Any image file, as those of the folder are read; see `image_files.read_image`."""
        return image_files.read_image(path, side, self._scales)


class TfdsPictures:
    """Those of a TFDS data set.

    Args:
        name, data_dir: see `Tfds`.
        side: of the images that were embedded.
    """

    directory = ""

    def __init__(self, name, data_dir, side):
        self._name, self._data_dir, self._side = name, data_dir, side
        self._split = functools.cache(self._load)

    def _load(self, split):
        source = Tfds(self._name, split, image_size=self._side, memory_limit_gib=0.0)
        return source.load(self._data_dir)

    def read(self, paths, side):
        """See `FolderPictures`; numbers rise within the many paths of a split."""
        for split, group in itertools.groupby(paths, lambda path: path.rpartition("/")[0]):
            numbers = [int(path.rpartition("/")[2]) for path in group]
            for pixels in self._pixels(self._split(split), numbers):
                image = Image.fromarray(pixels)
                yield np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))

    def _pixels(self, images, numbers):
        many = len(numbers) > _FEW  # to open the files for each would take longer
        found = (
            [images.records_at(numbers)]
            if many
            else (images.records_between(number, number + 1) for number in numbers)
        )
        for records in found:
            for pixels, _ in records.map(images.decode, tf.data.AUTOTUNE).as_numpy_iterator():
                yield pixels

    def read_file(self, path, side):
        """See `FolderPictures`."""
        return image_files.read_image(path, side)


def of_place(place, images=None, data_dir=None):
    """The pictures of a `Reader.place`.

    Args:
        place: dict.
        images, data_dir: where they are now; None for where they were.
    """
    if "tfds" in place:
        return TfdsPictures(place["tfds"], data_dir or place["data_dir"], place["side"])
    kinds = {kind: scale and deep_images.Scale(**scale) for kind, scale in place["scales"].items()}
    return FolderPictures(images or place["folder"], deep_images.Scales(**kinds))
