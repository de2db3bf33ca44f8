"""Streamed images that can be read at any place: files of a folder, records of ArrayRecord."""

import dataclasses

import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.streams import StreamedImages

_CHUNK = 256
"""The most records that are fetched together."""


@dataclasses.dataclass(kw_only=True)
class IndexedImages(StreamedImages):
    """Images of which each is read where it is wanted, and nothing else.

    The order of an epoch is a permutation of the whole set that takes no memory
    (`Order.shuffled`). A worker reads its own share, and a resumed training begins at its step.

    Args:
        fetch: function places int64 [N] -> dict of tensors [N, ...], for use in tf.data.
    """

    fetch: callable

    @graphs.without_autograph
    def records_in(self, order):
        """See `StreamedImages`."""
        chunk = max(n for n in range(1, min(order.size, _CHUNK) + 1) if order.size % n == 0)
        return self._fetched(order.shuffled(self.size, chunk))

    @graphs.without_autograph
    def records_between(self, start, stop):
        """See `StreamedImages`."""
        return self._fetched(tf.data.Dataset.range(start, stop).batch(_CHUNK))

    @graphs.without_autograph
    def records_at(self, chosen):
        """See `StreamedImages`."""
        places = tf.constant(chosen, tf.int64)
        return self._fetched(tf.data.Dataset.from_tensor_slices(places).batch(_CHUNK))

    def _fetched(self, places):
        """Records one by one, from a tf.data.Dataset of places int64 [n]."""
        return places.map(self._fetch, tf.data.AUTOTUNE).unbatch()

    def _fetch(self, places):
        looked_up = places
        if self.places is not None:
            looked_up = tf.numpy_function(self._look_up, [places], tf.int64, stateful=False)
            looked_up = tf.ensure_shape(looked_up, places.shape)
        return {"place": places} | self.fetch(looked_up)

    def _look_up(self, places):
        return self.places[places]
