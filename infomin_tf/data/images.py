"""Loaded sets of images, in memory or streamed.

A *source* (`tfds_source.Tfds`, `image_folder.ImageFolder`, `shapes.Shapes`) is a small description that a gin file
binds; its `load` returns one of the classes here, which the input pipeline reads.
"""

import typing

import numpy as np
import tensorflow as tf

from infomin_tf.data.streams import StreamedImages as StreamedImages
from infomin_tf.data.streams import spread
from infomin_tf.errors import UserError


@typing.runtime_checkable
class Source(typing.Protocol):
    """What a gin file binds where images are taken from."""

    def load(self, data_dir=None):
        """Loaded images; `data_dir` is the folder of prepared TFDS sets."""


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

    def gather(self, indices):
        """(images uint8 [B, H, W, 3], labels int32 [B]) at int64 indices [B]; for use in tf.data."""
        return tf.gather(self.images, indices), tf.gather(self.labels, indices)


class Repeat:
    """Another source whose images come several times per epoch, for few large images of which views see small parts.

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
            f"a memory bank needs images that come once, but {self.name} repeats them; bind InBatch or a queue"
        )
