"""The JigSaw view of PIRL (arXiv:1912.01991), as its code cuts it: patches of one large crop."""

import tensorflow as tf

from infomin_tf.settings import COUNT, check
from infomin_tf.views.augment.common import split_seed
from infomin_tf.views.augment.crop import RandomResizedCrop


class JigsawPatches:
    """RandomResizedCrop -> flip -> a grid of cells -> a random crop of each -> a random order.

    (The authors' code puts the embeddings of the patches into a random order, which is the same.)

    Args:
        size: side of the crop in pixels (255 for views of 224 px).
        area: (low, high), share of the image area.
        grid: cells per side.
        patch: side of a patch in pixels, at most size // grid.
    """

    def __init__(self, size=255, area=(0.6, 1.0), grid=3, patch=64):
        check(self, COUNT, size=size, grid=grid, patch=patch)
        if patch > size // grid:
            raise ValueError(
                f"a patch of {patch} px does not fit a cell of {size // grid} px; "
                "make patch smaller or size larger"
            )
        self.size, self.grid, self.patch = size, grid, patch
        self.crop = RandomResizedCrop(size, area)

    @property
    def num_patches(self):
        """Patches of one image."""
        return self.grid**2

    def draw(self, num_images, seed):
        """What the crop draws; int32 offsets [B, grid * grid, 2] and order [B, grid * grid]."""
        seeds = split_seed(seed, 3)
        room = self.size // self.grid - self.patch + 1
        shape = [num_images, self.num_patches, 2]
        offsets = tf.random.stateless_uniform(shape, seeds[1], 0, room, tf.int32)
        order = tf.argsort(tf.random.stateless_uniform(shape[:2], seeds[2]))
        return self.crop.draw(num_images, seeds[0]), {"offsets": offsets, "order": order}

    def apply(self, images, draws, dense=False):
        """Patches, float32 [B, grid * grid, patch, patch, 3] in [0, 1], of uint8 [B, H, W, 3].

        `dense`, as of `Family`, makes no difference here.
        """
        return self.finish(self.crop.apply(images, draws[0]), draws, dense)

    def finish(self, crops, draws, dense=False):
        """Patches of crops, float32 [B, size, size, 3] in [0, 255]."""
        cell = self.size // self.grid
        corners = [(cell * i, cell * j) for i in range(self.grid) for j in range(self.grid)]
        places = draws[1]["offsets"] + tf.constant(corners)
        places = tf.gather(places, draws[1]["order"], batch_dims=1)
        rows, columns = (places[..., i : i + 1] + tf.range(self.patch) for i in (0, 1))
        bands = tf.gather(crops * (1.0 / 255.0), rows, batch_dims=1)  # [B, patches, patch, size, 3]
        return tf.gather(bands, columns, axis=3, batch_dims=2)
