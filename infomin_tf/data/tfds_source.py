"""Any image data set of TensorFlow Datasets."""

import dataclasses

import tensorflow as tf
import tensorflow_datasets as tfds

from infomin_tf import graphs
from infomin_tf.data.facts import Facts
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.records import damage_explained, fit_square, load_decoded
from infomin_tf.data.streams import StreamedImages
from infomin_tf.data.tfds_opening import open_builder
from infomin_tf.data.tfds_splits import expression, find_parts
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
        size = sum(stop - start for _, start, stop in parts)
        self._check_features(builder.info.features)
        with damage_explained(builder):
            side = self.image_size or self._side_of_first(builder)
            if size * side * side * 3 > self.memory_limit_gib * 2**30:
                images = self._stream(builder, parts, size, side)
            else:
                images = self._hold(builder, size, side)
        images.facts = Facts(places=(str(builder.data_dir), parts))
        return images

    def _stream(self, builder, parts, size, side):
        """`StreamedImages`, decoded again each time."""
        name = f"{self.name}:{self.split}"
        if not self.image_size and None in builder.info.features["image"].shape[:2]:
            raise UserError(
                f"the images of {name} may vary in size, and there are too many to check them all "
                f"first; bind Tfds.image_size (the first image is {side}x{side})"
            )
        return StreamedImages(
            *(name, size, (side, side, 3), _label_names(builder)),
            lambda: _records(builder, self.split),
            self._decoder(builder, side),
            encoded=lambda record: (record["image"], _label(builder, record)),
            records_between=lambda *places: _records(builder, expression(parts, *places)),
        )

    def _hold(self, builder, size, side):
        """`ArrayImages`, decoded once."""
        name = f"{self.name}:{self.split}"
        records, decode = _records(builder, self.split), self._decoder(builder, side)
        try:
            images, labels = load_decoded(records, decode, size)
        except tf.errors.InvalidArgumentError as error:
            raise UserError(
                f"the images of {name} have varying sizes, not all {side}x{side}, or are damaged; "
                f"bind Tfds.image_size ({error.message.splitlines()[0]})"
            ) from error
        return ArrayImages(name, images, labels, _label_names(builder))

    def _decoder(self, builder, side):
        """A function record -> (image uint8 [side, side, 3], label)."""
        feature = builder.info.features["image"]

        def decode(record):
            image = feature.decode_example(record["image"])
            if image.shape[-1] == 1:
                image = tf.repeat(image, 3, axis=-1)
            if self.image_size:
                image = fit_square(image, side)
            return tf.ensure_shape(image, (side, side, 3)), _label(builder, record)

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

    def _side_of_first(self, builder):
        example = next(iter(builder.as_dataset(self.split, shuffle_files=False).take(1)))
        height, width = example["image"].shape[:2]
        if height != width:
            raise UserError(
                f"images of {self.name} are {height}x{width}, not square; bind Tfds.image_size"
            )
        return height


@graphs.without_autograph
def _records(builder, split):
    """The records of a split in their order on disk, images still encoded."""
    return builder.as_dataset(
        split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
        decoders={"image": tfds.decode.SkipDecoding()},
    )


def _label_names(builder):
    """Names of the classes; none when there are no `ClassLabel` labels."""
    features = builder.info.features
    labelled = "label" in features and isinstance(features["label"], tfds.features.ClassLabel)
    return tuple(features["label"].names) if labelled else ()


def _label(builder, record):
    """int32 label of a record; -1 when there is none."""
    return tf.cast(record["label"] if _label_names(builder) else -1, tf.int32)
