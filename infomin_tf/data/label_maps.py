"""Images with a label for every pixel: a TFDS data set, or folders of images and label maps."""

import dataclasses
import os

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data import deep_images, tfds_records
from infomin_tf.data.facts import fingerprint
from infomin_tf.data.image_files import open_image, read_whole
from infomin_tf.data.images import Images
from infomin_tf.data.records import damage_explained
from infomin_tf.data.tfds_opening import open_builder
from infomin_tf.data.tfds_splits import find_parts
from infomin_tf.errors import UserError
from infomin_tf.runs.paths import expand

_KINDS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff")


@dataclasses.dataclass
class SegmentationImages(Images):
    """A loaded set.

    Args:
        name: of the set.
        images: uint8 [M, H, W, 3].
        maps: uint8 [M, H, W], a class or the ignored value in each pixel.
    """

    name: str
    images: np.ndarray
    maps: np.ndarray
    class_names = ()  # classes are of pixels

    @property
    def size(self):
        """Number of images."""
        return len(self.images)

    def digest_parts(self):
        """See `Images`."""
        return [fingerprint(part) for part in (self.images, self.maps)]


@dataclasses.dataclass
class TfdsSegmentation:
    """A split of a TFDS data set with images and label maps.

    Args:
        name, split, version: see `tfds_source.Tfds`.
        size: (height, width) to which images (antialiased) and maps (nearest pixel) are resized.
        map_feature: name of the feature with the label maps, [H, W, 1].
    """

    name: str
    split: str
    size: tuple[int, int] = (120, 160)
    map_feature: str = "segmentation_label"
    version: str | None = None

    @graphs.without_autograph
    def load(self, data_dir=None):
        """A `SegmentationImages`.

        Raises:
            UserError: the set cannot be found, is damaged, or has no such split or feature.
        """
        builder = open_builder(self.name, self.version, data_dir)
        parts = find_parts(builder, self.name, self.split)
        if self.map_feature not in builder.info.features:
            raise UserError(
                f"{self.name} has no feature {self.map_feature!r}, only "
                f"{', '.join(builder.info.features)}; bind TfdsSegmentation.map_feature"
            )

        name = f"{self.name}:{self.split}"

        def fit(record):
            example = builder.info.features.deserialize_example(record["example"])
            return _fit(example["image"], example[self.map_feature], self.size)

        with damage_explained(builder):
            streamed = tfds_records.streamed(
                builder, parts, name=name, image_shape=(*self.size, 3), class_names=(), decode=fit
            )
            pairs = list(streamed.records().map(fit, tf.data.AUTOTUNE).as_numpy_iterator())
        images, maps = (np.stack(part) for part in zip(*pairs, strict=True))
        return SegmentationImages(name, images, maps)


class SegmentationFolder:
    """A folder of images and one of label maps, paired by their names without suffix.

    Args:
        images: folder of .png, .jpg, .bmp or .tif files.
        maps: folder of label maps with one 8-bit channel or a palette; lossless, so not JPEG.
        size: see `TfdsSegmentation`.
        white: see `ImageFolder`.
    """

    def __init__(self, images: str, maps: str, size=(120, 160), white: float | None = None):
        self._folders = expand(images), expand(maps)
        self._size, self._white = size, white

    def load(self, data_dir=None):
        """A `SegmentationImages`.

        Raises:
            UserError: a folder is missing or empty, an image has no map, two files have the same
                name, or a file cannot be read.
        """
        images, maps = (_files(folder) for folder in self._folders)
        lonely = sorted(images.keys() ^ maps.keys())
        if lonely or not images:
            raise UserError(
                f"each image in {self._folders[0]} needs a map of the same name in "
                f"{self._folders[1]}, and the other way round; without a partner: "
                f"{', '.join(lonely[:5]) or 'all, because there are no images'}"
            )
        names = sorted(images)
        files = [os.path.basename(path) for path in images.values()]
        scales = deep_images.find_scales(self._folders[0], files, self._white)
        pairs = [_fit(*_read_pair(images[n], maps[n], scales), self._size) for n in names]
        stacked = [np.stack(part) for part in zip(*pairs, strict=True)]
        return SegmentationImages(self._folders[0], *stacked)


def _fit(image, label_map, size):
    """(image uint8 [*size, 3], map uint8 [*size])."""
    resized = tf.image.resize(image, size, antialias=True)
    resized = tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
    label_map = tf.image.resize(label_map, size, method="nearest")
    return resized, tf.cast(label_map[..., 0], tf.uint8)


def _files(folder):
    """dict name without suffix -> path."""
    try:
        found = [os.path.splitext(name) for name in os.listdir(folder) if name[0] != "."]
    except OSError as error:
        raise UserError(
            f"{folder} is not a readable folder ({error.strerror}); bind "
            "SegmentationFolder.images and .maps"
        ) from error
    paths = {}
    for stem, kind in sorted(f for f in found if f[1].lower() in _KINDS):
        path = os.path.join(folder, stem + kind)
        if stem in paths:
            raise UserError(f"{paths[stem]} and {path} have the same name; remove one of them")
        paths[stem] = path
    return paths


def _read_pair(image_path, map_path, scales):
    """(uint8 [H, W, 3], upright; uint8 [h, w, 1]) of one shape, though not of one size."""
    image = _read(image_path, lambda path: read_whole(path, scales))
    label_map = _read(map_path, _read_as_it_is)
    if label_map.ndim != 2 or label_map.dtype != np.uint8:
        raise UserError(
            f"{map_path} is not a label map with one 8-bit channel; its pixels must be classes"
        )
    (height, width), (map_height, map_width) = image.shape[:2], label_map.shape
    if abs(height * map_width - width * map_height) > max(height, width, map_height, map_width):
        raise UserError(
            f"{map_path} has {map_width}x{map_height} pixels, but its image, upright, "
            f"{width}x{height}; give it the shape of the image"
        )
    return image, label_map[..., None]


def _read(path, function):
    try:
        return function(path)
    except Exception as error:  # decoders fail in many ways, all with the same fix
        raise UserError(f"{path} cannot be read ({error}); fix or remove it") from error


def _read_as_it_is(path):
    with open_image(path) as image:
        if image.format == "JPEG":
            raise ValueError("a JPEG does not keep classes; save label maps as PNG")
        return np.asarray(image)
