"""Patches at a random place, in pairs of a fixed offset."""

import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.settings import COUNT, FROM_ZERO, Range, check
from infomin_tf.views.augment.transform import Crop

_BELOW_HALF = Range("a number of at least 0 and below 0.5", lambda value: 0 <= value < 0.5)


class RandomPatch(Crop):
    """Patches of whole pixels, not resized, uniform over the places where the partner fits as well.

    Args:
        size: p, side of the patch in pixels.
        distance: how far down and to the right the partner lies, in pixels.
        min_std: least standard deviation of the pixels, in [0, 1], of a patch and of its partner;
            patches of less contrast are drawn again; 0 accepts every place.
        tries: places that are drawn to find one; if none has enough contrast, the one with the most
            is taken.
    """

    def __init__(self, size=64, distance=128, min_std=0.0, tries=8):
        check(self, COUNT, size=size, tries=tries)
        check(self, FROM_ZERO, distance=distance)
        check(self, _BELOW_HALF, min_std=min_std)
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
                f"patches of {self.size} px at a distance of {self.distance} px need images of at "
                f"least {needed} px, but these are {height}x{width}; "
                "use larger images, or a smaller distance"
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

        def contrast_at(corner):
            return tf.math.reduce_std(self.cut(images, corner) / 255.0, axis=(1, 2, 3))

        pairs = [(corner, corner + self.distance) for corner in tf.unstack(corners, axis=1)]
        contrast = tf.stack([tf.minimum(*map(contrast_at, pair)) for pair in pairs], axis=1)
        # Enough is better than any contrast; of several that have enough, argmax takes the first.
        worth = tf.where(contrast >= self.min_std, 1.0, contrast)
        return tf.gather(corners, tf.argmax(worth, axis=1), batch_dims=1)
