"""An augmentation and a data set of your own: a class of a dozen lines each, in Python and gin.

    python examples/own_augmentation.py

writes views.png. In a gin file next to this one:

    import own_augmentation
    Data.unlabelled = @own_augmentation.Stripes()
    IndependentPair.sampler = @Family()
    Family.crop = @RandomResizedCrop()
    Family.operations = (@own_augmentation.Sepia(),)
"""

import numpy as np
import tensorflow as tf

from infomin_tf.data.images import ArrayImages
from infomin_tf.views import pairs, picture
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.transform import Transform
from infomin_tf.views.families import Family

_SEPIA = tf.constant([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


class Sepia(Transform):
    """Tones an image like an old photograph, each with its own strength."""

    def __init__(self, strongest=1.0):
        self.strongest = strongest

    def draw(self, num_images, seed):
        """The strength of each image."""
        return {"strength": tf.random.stateless_uniform([num_images], seed, 0.0, self.strongest)}

    def apply(self, images, draws):
        """Images, toned."""
        toned = tf.minimum(tf.linalg.matvec(_SEPIA, images), 255.0)
        return images + draws["strength"][:, None, None, None] * (toned - images)


class Stripes:
    """A data set of your own: whatever makes an array of images, and labels if there are some."""

    def load(self, data_dir=None):
        """Two hundred images of stripes, upright or level."""
        labels = np.arange(200) % 2
        waves = 127 + 120 * np.sin(np.arange(48) / np.linspace(1, 4, 200)[:, None])  # [200, 48]
        upright = np.repeat(waves[:, None, :, None], 48, axis=1)  # [200, 48, 48, 1]
        images = np.where(labels[:, None, None, None] == 0, upright, upright.swapaxes(1, 2))
        colors = np.random.default_rng(0).uniform(0.3, 1.0, (200, 1, 1, 3))
        return ArrayImages("stripes", np.uint8(images * colors), labels, ("upright", "level"))


def main():
    """Draws some stripes and their views."""
    family = Family(RandomResizedCrop(48), (Sepia(),))
    pair = pairs.IndependentPair(family)
    picture.save("views.png", [pair.picture(Stripes().load(), 0)])


if __name__ == "__main__":
    main()
