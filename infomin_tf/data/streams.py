"""Images that are read from disk each time."""

import dataclasses

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.facts import Facts
from infomin_tf.data.images import Images, spread


@dataclasses.dataclass(kw_only=True)
class StreamedImages(Images):
    """Images that do not fit into memory: cheap records in a fixed order, and how to decode one.

    A record is a dict of what a subclass reads of an image, and of its `place` in the set, int64.

    Args:
        name: of the set.
        size: number of images.
        image_shape: (H, W, 3) after decoding.
        class_names: of the labels; () when there are none.
        decode: function record -> (image uint8 [H, W, 3], label int32), for use in tf.data.
        encoded: function record -> (the image file's bytes, label int32), for use in tf.data, where
            crops may be cut while decoding; None where `decode` does more than that.
        facts: see `Images`.
        places: rising int64 [M], where the images are among those that are read from; None where
            they are all of them.
    """

    name: str
    size: int
    image_shape: tuple
    class_names: tuple
    decode: callable
    encoded: callable = None
    facts: Facts = Facts()
    places: np.ndarray | None = None

    def records_in(self, order):
        """Infinite tf.data.Dataset of the records of an `Order`, from its first step on.

        Each epoch has an order of its own; an image occurs at most once in it.
        """
        raise NotImplementedError

    def records_between(self, start, stop):
        """Records at places start to stop, without reading all those before."""
        raise NotImplementedError

    def records_at(self, chosen):
        """Records at rising places, int64 [N]."""
        raise NotImplementedError

    def records(self):
        """All records."""
        return self.records_between(0, self.size)

    @graphs.without_autograph
    def raw(self, order, chunk):
        """See `Images`."""
        decoded = self.records_in(order).map(self.decode, tf.data.AUTOTUNE)
        return decoded.batch(chunk, drop_remainder=True)

    def in_order(self, batch_size):
        """See `Images`."""
        return self.records().map(self.decode, tf.data.AUTOTUNE).batch(batch_size)

    def numbered(self):
        """See `Images`."""

        def relabel(function):
            def image_and_place(record):
                return function(record)[0], tf.cast(record["place"], tf.int32)

            return function and image_and_place

        decode, encoded = relabel(self.decode), relabel(self.encoded)
        return dataclasses.replace(self, class_names=(), decode=decode, encoded=encoded)

    def thin(self, count):
        """See `Images`."""
        return self._part(spread(count, self.size))

    def hold_out(self, stride):
        """See `Images`."""
        held = np.arange(self.size) % stride == 0
        return self._part(np.flatnonzero(~held)), self._part(np.flatnonzero(held))

    def _part(self, chosen):
        places = np.asarray(chosen, np.int64) if self.places is None else self.places[chosen]
        return dataclasses.replace(self, size=len(chosen), places=places, facts=Facts())

    def sample(self, count):
        """See `Images`."""
        records = self._records_of_sample(min(count, self.size))
        images = records.map(self.decode, tf.data.AUTOTUNE).batch(min(count, self.size))
        return next(iter(images))[0].numpy()

    def _records_of_sample(self, count):
        return self.records_at(spread(count, self.size))
