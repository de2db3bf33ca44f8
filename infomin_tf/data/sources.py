"""Loaded sets of images, in memory or streamed.

A *source* (`tfds_source.Tfds`, `image_folder.ImageFolder`, `shapes.Shapes`) is a small description that a gin file
binds; its `load` returns one of the classes here, which the input pipeline reads.
"""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError


@typing.runtime_checkable
class Source(typing.Protocol):
    """What a gin file binds where images are taken from."""

    def load(self, data_dir=None):
        """Loaded images; `data_dir` is the folder of prepared TFDS sets."""


def spread(count, size):
    """min(count, size) places in [0, size), spread evenly: the first and the last among them, gaps that differ by at most 1."""
    return np.linspace(0, size - 1, min(count, size)).round().astype(int)


class ArrayImages:
    """Images in memory, with random access.

    Args:
        name: of the set, such as "stl10:train".
        images: uint8 [M, H, W, 3].
        labels: integers [M], -1 where there is none.
        class_names: of the labels; () when there are none.
        factors: of rendered images, a dict name -> int [M].
    """

    facts = None  # `inspection.Facts`, where a source has some

    def __init__(self, name, images, labels, class_names=(), factors=None):
        self.name, self.class_names = name, tuple(class_names)
        self.factors = factors or {}
        with tf.device("CPU:0"):  # tf.data captures these tensors; they are not copied into a graph
            self.images = tf.constant(images, tf.uint8)
            self.labels = tf.constant(np.asarray(labels), tf.int32)

    @property
    def size(self):
        """Number of images."""
        return self.images.shape[0]

    @property
    def image_shape(self):
        """(H, W, 3)."""
        return tuple(self.images.shape[1:])

    def thin(self, count):
        """At most `count` images, spread evenly over the set, as a set of their own."""
        chosen = spread(count, self.size)
        factors = {name: values[chosen] for name, values in self.factors.items()}
        images, labels = self.gather(chosen)
        return ArrayImages(self.name, images, labels, self.class_names, factors)

    def numbered(self):
        """The same images, each labelled with its place in the set."""
        return ArrayImages(self.name, self.images, np.arange(self.size))

    def hold_out(self, stride):
        """The set without every stride-th image, and a set of those; of each class the rest keeps an image."""
        chosen, labels = np.arange(self.size) % stride == 0, self.labels.numpy()
        classes, first = np.unique(labels, return_index=True)
        chosen[first[~np.isin(classes, labels[~chosen])]] = False
        parts = [np.flatnonzero(which) for which in (~chosen, chosen)]
        return tuple(
            ArrayImages(self.name, *self.gather(places), self.class_names) for places in parts
        )

    def sample(self, count):
        """uint8 [min(count, M), H, W, 3] spread evenly over the set, always the same."""
        return tf.gather(self.images, spread(count, self.images.shape[0])).numpy()

    glance = sample

    def gather(self, indices):
        """(images uint8 [B, H, W, 3], labels int32 [B]) at int64 indices [B]; for use in tf.data."""
        return tf.gather(self.images, indices), tf.gather(self.labels, indices)


class Repeat:
    """Another source whose images come several times an epoch, for few large images of which views see small parts.

    Args:
        source: of images that fit into memory.
        times: how often; a batch may hold an image more than once.
    """

    def __init__(self, source: Source, times: int):
        self._source, self._times = source, times

    def load(self, data_dir=None):
        """A `RepeatedImages`.

        Raises:
            UserError: the images are streamed, or `times` is below 1.
        """
        images = self._source.load(data_dir)
        if not isinstance(images, ArrayImages) or self._times < 1:
            raise UserError(
                f"Repeat takes images in memory and times >= 1, not {images.name} {self._times} times; raise the source's "
                "memory_limit_gib"
            )
        return RepeatedImages(images, self._times)


