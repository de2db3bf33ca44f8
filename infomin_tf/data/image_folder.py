"""A folder of a person's own images."""

import dataclasses
import math
import os

import numpy as np
import tensorflow as tf
from absl import logging

from infomin_tf.data import (
    buffers,
    deep_images,
    division,
    folder_labels,
    folder_layout,
    near_duplicates,
    threads,
)
from infomin_tf.data.facts import Facts, fingerprint
from infomin_tf.data.image_files import (
    ENDINGS,
    find_images,
    is_plain_jpeg,
    read_as_png,
    read_image,
    read_thumbnails,
)
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.indexed import IndexedImages
from infomin_tf.data.inventory import Inventory
from infomin_tf.errors import UserError
from infomin_tf.runs.paths import expand


@dataclasses.dataclass
class ImageFolder:
    """Images under a folder (see `find_images`), in the order of their paths.

    Corrupt files are left out, counted and named.

    Args:
        directory: the folder. Unlabelled: images at any depth. Labelled: each subfolder is a class.
        image_size: side in pixels; images are resized by their shorter side and cut to a square.
        labelled: whether subfolders are classes.
        split: "all", "train" or "test"; the division is by a hash of each path, so images keep
            their split when others are added, and near-duplicates are on one side, see
            `division.in_split`.
        test_share: share of the images in "test".
        max_corrupt_share: a larger share of unreadable files than this is an error.
        memory_limit_gib: sets that are larger than this when decoded are read from disk in every
            epoch.
        labels_file: table with the columns file (path under the directory) and label, see
            `folder_labels.of_file`; images that it does not list are left out. None for no such
            file.
        limit: the largest number of images taken from the split, chosen by the hash of their paths;
            None for all.
        white: pixel value of white in images that do not have 8 bits; None to find one for the
            whole folder, see `deep_images.find_scales`.
    """

    directory: str
    image_size: int = 96
    labelled: bool = False
    split: str = "all"
    test_share: float = 0.2
    max_corrupt_share: float = 0.01
    memory_limit_gib: float = 4.0
    labels_file: str | None = None
    limit: int | None = None
    white: float | None = None

    def __post_init__(self):
        self.directory, self.labels_file = expand(self.directory), expand(self.labels_file)
        if self.split not in division.SPLITS:
            raise UserError(f"ImageFolder.split={self.split!r} is not one of all, train, test")
        if self.labelled and self.labels_file:
            raise UserError(
                "ImageFolder takes its classes from folders (labelled) or from labels_file, not "
                "from both; bind one of them"
            )
        if self.image_size < 1 or self.limit is not None and self.limit < 1:
            raise UserError(
                f"ImageFolder.image_size and limit must be at least 1, not {self.image_size} and "
                f"{self.limit}; fix them"
            )
        if not (0 <= self.test_share <= 1 and 0 <= self.max_corrupt_share <= 1):
            raise UserError(
                f"the shares of ImageFolder must be in [0, 1], not test_share={self.test_share} "
                f"and max_corrupt_share={self.max_corrupt_share}; fix them"
            )
        if self.white is not None and not 0 < self.white < math.inf:
            raise UserError(
                f"ImageFolder.white must be a pixel value above 0, not {self.white}; fix it"
            )

    def load(self, data_dir=None):
        """Reads the folder.

        Returns:
            `ArrayImages`, or `IndexedImages` beyond the memory limit.

        Raises:
            UserError: a missing or empty folder, labelled images outside class folders, or too many
                corrupt files.
        """
        found, classes = self.listed()
        inventory = Inventory(self.directory, self.image_size, found)
        scales = deep_images.find_scales(self.directory, inventory.without_plain(), self.white)

        def groups():
            thumbnails, lasts = read_thumbnails(self.directory, found, scales)
            return near_duplicates.groups(thumbnails), lasts

        in_split = division.in_split(
            *(found, self.split, self.test_share), lambda: inventory.groups(scales, groups)
        )
        paths, labels, names = self._choose(found, classes, in_split)
        name = f"{os.path.basename(os.path.normpath(self.directory))}:{self.split}"
        name += f" (values {scales})" if str(scales) else ""
        shape = (len(paths), self.image_size, self.image_size, 3)
        in_memory = math.prod(shape) <= self.memory_limit_gib * 2**30
        images = buffers.empty(shape) if in_memory else None
        good, corrupt, known = [], [], []
        earlier = {} if in_memory else inventory.of(scales)
        for index, (read, problem) in enumerate(self._try_all(paths, scales, in_memory, earlier)):
            if problem:
                corrupt.append(problem)
                continue
            if in_memory:
                images[len(good)] = read
            else:
                known.append(read)
            good.append(index)
        self.check_share(len(paths), corrupt)
        paths, labels = [paths[i] for i in good], [labels[i] for i in good]
        facts = Facts(scales=None if self.white else scales, files=tuple(paths))
        if not in_memory:
            inventory.keep(dict(zip(paths, known, strict=True)), scales)
            return self._stream(name, labels, names, known, scales, facts)
        loaded = ArrayImages(name, buffers.filled(images[: len(good)]), labels, names)
        loaded.facts = facts
        return loaded

    def _try_all(self, paths, scales, keep, earlier):
        """`try_file` of each, in order, or what is known of it from earlier."""

        def read(path):
            return self.try_file(path, scales, keep)

        found = threads.in_order(read, [path for path in paths if path not in earlier])
        for path in paths:
            yield (earlier[path], None) if path in earlier else next(found)

    def try_file(self, path, scales, keep=True):
        """(what is read, what is wrong with the file or None).

        Read is the image, uint8 [S, S, 3]; or, unless it is kept, its fingerprint and whether
        TensorFlow reads the file as Pillow does.
        """
        path = os.path.join(self.directory, path)
        try:
            image = read_image(path, self.image_size, scales)
            return image if keep else (fingerprint(image), is_plain_jpeg(path)), None
        except Exception as error:  # decoders fail in many ways, all with the same fix
            return None, f"{path} ({error or type(error).__name__})"

    def listed(self):
        """What the folder holds of every split, before any image is read.

        Returns:
            (paths of all images, relative to the directory; dict path -> class name, None without
            labels).
        """
        if not os.path.isdir(self.directory):
            raise UserError(
                f"ImageFolder.directory={self.directory!r} is not a folder (looked for "
                f"{os.path.abspath(self.directory)}); give one that holds images"
            )
        found = find_images(self.directory)
        if not found:
            raise UserError(
                f"{self.directory} has no images; looked for {', '.join(ENDINGS)} at any depth, "
                "in folders that are not hidden; give another folder"
            )
        return found, self._classes(found)

    def _choose(self, found, classes, in_split):
        """Paths, labels and class names of the split."""
        labelled = found if classes is None else [path for path in found if path in classes]
        known = dict(zip(found, in_split, strict=True))
        chosen = [path for path in labelled if known[path]]
        if not chosen:
            raise UserError(
                f"none of the {len(labelled)} images in {self.directory} is in the split "
                f"{self.split!r}; add images, or bind another ImageFolder.test_share (now "
                f"{self.test_share:g})"
            )
        chosen = sorted(sorted(chosen, key=division.digest)[: self.limit])
        if classes is None:
            return chosen, [-1] * len(chosen), ()
        names = sorted(set(classes.values()))
        return chosen, [names.index(classes[path]) for path in chosen], tuple(names)

    def _classes(self, found):
        """dict path -> class name; None without labels."""
        if self.labels_file:
            return folder_labels.of_file(self.labels_file, found, self.directory)
        if self.labelled:
            return folder_labels.of_folders(found, self.directory)
        folder_layout.check_unlabelled(found, self.directory)
        return None

    def check_share(self, tried, corrupt):
        """Warns of files that cannot be read.

        Args:
            tried: number of files.
            corrupt: list of what is wrong with a file, of `try_file`.

        Raises:
            UserError: they are a larger share than `max_corrupt_share`, or all.
        """
        if not corrupt:
            return
        # Names may hold bytes that are no text.
        shown = os.fsencode("\n  ".join(corrupt[:5])).decode(errors="backslashreplace")
        numbers = f"{len(corrupt)} of {tried} images"
        message = f"{numbers} in {self.directory} cannot be read:\n  {shown}"
        if len(corrupt) > self.max_corrupt_share * tried or len(corrupt) == tried:
            raise UserError(
                f"{message}\nremove or fix them, or raise max_corrupt_share "
                f"(now {self.max_corrupt_share:g})"
            )
        logging.warning("%s\nthey are left out", message)

    def _stream(self, name, labels, names, known, scales, facts):
        fingerprints, plain = zip(*known, strict=True)
        plain = np.array(plain)
        shape = (self.image_size, self.image_size, 3)
        labels = np.array(labels, np.int32)

        def look_up(places):
            paths = [os.path.join(self.directory, facts.files[place]) for place in places]
            return np.array([os.fsencode(path) for path in paths], object), plain[places]

        def fetch(places):
            kinds = (tf.string, tf.bool)
            found = tf.numpy_function(look_up, [places], kinds, stateful=False)
            path, is_plain = (tf.ensure_shape(values, places.shape) for values in found)
            return {"path": path, "plain": is_plain, "label": tf.gather(labels, places)}

        def read(path):
            return read_image(os.fsdecode(path), self.image_size, scales)

        def decode(record):
            image = tf.numpy_function(read, [record["path"]], tf.uint8)
            return tf.ensure_shape(image, shape), record["label"]

        def as_png(path):
            return read_as_png(os.fsdecode(path), scales)

        def encoded(record):
            file = tf.cond(
                record["plain"],
                lambda: tf.io.read_file(record["path"]),
                lambda: tf.numpy_function(as_png, [record["path"]], tf.string),
            )
            return tf.ensure_shape(file, []), record["label"]

        return IndexedImages(
            name=name,
            size=len(labels),
            image_shape=shape,
            class_names=names,
            fetch=fetch,
            decode=decode,
            encoded=encoded,
            facts=dataclasses.replace(facts, labels=labels, fingerprints=list(fingerprints)),
        )
