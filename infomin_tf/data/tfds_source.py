"""Any image data set of TensorFlow Datasets."""

import dataclasses
import math

import tensorflow as tf
import tensorflow_datasets as tfds

from infomin_tf.data import tfds_records
from infomin_tf.data.facts import Facts
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.records import damage_explained, fit_square, load_decoded
from infomin_tf.data.tfds_opening import open_builder
from infomin_tf.data.tfds_splits import find_parts
from infomin_tf.errors import UserError


@dataclasses.dataclass
class Tfds:
    """A split of a TFDS data set with images and, if there are labels, a `ClassLabel` of each.

    Their features are called `image` and `label`. Images are 8-bit, in colour or grey; a `label` of
    another type is not used.

    Args:
        name: TFDS name, such as "stl10", "cifar10" or "imagenet2012".
        split: split expression, such as "train+unlabelled" or "train[:10%]"
            (https://www.tensorflow.org/datasets/splits).
        version: TFDS version; None for the newest.
        image_size: side in pixels; images are resized by their shorter side and cut to a square.
            None when all images have one size already.
        memory_limit_gib: sets that are larger than this when decoded are streamed instead of held
            in memory.
    """

    name: str
    split: str
    version: str | None = None
    image_size: int | None = None
    memory_limit_gib: float = 4.0

    def __post_init__(self):
        if self.image_size is not None and self.image_size < 1:
            raise UserError(
                f"Tfds.image_size must be at least 1 pixel, not {self.image_size}; fix it"
            )

    def load(self, data_dir=None):
        """Opens the set.

        Args:
            data_dir: folder of prepared data sets; None for TFDS's own, with download.

        Returns:
            `ArrayImages`, or `StreamedImages` beyond the memory limit.

        Raises:
            UserError: the set, version or split does not exist, or can be neither found nor
                downloaded; images of varying sizes without image_size; images that are not 8-bit
                colour or grey; damaged files.
        """
        builder = open_builder(self.name, self.version, data_dir)
        parts = find_parts(builder, self.name, self.split)
        self._check_features(builder.info.features)
        with damage_explained(builder):
            images = self._open(builder, parts)
            if images.size * math.prod(images.image_shape) <= self.memory_limit_gib * 2**30:
                return self._hold(images)
        if not self.image_size and None in builder.info.features["image"].shape[:2]:
            side = images.image_shape[0]
            raise UserError(
                f"the images of {images.name} may vary in size, and there are too many to check "
                f"them all first; bind Tfds.image_size (the first image is {side}x{side})"
            )
        return images

    def _open(self, builder, parts):
        """`StreamedImages`, decoded again each time."""
        side = self.image_size
        images = tfds_records.streamed(
            builder,
            parts,
            name=f"{self.name}:{self.split}",
            image_shape=(side, side, 3),
            class_names=_label_names(builder),
            decode=self._decoder(builder, side),
            encoded=lambda record: _image_and_label(builder, record),
            facts=Facts(places=(str(builder.data_dir), parts)),
        )
        if not side:
            side = self._side_of_first(builder, images)
            decode = self._decoder(builder, side)
            images = dataclasses.replace(images, image_shape=(side, side, 3), decode=decode)
        return images

    def _hold(self, streamed):
        """`ArrayImages`, decoded once."""
        side = streamed.image_shape[0]
        try:
            pixels, labels = load_decoded(streamed.records(), streamed.decode, streamed.size)
        except tf.errors.InvalidArgumentError as error:
            if tfds_records.UNREADABLE in error.message:
                raise
            raise UserError(
                f"the images of {streamed.name} have varying sizes, not all {side}x{side}, or are "
                f"damaged; bind Tfds.image_size ({error.message.splitlines()[0]})"
            ) from error
        images = ArrayImages(streamed.name, pixels, labels, streamed.class_names)
        images.facts = streamed.facts
        return images

    def _decoder(self, builder, side):
        """A function record -> (image uint8 [side, side, 3], label)."""
        feature = builder.info.features["image"]

        def decode(record):
            file, label = _image_and_label(builder, record)
            image = feature.decode_example(file)
            if image.shape[-1] == 1:
                image = tf.repeat(image, 3, axis=-1)
            if self.image_size:
                image = fit_square(image, side)
            return tf.ensure_shape(image, (side, side, 3)), label

        return decode

    def _check_features(self, features):
        if "image" not in features:
            raise UserError(
                f"{self.name} has no feature 'image', only {', '.join(features)}; choose another "
                "set"
            )
        channels = features["image"].shape[-1]
        kind = tf.as_dtype(features["image"].np_dtype).name
        if kind != "uint8" or channels not in (None, 1, 3):
            raise UserError(
                f"images of {self.name} are {kind} with {channels} channels; choose a set of "
                "uint8 images with 1 or 3 channels"
            )

    def _side_of_first(self, builder, images):
        decode = builder.info.features["image"].decode_example
        first = images.records_between(0, 1)
        first = first.map(lambda record: decode(_image_and_label(builder, record)[0]))
        height, width = next(iter(first)).shape[:2]
        if height != width:
            raise UserError(
                f"images of {self.name} are {height}x{width}, not square; bind Tfds.image_size"
            )
        return height


def _label_names(builder):
    """Names of the classes; none when there are no `ClassLabel` labels."""
    features = builder.info.features
    labelled = "label" in features and isinstance(features["label"], tfds.features.ClassLabel)
    return tuple(features["label"].names) if labelled else ()


def _image_and_label(builder, record):
    """(the image file's bytes, int32 label, -1 when there is none) of a record."""
    decoders = {"image": tfds.decode.SkipDecoding()}
    example = builder.info.features.deserialize_example(record["example"], decoders=decoders)
    return example["image"], tf.cast(example["label"] if _label_names(builder) else -1, tf.int32)
