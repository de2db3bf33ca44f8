"""Loaded sets of images, in memory or streamed.

A *source* (`tfds_source.Tfds`, `image_folder.ImageFolder`, `shapes.Shapes`) is a small description
that a gin file binds; its `load` returns an `Images`, which the input pipeline reads.
"""

import dataclasses
import os
import typing

import numpy as np
import tensorflow as tf

from infomin_tf.data import buffers
from infomin_tf.data.facts import Facts, fingerprint
from infomin_tf.errors import UserError


@typing.runtime_checkable
class Source(typing.Protocol):
    """What a gin file binds where images are taken from."""

    def load(self, data_dir=None):
        """Loaded `Images`; `data_dir` is the folder of prepared TFDS sets."""


class Images:
    """A loaded set.

    Attributes:
        name: of the set, such as "stl10:train".
        size: number of images.
        image_shape: (H, W, 3); None where they are made on the fly.
        class_names: of the labels; () when there are none.
        facts: what is known of the images without reading them.
        encoded: function record -> (the image file's bytes, label int32), for use in tf.data, if
            crops may be cut while decoding; None if they may not.
    """

    encoded, facts = None, Facts()

    def raw(self, order, chunk):
        """Infinite tf.data.Dataset of the images of training.

        Each epoch takes the images in an order of its own, each at most once.

        Args:
            order: `Order`; its shards together are the batch of one host.
            chunk: images that come together, a divisor of `order.size`.

        Returns:
            (images uint8 [chunk, H, W, 3], labels int32 [chunk]), chunk after chunk.
        """
        raise NotImplementedError

    def in_order(self, batch_size):
        """tf.data.Dataset of (images, labels), every image once, a smaller batch at the end."""
        raise NotImplementedError

    def thin(self, count):
        """At most `count` images, spread evenly over the set, as a set of their own."""
        raise NotImplementedError

    def hold_out(self, stride):
        """The set without every stride-th image, and a set of those."""
        raise NotImplementedError

    def numbered(self):
        """The same images, each labelled with its place in the set."""
        raise NotImplementedError

    def sample(self, count):
        """uint8 [min(count, M), H, W, 3] spread evenly over the set, always the same.

        None where images are made on the fly.
        """
        raise NotImplementedError

    def known_labels(self):
        """int [M], -1 where there is none; None where only the images tell."""
        return self.facts.labels

    def fingerprints(self):
        """A `facts.fingerprint` of each image; () where they are not known."""
        return self.facts.fingerprints or ()

    def digest_parts(self):
        """Bytes that change with pixels and labels, as far as they are known."""
        found, labels = list(self.fingerprints()), self.known_labels()
        if labels is not None:
            found.append(np.asarray(labels, np.int32).tobytes())
        if self.facts.places:
            found.append(os.path.basename(self.facts.places[0]).encode())
        return found

    def in_batches(self, batch_size, batches):
        """Which images are in this many training batches, in words."""
        drawn, left_out = batch_size * batches, self.size % batch_size
        if drawn <= self.size:
            return f"{drawn} of {self.size} images"
        passes = f"{self.size} images in new views"
        return f"{passes}, {left_out} of them left out of each pass" if left_out else passes


def spread(count, size):
    """min(count, size) places in [0, size), spread evenly: gaps differ by at most 1.

    The first and the last place are among them.
    """
    return np.linspace(0, size - 1, min(count, size)).round().astype(int)


