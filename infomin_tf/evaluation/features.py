"""Features of all images of a set, for probes."""

import functools

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data import pipeline
from infomin_tf.errors import UserError


def check_finite(*sets):
    """Raises UserError for features [M, D] that are not all finite numbers."""
    for values in sets:
        if bad := np.sum(~np.isfinite(values).all(axis=1)):
            raise UserError(
                f"the features of {bad} of {len(values)} images are not finite; the training has "
                "diverged: lower the learning rate and train with another --model_dir"
            )


class Features:
    """What a function gives for images: one view of every image, each set extracted once.

    Args:
        function: such as a `FeatureExtractor`, see `extract`.
        view: function (images uint8, seed) -> views, not random.
    """

    def __init__(self, function, view):
        self.function, self.view, self._known = function, view, {}

    @functools.cached_property
    def compiled(self):
        """The function as a tf.function that is traced once for all sets."""
        return _compiled(self.function)

    def of(self, images):
        """(features float32 [M, D], labels int32 [M]) of loaded images."""
        if id(images) not in self._known:  # kept with the images, or another set could take the id
            self._known[id(images)] = images, extract(self.compiled, images, self.view)
        return self._known[id(images)][1]


def extract(function, images, view, batch_size=256, seed=0):
    """Applies a function to a view of every image once, in order.

    Args:
        function: what `view` gives, such as [b, H, W, 3] in [0, 1] -> features [b, ...]; a
            tf.function is called as it is.
        images: loaded images.
        view: function (images uint8, seed) -> views.
        batch_size: images per call; the last call may have fewer.
        seed: integer, of a view that is random.

    Returns:
        (features float32 [M, D], labels int32 [M]); features of any shape are flattened.
    """
    compiled = _compiled(function)
    features, labels = [], []
    for views, label in pipeline.evaluation_batches(images, batch_size, view, seed):
        output = compiled(views).numpy()
        features.append(output.reshape(len(output), -1).astype(np.float32))
        labels.append(label.numpy())
    return np.concatenate(features), np.concatenate(labels)


def _compiled(function):
    if isinstance(function, tf.types.experimental.PolymorphicFunction):
        return function
    return graphs.compiled(function, reduce_retracing=True)
