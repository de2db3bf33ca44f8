"""What turns images into the random views of a step: families of augmentations, pairs of views."""

import tensorflow as tf

from infomin_tf.data import pipeline
from infomin_tf.errors import UserError


class Sampler:
    """Views in two steps, so that one draw serves the host, a device and a slice of a batch alike.

    Attributes:
        size: side of the views in pixels.
        on_device: whether batches hold images and draws, of which the learner makes views.
        is_adapted: whether nothing is left to measure in the data.
    """

    size, on_device, is_adapted = 64, False, True

    def draw(self, num_images, seed):
        """The drawn parameters, nested tensors [B, ...], by seed int32 [2]."""
        raise NotImplementedError

    def apply(self, images, draws):
        """Views, float32 [B, size, size, 3] in [0, 1], one or several, of uint8 [B, H, W, 3]."""
        raise NotImplementedError

    def check(self, images):
        """Raises UserError unless views of these `Images` can be made; reads none."""
        if images.image_shape is None:
            raise UserError(
                f"{type(self).__name__} needs images, but {images.name} are sequences that are "
                "made on the fly; bind FactorPair and the stages for sequences, or other images"
            )
        self.cuts_files(images)

    def cuts_files(self, images):
        """Whether crops are cut while files are decoded; UserError where that cannot be."""
        return False

    def adapt(self, images):
        """Takes from images uint8 [M, H, W, 3] of the data what it measures."""

    def batches(self, images, order):
        """See `pipeline.training_batches`."""
        return pipeline.training_batches(images, order, self)

    def __call__(self, images, seed):
        """Random views of each image."""
        return self.apply(images, self.draw(images.shape[0] or tf.shape(images)[0], seed))