class RepeatedImages(ArrayImages):
    """Images in memory that come several times; held once.

    Args:
        images: `ArrayImages`.
        times: how often.
    """

    def __init__(self, images, times):
        super().__init__(
            f"{images.name} x {times}", images.images, images.labels, images.class_names
        )
        self._times = times

    @property
    def size(self):
        """Number of images, repetitions counted."""
        return self.images.shape[0] * self._times

    def gather(self, indices):
        """(images uint8 [B, H, W, 3], labels int32 [B]) at int64 indices [B]; for use in tf.data."""
        return super().gather(indices % self.images.shape[0])

    def thin(self, count):
        """At most `count` images, none oftener than another by more than one, as a set of their own."""
        once = self.images.shape[0]
        places = np.arange(min(count, self.size)) % once if count > once else spread(count, once)
        return ArrayImages(self.name, *self.gather(places), self.class_names)

    def hold_out(self, stride):
        """The set without every stride-th image, and a set of those, each of them once."""
        once = ArrayImages(self.name, self.images, self.labels, self.class_names)
        rest, held = once.hold_out(stride)
        return RepeatedImages(rest, self._times), held

    def numbered(self):
        """Not possible: an image has several places."""
        raise UserError(
            f"a memory bank needs images that come once, but {self.name} repeats them; bind negatives.InBatch or a queue"
        )


@dataclasses.dataclass
class StreamedImages:
    """Images that do not fit into memory: cheap records in a fixed order, and how to decode one.

    Args:
        name: of the set.
        size: number of images.
        image_shape: (H, W, 3) after decoding.
        class_names: of the labels; () when there are none.
        records: function -> tf.data.Dataset of records in a fixed order.
        decode: function record -> (image uint8 [H, W, 3], label int32), for use in tf.data.
        shuffle_buffer: records that are shuffled together.
        encoded: function record -> (the image file's bytes, label int32), for use in tf.data, where crops may be cut
            while decoding; None where `decode` does more than that.
        facts: `inspection.Facts`; None where the source has none.
    """

    name: str
    size: int
    image_shape: tuple
    class_names: tuple
    records: callable
    decode: callable
    shuffle_buffer: int = 50_000
    encoded: callable = None
    facts: typing.Any = None

    def numbered(self):
        """The same images, each labelled with its place in the set."""

        def relabel(function):
            def image_and_number(item):
                return function(item["record"])[0], tf.cast(item["number"], tf.int32)

            return function and image_and_number

        def numbered_records():
            numbers = tf.data.Dataset.range(self.size)
            return tf.data.Dataset.zip({"number": numbers, "record": self.records()})

        return dataclasses.replace(
            self,
            class_names=(),
            records=numbered_records,
            decode=relabel(self.decode),
            encoded=relabel(self.encoded),
        )

    def thin(self, count):
        """At most `count` images, spread evenly over the set, as a set of their own."""
        chosen = spread(count, self.size)
        return self._part(len(chosen), lambda: self._records_at(chosen))

    def hold_out(self, stride):
        """The set without every stride-th image, and a set of those."""
        held = -(-self.size // stride)

        def records_where(is_held):
            places = self.records().enumerate()
            kept = places.filter(lambda place, _: (place % stride == 0) == is_held)
            return kept.map(lambda _, record: record)

        rest = self._part(self.size - held, lambda: records_where(False))
        return rest, self._part(held, lambda: records_where(True))

    def _part(self, size, records):
        return dataclasses.replace(self, size=size, records=records, facts=None)

    def sample(self, count):
        """uint8 [min(count, M), H, W, 3] spread evenly over the first `shuffle_buffer` images, always the same.

        A set that is larger is read in the order of its files, so its end would cost reading it whole.
        """
        chosen = spread(count, min(self.size, self.shuffle_buffer))
        images = self._records_at(chosen).map(self.decode, tf.data.AUTOTUNE).batch(len(chosen))
        return next(iter(images))[0].numpy()

    def glance(self, count):
        """uint8 [min(count, M), H, W, 3], the first ones, where a sample would cost reading too much."""
        return next(iter(self.records().map(self.decode, tf.data.AUTOTUNE).batch(count)))[0].numpy()

    def _records_at(self, chosen):
        """Records at rising places, int [N]; the rest of the set is not read."""
        is_chosen = np.zeros(chosen[-1] + 1, bool)
        is_chosen[chosen] = True
        places = self.records().take(len(is_chosen)).enumerate()
        kept = places.filter(lambda place, _: tf.gather(is_chosen, place))
        return kept.map(lambda _, record: record)
