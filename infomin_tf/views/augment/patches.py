"""Patches at a random place, in pairs of a fixed offset."""

import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.views.augment.transform import Crop


class RandomPatch(Crop):
    """Places of patches of whole pixels, not resized, uniform over those where the partner fits as well.

    Args:
        size: p, side of the patch in pixels.
        distance: how far down and to the right the partner lies, in pixels.
        min_std: a patch and its partner of less contrast are drawn anew: the least standard deviation of their pixels,
            in [0, 1]; 0 takes every place.
        tries: places that are drawn for it; when none will do, the one of most contrast is taken.
    """

    def __init__(self, size=64, distance=128, min_std=0.0, tries=8):
        if size < 1 or distance < 0 or tries < 1 or not 0.0 <= min_std < 0.5:
            raise ValueError(
                "RandomPatch takes size >= 1, distance >= 0, tries >= 1 and min_std in [0, 0.5), not "
                f"{size}, {distance}, {tries} and {min_std}"
            )
        self.size, self.distance = size, distance
        self.min_std, self.tries = min_std, tries if min_std else 1

    def draw(self, num_images, seed):
        """place, float32 [B, tries, 2] in [0, 1): y and x as a share of the free way."""
        return {"place": tf.random.stateless_uniform([num_images, self.tries, 2], seed)}

    def corner(self, images, draws):
        """int32 [B, 2]: top and left of the patch (not of its partner) in images [B, H, W, C].

        Raises:
            UserError: the images are too small.
        """
        height, width = images.shape[1:3]
        needed = self.size + self.distance
        if needed > min(height, width):
            raise UserError(
                f"patches of {self.size} px at a distance of {self.distance} px need images of at least {needed} px, but these "
                f"are {height}x{width}; use larger images, or a smaller distance"
            )
        free = tf.constant([height - needed + 1, width - needed + 1], tf.float32)
        corners = tf.cast(draws["place"] * free, tf.int32)  # [B, tries, 2]
        return corners[:, 0] if self.tries == 1 else self._with_contrast(images, corners)

    def apply(self, images, draws):
        """The first patches of the pairs, float32 [B, p, p, C]."""
        return self.cut(images, self.corner(images, draws))

    def cut(self, images, corner):
        """Patches float32 [B, p, p, C] of images [B, H, W, C] at corners int32 [B, 2]."""
        places = corner[:, None] + tf.range(self.size)[:, None]  # [B, p, 2]
        rows = tf.gather(images, places[..., 0], batch_dims=1)
        return tf.cast(tf.gather(rows, places[..., 1], axis=2, batch_dims=1), tf.float32)

    def _with_contrast(self, images, corners):
        """int32 [B, 2]: of each image the first corner with contrast enough."""
        contrast = tf.stack(
            [
                tf.minimum(
                    self._contrast(images, corner), self._contrast(images, corner + self.distance)
                )
                for corner in tf.unstack(corners, axis=1)
            ],
            axis=1,
        )
        # Enough is better than any contrast; of several that have enough, argmax takes the first.
        worth = tf.where(contrast >= self.min_std, 1.0, contrast)
        return tf.gather(corners, tf.argmax(worth, axis=1), batch_dims=1)

    def _contrast(self, images, corner):
        return tf.math.reduce_std(self.cut(images, corner) / 255.0, axis=(1, 2, 3))