class ArrayImages(Images):
    """Images in memory or, if there are many, in a temporary file, with random access.

    Args:
        name: of the set, such as "stl10:train".
        images: uint8 [M, H, W, 3], a tensor, an array or `buffers.Stored`.
        labels: integers [M], -1 where there is none; None for none at all.
        class_names: of the labels; () when there are none.
    """

    def __init__(self, name, images, labels=None, class_names=()):
        self.name, self.class_names = name, tuple(class_names)
        with tf.device("CPU:0"):
            if not isinstance(images, buffers.Stored):
                # tf.constant alone leaves a tensor on a GPU; each batch would copy it whole.
                images = tf.identity(tf.constant(images, tf.uint8))
            self.images = images
            labels = np.full(len(images), -1) if labels is None else labels
            self.labels = tf.constant(np.asarray(labels), tf.int32)

    @property
    def size(self):
        """Number of images."""
        return self.images.shape[0]

    @property
    def image_shape(self):
        """(H, W, 3)."""
        return tuple(self.images.shape[1:])

    def raw(self, order, chunk):
        """See `Images`."""
        return order.shuffled(self.size, chunk).map(self.gather, tf.data.AUTOTUNE)

    def in_order(self, batch_size):
        """See `Images`."""
        return tf.data.Dataset.range(self.size).batch(batch_size).map(self.gather)

    def known_labels(self):
        """See `Images`."""
        return self.labels.numpy()

    def fingerprints(self):
        """See `Images`; kept, once they are made."""
        if self.facts.fingerprints is None:
            places = range(self.images.shape[0])
            found = [fingerprint(self._rows([place])[0]) for place in places]
            self.facts = dataclasses.replace(self.facts, fingerprints=found)
        return self.facts.fingerprints

    def thin(self, count):
        """See `Images`."""
        return self.part(spread(count, self.size))

    def numbered(self):
        """See `Images`."""
        return ArrayImages(self.name, self.images, np.arange(self.size))

    def between(self, start, stop):
        """The images at places start to stop, which share the memory of these."""
        with tf.device("CPU:0"):
            images, labels = self.images[start:stop], self.labels[start:stop]
        return ArrayImages(self.name, images, labels, self.class_names)

    def hold_out(self, stride):
        """See `Images`; of each class the rest keeps an image."""
        chosen, labels = np.arange(self.size) % stride == 0, self.labels.numpy()
        classes, first = np.unique(labels, return_index=True)
        chosen[first[~np.isin(classes, labels[~chosen])]] = False
        return self.part(np.flatnonzero(~chosen)), self.part(np.flatnonzero(chosen))

    def part(self, places):
        """The images at an array of places, as a set of their own; its facts are not known."""
        stored = isinstance(self.images, buffers.Stored)
        images = self.images[places] if stored else self._rows(places)
        labels = self.labels.numpy()[places]
        return ArrayImages(self.name, images, labels, self.class_names)

    def sample(self, count):
        """See `Images`."""
        return self._rows(spread(count, self.images.shape[0]))

    def gather(self, indices):
        """(images uint8 [B, H, W, 3], labels int32 [B]) at indices int64 [B], for tf.data.

        NumPy gathers: a tensor that tf.data captures is copied when it rewrites the graph.
        """
        images = tf.numpy_function(self._rows, [indices], tf.uint8, stateful=False)
        shape = (*tf.TensorShape(indices.shape), *self.image_shape)
        return tf.ensure_shape(images, shape), tf.gather(self.labels, indices)

    def _rows(self, places):
        return buffers.rows(self.images, places)


class Repeat:
    """Another source whose images come several times per epoch.

    It is meant for a few large images, of which each view sees a small part.

    Args:
        source: of images that fit into memory.
        times: how often each image comes; a batch may hold an image more than once.
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
                f"Repeat needs images in memory and times >= 1, not {images.name} {self._times} "
                "times; raise the source's memory_limit_gib"
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
        """See `ArrayImages`."""
        return super().gather(indices % self.images.shape[0])

    def thin(self, count):
        """See `Images`; each image comes at most once more often than any other."""
        once = self.images.shape[0]
        many = np.arange(min(count, self.size)) % once
        return self.part(many if count > once else spread(count, once))

    def hold_out(self, stride):
        """The set without every stride-th image, and a set of those, each of them once."""
        once = ArrayImages(self.name, self.images, self.labels, self.class_names)
        rest, held = once.hold_out(stride)
        return RepeatedImages(rest, self._times), held

    def numbered(self):
        """Not possible: an image has several places."""
        raise UserError(
            f"a memory bank needs images that come once per epoch, but {self.name} repeats them; "
            "bind InBatch or a queue"
        )
