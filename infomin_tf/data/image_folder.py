"""A folder of a person's own images."""

import concurrent.futures
import hashlib
import io
import os

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image, ImageOps

from infomin_tf.data.sources import ArrayImages, StreamedImages
from infomin_tf.errors import UserError

_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_ORIENTATION = 0x0112
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class ImageFolder:
    """Images under a folder, in the order of their paths; corrupt files are left out, counted and named.

    Args:
        directory: the folder. Unlabelled: images at any depth. Labelled: each immediate subfolder is a class.
        image_size: side in pixels; images are resized by their shorter side and cut to a square.
        labelled: whether subfolders are classes.
        split: "all", or "train" or "test": a division by a hash of each path, stable when images are added.
        test_share: share of the images in "test".
        max_corrupt_share: more unreadable files than this share are an error.
        memory_limit_gib: larger sets (decoded) are read from disk in every epoch.
    """

    def __init__(
        self,
        directory,
        image_size=96,
        labelled=False,
        split="all",
        test_share=0.2,
        max_corrupt_share=0.01,
        memory_limit_gib=4.0,
    ):
        if split not in ("all", "train", "test"):
            raise UserError(f"ImageFolder.split={split!r} is none of all, train, test")
        self._directory, self._side, self._labelled = directory, image_size, labelled
        self._split, self._test_share = split, test_share
        self._max_corrupt_share, self._memory_limit = max_corrupt_share, memory_limit_gib * 2**30

    def load(self, data_dir=None):
        """Reads the folder.

        Returns:
            `ArrayImages`, or `StreamedImages` beyond the memory limit.

        Raises:
            UserError: a missing or empty folder, labelled images outside class folders, too many corrupt files.
        """
        del data_dir
        paths, labels, names = self._find()
        name = f"{os.path.basename(os.path.normpath(self._directory))}:{self._split}"
        shape = (len(paths), self._side, self._side, 3)
        in_memory = np.prod(shape, dtype=np.float64) <= self._memory_limit
        images = np.empty(shape, np.uint8) if in_memory else None
        good, corrupt, plain = [], [], []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            tried = pool.map(lambda path: self._try(path, in_memory), paths)
            for index, (image, is_plain, problem) in enumerate(tried):
                if problem:
                    corrupt.append(problem)
                    continue
                if in_memory:
                    images[len(good)] = image
                plain.append(is_plain)
                good.append(index)
        self._check_share(paths, corrupt)
        kept = [labels[i] for i in good]
        if in_memory:
            return ArrayImages(name, images[: len(good)], kept, names)
        return self._stream(name, [paths[i] for i in good], kept, names, plain)

    def _try(self, path, keep):
        """(the image or None, whether TensorFlow reads the file as Pillow does, what is wrong with it or None)."""
        try:
            image = read_image(path, self._side)
            plain = is_plain_jpeg(path)
        except _UNREADABLE as error:
            return None, False, f"{path} ({error})"
        return (image if keep else None), plain, None

    def _find(self):
        """Paths, labels and class names."""
        if not os.path.isdir(self._directory):
            raise UserError(
                f"ImageFolder.directory={self._directory!r} is not a folder; give one that holds images"
            )
        found = sorted(
            os.path.join(root, file)
            for root, _, files in os.walk(self._directory)
            for file in files
            if file.lower().endswith(_ENDINGS)
        )
        relative = [os.path.relpath(path, self._directory) for path in found]
        chosen = [i for i, path in enumerate(relative) if self._is_in_split(path)]
        if not chosen:
            raise UserError(
                f"{self._directory} has no images (split {self._split!r}); looked for {', '.join(_ENDINGS)} at any depth"
            )
        paths = [found[i] for i in chosen]
        if not self._labelled:
            return paths, [-1] * len(paths), ()
        outside = [path for path in relative if os.sep not in path]
        if outside:
            raise UserError(
                f"{outside[0]} lies outside the class folders of {self._directory}; put every image into "
                "DIRECTORY/class/, or bind ImageFolder.labelled = False"
            )
        names = sorted({path.split(os.sep)[0] for path in relative})
        return paths, [names.index(relative[i].split(os.sep)[0]) for i in chosen], tuple(names)

    def _is_in_split(self, path):
        if self._split == "all":
            return True
        digest = hashlib.sha256(
            path.replace(os.sep, "/").encode("utf-8", "surrogateescape")
        ).digest()
        in_test = int.from_bytes(digest[:4], "big") < self._test_share * 2**32
        return in_test == (self._split == "test")

    def _check_share(self, paths, corrupt):
        if not corrupt:
            return
        shown = "\n  ".join(corrupt[:5])
        message = (
            f"{len(corrupt)} of {len(paths)} images in {self._directory} cannot be read:\n  {shown}"
        )
        if len(corrupt) > self._max_corrupt_share * len(paths) or len(corrupt) == len(paths):
            raise UserError(
                f"{message}\nremove or mend them, or raise ImageFolder.max_corrupt_share "
                f"(now {self._max_corrupt_share:g})"
            )
        logging.warning("%s\nthey are left out", message)

    def _stream(self, name, paths, labels, names, plain):
        def decode(record):
            image = tf.numpy_function(
                lambda path: read_image(os.fsdecode(path), self._side), [record["path"]], tf.uint8
            )
            return tf.ensure_shape(image, (self._side, self._side, 3)), record["label"]

        def encoded(record):
            path = record["path"]
            file = tf.cond(
                record["plain"],
                lambda: tf.io.read_file(path),
                lambda: tf.numpy_function(lambda p: read_as_png(os.fsdecode(p)), [path], tf.string),
            )
            return tf.ensure_shape(file, []), record["label"]

        columns = {
            "path": [os.fsencode(path) for path in paths],
            "label": np.array(labels, np.int32),
            "plain": plain,
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
        )


def is_plain_jpeg(path):
    """Whether a file is an upright colour or grey JPEG, which TensorFlow decodes to what Pillow does."""
    with Image.open(path) as image:
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        return image.format == "JPEG" and image.mode in ("RGB", "L") and upright


def read_image(path, side):
    """Reads an image file as RGB, upright as its EXIF data says, resized and cut to a square.

    Greyscale, palette, CMYK, transparent (on black), 16-bit and floating-point images are converted.

    Args:
        path: of the file.
        side: pixels.

    Returns:
        uint8 [side, side, 3].

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: the file cannot be read, or is too large.
    """
    with Image.open(path) as image:
        image.draft("RGB", (2 * side, 2 * side))
        return np.asarray(ImageOps.fit(_as_rgb(image), (side, side), Image.Resampling.BILINEAR))


def read_as_png(path):
    """An image file of any kind as the bytes of an upright RGB PNG of the same size; errors as `read_image`."""
    with Image.open(path) as image, io.BytesIO() as file:
        _as_rgb(image).save(file, "PNG", compress_level=0)
        return file.getvalue()


def _as_rgb(image):
    """An upright RGB copy of a Pillow image of any mode."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        scale = 255.0 / _white(image.mode, values.max())
        image = Image.fromarray(np.round(values * scale).clip(0, 255).astype(np.uint8))
    elif "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")


def _white(mode, brightest):
    """The value that stands for white; integers of 32 bits and floats do not say, so the brightest pixel decides."""
    if mode.startswith("I;16"):
        return 65535.0
    ranges = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    return next((white for white in ranges if brightest <= white), brightest)
