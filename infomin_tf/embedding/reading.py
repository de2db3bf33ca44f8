"""Images to embed: a set in an order that stays, read a stretch at a time."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import os

import numpy as np
import tensorflow as tf

from infomin_tf.data import deep_images
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.records import streaming_damage_explained
from infomin_tf.data.tfds_opening import open_builder
from infomin_tf.data.tfds_source import Tfds
from infomin_tf.embedding.rows import Rows
from infomin_tf.errors import UserError


class Reader:
    """A set of images.

    Attributes:
        size: number of images, with those that cannot be read.
        side: S, in pixels; images are resized by their shorter side and cut to a square.
        is_labelled: whether any image may have a label.
        place: dict, where the images are, from which `pictures.of_place` finds them again.
    """

    def contents(self):
        """dict name -> text that changes with what it names: "images", "labels", "white"."""
        raise NotImplementedError

    def batches(self, start, stop, batch_size):
        """Images start to stop.

        Yields:
            (pixels uint8 [b, S, S, 3], `Rows` without features), b at most `batch_size`.
        """
        raise NotImplementedError

    def check(self, left_out):
        """Warns of the images that could not be read; UserError where these are all."""


class FolderReader(Reader):
    """Images at any depth under a folder, in the order of their paths.

    Args:
        directory: the folder.
        side: see `Reader`.
        labels: the same folder, if it has a folder for each class, or a table with the columns file
            and label, in which images may be missing; None for no labels.
        white: see `ImageFolder`.

    Raises:
        UserError: no images, or labels that cannot be read.
    """

    def __init__(self, directory, side, labels=None, white=None):
        self.side, self.is_labelled = side, labels is not None
        of_folders = self.is_labelled and os.path.isdir(labels)
        if of_folders and os.path.realpath(labels) != os.path.realpath(directory):
            raise UserError(
                f"the labels {labels} are another folder than the images {directory}; give the "
                "same folder twice if it has a folder for each class, or a csv file with the "
                "columns file and label"
            )
        self._source = ImageFolder(
            directory,
            side,
            labelled=of_folders,
            labels_file=None if of_folders else labels,
            max_corrupt_share=1.0,
            white=white,
        )
        self._paths, self._classes = self._source.listed()
        self._scales = deep_images.find_scales(self._source.directory, self._paths, white)
        self.size = len(self._paths)
        folder = os.path.abspath(self._source.directory)
        self.place = {"folder": folder, "scales": dataclasses.asdict(self._scales)}

    def contents(self):
        """See `Reader`; from names, sizes and times of the files, as reading them takes long."""
        found = (self._entry(path) for path in self._paths)
        classes = sorted((self._classes or {}).items())
        return {
            "images": _digest(found),
            "labels": _digest(classes) if self.is_labelled else "none",
            "white": str(self._scales),
        }

    def _entry(self, path):
        try:
            status = os.stat(os.path.join(self._source.directory, path))
        except OSError:  # a link to nowhere, which is left out
            return path
        return path, status.st_size, status.st_mtime_ns

    def batches(self, start, stop, batch_size):
        """See `Reader`; the files of the next batch are read meanwhile."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            waiting = collections.deque()
            for first in range(start, stop, batch_size):
                paths = self._paths[first : min(first + batch_size, stop)]
                tried = [pool.submit(self._source.try_file, path, self._scales) for path in paths]
                waiting.append((paths, tried))
                if len(waiting) > 1:
                    yield self._batch(*waiting.popleft())
            while waiting:
                yield self._batch(*waiting.popleft())

    def _batch(self, paths, tried):
        read = [future.result() for future in tried]
        good = [path for path, (_, problem) in zip(paths, read, strict=True) if not problem]
        pixels = [image for image, problem in read if not problem]
        labels = [(self._classes or {}).get(path, "") for path in good]
        left_out = [problem for _, problem in read if problem]
        pixels = np.stack(pixels) if pixels else np.zeros((0, self.side, self.side, 3), np.uint8)
        return pixels, Rows(good, labels, None, left_out)

    def check(self, left_out):
        """See `Reader`."""
        self._source.check_share(self.size, left_out)


class TfdsReader(Reader):
    """A split of a TFDS data set, in its order on disk.

    Args:
        name, split: see `Tfds`.
        data_dir: folder of prepared data sets; None for TFDS's own.
        side: see `Reader`; None for that of the images if all have one, and are square.
        usual_side: where neither is so.

    Raises:
        UserError: see `Tfds.load`.
    """

    def __init__(self, name, split, data_dir, side, usual_side):
        features = open_builder(name, data_dir=data_dir).info.features
        height, width = features["image"].shape[:2] if "image" in features else (None, None)
        is_square = height is not None and height == width
        side = side or (None if is_square else usual_side)
        source = Tfds(name, split, image_size=side, memory_limit_gib=0.0)  # it is streamed
        self._images, self._data_dir = source.load(data_dir), data_dir
        self.size, self.side = self._images.size, self._images.image_shape[0]
        self.is_labelled = bool(self._images.class_names)
        known = data_dir if data_dir is None or "://" in data_dir else os.path.abspath(data_dir)
        self.place = {"tfds": name, "data_dir": known, "side": self.side}
        self._names = [*self._images.class_names, ""]  # the last is that of -1
        parts = self._images.facts.places[1]
        self._paths = [f"{part}/{number}" for part, *ends in parts for number in range(*ends)]

    def contents(self):
        """See `Reader`."""
        directory, parts = self._images.facts.places
        prepared = directory.rsplit(os.sep, 2)[-2:]
        return {"images": _digest([*prepared, *parts]), "labels": "of the data set", "white": ""}

    def batches(self, start, stop, batch_size):
        """See `Reader`."""
        records = self._images.records_between(start, stop)
        decoded = records.map(self._images.decode, tf.data.AUTOTUNE).batch(batch_size)
        with streaming_damage_explained(self._data_dir):
            for pixels, labels in decoded.prefetch(1).as_numpy_iterator():
                names = [self._names[label] for label in labels]
                yield pixels, Rows(self._paths[start : start + len(pixels)], names, None)
                start += len(pixels)


def _digest(parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part!r}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
