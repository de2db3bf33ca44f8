"""A folder of a person's own images."""

import concurrent.futures
import hashlib
import os

import numpy as np
import tensorflow as tf
from absl import logging

from infomin_tf.data import deep_images, folder_labels, folder_layout
from infomin_tf.data.facts import Facts, fingerprint
from infomin_tf.data.image_files import ENDINGS, find_images, is_plain_jpeg, read_as_png, read_image
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.streams import StreamedImages
from infomin_tf.errors import UserError
from infomin_tf.runs.paths import expand


class ImageFolder:
    """Images under a folder (see `find_images`), in the order of their paths; corrupt files are left out, counted and named.

    Args:
        directory: the folder. Unlabelled: images at any depth. Labelled: each immediate subfolder is a class.
        image_size: side in pixels; images are resized by their shorter side and cut to a square.
        labelled: whether subfolders are classes.
        labels_file: table with the columns file (path under the directory) and label, see `folder_labels.of_file`; images
            that it leaves out are left out. None for no such file.
        split: "all", or "train" or "test": a division by a hash of each path, stable when images are added.
        test_share: share of the images in "test".
        max_corrupt_share: more unreadable files than this share are an error.
        memory_limit_gib: larger sets (decoded) are read from disk in every epoch.
        limit: at most so many images of the split, by the hash of their paths; None for all.
        white: pixel value that stands for white in images of other than 8 bits; None to find one for the whole folder, see
            `deep_images.find_scales`.
    """

    def __init__(
        self,
        directory: str,
        image_size=96,
        labelled=False,
        split="all",
        test_share=0.2,
        max_corrupt_share=0.01,
        memory_limit_gib=4.0,
        labels_file: str | None = None,
        limit: int | None = None,
        white: float | None = None,
    ):
        if split not in ("all", "train", "test"):
            raise UserError(f"ImageFolder.split={split!r} is none of all, train, test")
        if labelled and labels_file:
            raise UserError(
                "ImageFolder takes its classes from folders (labelled) or labels_file, not from both"
            )
        if image_size < 1 or limit is not None and limit < 1:
            raise UserError(
                f"ImageFolder takes image_size and limit of at least 1, not {image_size} and {limit}; fix them"
            )
        if not (0 <= test_share <= 1 and 0 <= max_corrupt_share <= 1):
            raise UserError(
                f"ImageFolder takes shares in [0, 1], not test_share={test_share} and max_corrupt_share="
                f"{max_corrupt_share}; fix them"
            )
        if white is not None and not 0 < white < float("inf"):
            raise UserError(f"ImageFolder.white is a pixel value above 0, not {white}; fix it")
        self._white = white
        self._directory, self._side, self._labelled = expand(directory), image_size, labelled
        self._split, self._test_share = split, test_share
        self._max_corrupt_share, self._memory_limit = max_corrupt_share, memory_limit_gib * 2**30
        self._labels_file, self._limit = expand(labels_file), limit

    @property
    def directory(self):
        """The folder."""
        return self._directory

    def load(self, data_dir=None):
        """Reads the folder.

        Returns:
            `ArrayImages`, or `StreamedImages` beyond the memory limit.

        Raises:
            UserError: a missing or empty folder, labelled images outside class folders, too many corrupt files.
        """
        found = self._images()
        paths, labels, names = self._choose(found)
        scales = deep_images.find_scales(self._directory, found, self._white)
        name = f"{os.path.basename(os.path.normpath(self._directory))}:{self._split}"
        name += f" (values {scales})" if str(scales) else ""
        shape = (len(paths), self._side, self._side, 3)
        in_memory = np.prod(shape, dtype=np.float64) <= self._memory_limit
        images = np.empty(shape, np.uint8) if in_memory else None
        good, corrupt, known = [], [], []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            tried = pool.map(lambda path: self._try(path, in_memory, scales), paths)
            for index, (image, found, problem) in enumerate(tried):
                if problem:
                    corrupt.append(problem)
                    continue
                if in_memory:
                    images[len(good)] = image
                known.append(found)
                good.append(index)
        self._check_share(paths, corrupt)
        kept = [labels[i] for i in good]
        if in_memory:
            loaded = ArrayImages(name, images[: len(good)], kept, names)
            loaded.facts = Facts(scales=self._found(scales), files=self._relative(paths, good))
            return loaded
        return self._stream(name, [paths[i] for i in good], kept, names, known, scales)

    def _relative(self, paths, good):
        return tuple(os.path.relpath(paths[i], self._directory) for i in good)

    def _try(self, path, keep, scales):
        """(the image if it is kept, otherwise its fingerprint and whether TensorFlow reads it as Pillow does, what is wrong with
        it or None).
        """
        try:
            image = read_image(path, self._side, scales)
            if keep:
                return image, None, None
            return None, (fingerprint(image), is_plain_jpeg(path)), None
        except Exception as error:  # decoders fail in many ways, all with the same fix
            return None, None, f"{path} ({error or type(error).__name__})"

    def _images(self):
        """Paths of all images, relative to the directory."""
        if not os.path.isdir(self._directory):
            raise UserError(
                f"ImageFolder.directory={self._directory!r} is not a folder; give one that holds images"
            )
        found = find_images(self._directory)
        if not found:
            raise UserError(
                f"{self._directory} has no images; looked for {', '.join(ENDINGS)} at any depth, in folders that are not "
                "hidden; give another folder"
            )
        return found

    def _choose(self, found):
        """Paths, labels and class names of the split."""
        classes = self._classes(found)
        labelled = found if classes is None else [path for path in found if path in classes]
        chosen = [path for path in labelled if self._is_in_split(path)]
        if not chosen:
            raise UserError(
                f"none of {len(labelled)} images in {self._directory} is in the split {self._split!r}; add images, or bind "
                f"another ImageFolder.test_share (now {self._test_share:g})"
            )
        chosen = sorted(sorted(chosen, key=_digest)[: self._limit])
        paths = [os.path.join(self._directory, path) for path in chosen]
        if classes is None:
            return paths, [-1] * len(paths), ()
        names = sorted(set(classes.values()))
        return paths, [names.index(classes[path]) for path in chosen], tuple(names)

    def _classes(self, found):
        """dict path -> class name; None without labels."""
        if self._labels_file:
            return folder_labels.of_file(self._labels_file, found, self._directory)
        if self._labelled:
            return folder_labels.of_folders(found, self._directory)
        folder_layout.check_unlabelled(found, self._directory)
        return None

    def _is_in_split(self, path):
        if self._split == "all":
            return True
        in_test = int.from_bytes(_digest(path)[:4], "big") < self._test_share * 2**32
        return in_test == (self._split == "test")

    def _check_share(self, paths, corrupt):
        if not corrupt:
            return
        # Names may hold bytes that are no text.
        shown = os.fsencode("\n  ".join(corrupt[:5])).decode(errors="backslashreplace")
        message = (
            f"{len(corrupt)} of {len(paths)} images in {self._directory} cannot be read:\n  {shown}"
        )
        if len(corrupt) > self._max_corrupt_share * len(paths) or len(corrupt) == len(paths):
            raise UserError(
                f"{message}\nremove or fix them, or raise max_corrupt_share "
                f"(now {self._max_corrupt_share:g})"
            )
        logging.warning("%s\nthey are left out", message)

    def _found(self, scales):
        return scales if self._white is None else None

    def _stream(self, name, paths, labels, names, known, scales):
        fingerprints, plain = zip(*known, strict=True)

        def decode(record):
            image = tf.numpy_function(
                lambda path: read_image(os.fsdecode(path), self._side, scales),
                [record["path"]],
                tf.uint8,
            )
            return tf.ensure_shape(image, (self._side, self._side, 3)), record["label"]

        def encoded(record):
            path = record["path"]
            file = tf.cond(
                record["plain"],
                lambda: tf.io.read_file(path),
                lambda: tf.numpy_function(
                    lambda p: read_as_png(os.fsdecode(p), scales), [path], tf.string
                ),
            )
            return tf.ensure_shape(file, []), record["label"]

        columns = {
            "path": [os.fsencode(path) for path in paths],
            "label": np.array(labels, np.int32),
            "plain": list(plain),
        }

        def records():
            return tf.data.Dataset.from_tensor_slices(columns)

        shape = (self._side, self._side, 3)
        return StreamedImages(
            name,
            len(paths),
            shape,
            names,
            records,
            decode,
            len(paths),
            encoded,
            facts=Facts(
                columns["label"],
                list(fingerprints),
                self._found(scales),
                self._relative(paths, range(len(paths))),
            ),
        )


def _digest(path):
    return hashlib.sha256(path.replace(os.sep, "/").encode("utf-8", "surrogateescape")).digest()
