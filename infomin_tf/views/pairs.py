"""Sampling, the half of a view that is random: what turns a batch of images into the views of a step.

Each class is a function object f(images uint8 [B, H, W, 3], seed int32 [2]) -> float32 views in [0, 1], given to the
input pipeline.
"""

import tensorflow as tf

from infomin_tf.views import augment


class CropAndFlip:
    """RandomResizedCrop, then a horizontal flip with probability 0.5.

    Args:
        size: side of the view in pixels.
        area: (low, high), share of the image area (c of section 3.4 is the low end).
        ratio: (low, high) of width / height.
    """

    def __init__(self, size=64, area=(0.2, 1.0), ratio=(3 / 4, 4 / 3)):
        self.size, self.area, self.ratio = size, area, ratio

    def __call__(self, images, seed):
        """A view of each image, float32 [B, size, size, 3] in [0, 1]."""
        seeds = augment.split_seed(seed, 2)
        crops = augment.random_resized_crop(images, seeds[0], self.size, self.area, self.ratio)
        return augment.random_flip(crops, seeds[1]) / 255.0


class ShiftAndFlip:
    """A shift of up to 4 pixels with reflection (probability 0.8), a flip, then a resize: for small images (CIFAR-10).

    Args:
        size: side of the view in pixels.
        pixels: the largest shift.
    """

    def __init__(self, size=32, pixels=4):
        self.size, self.pixels = size, pixels

    def __call__(self, images, seed):
        """A view of each image, float32 [B, size, size, 3] in [0, 1]."""
        seeds = augment.split_seed(seed, 2)
        flipped = augment.random_flip(images, seeds[0])
        shifted = augment.random_shift(flipped, seeds[1], self.pixels)
        return tf.image.resize(shifted, [self.size, self.size], antialias=True) / 255.0


class CenterCrop:
    """The test view: resize to a square, centre crop; not random.

    Args:
        resize: side in pixels after resizing.
        size: side of the view in pixels.
    """

    def __init__(self, resize=70, size=64):
        if size > resize:
            raise ValueError(
                f"CenterCrop cannot cut {size} px out of {resize} px; make size <= resize"
            )
        self.resize, self.size = resize, size

    def __call__(self, images, seed=None):
        """A view of each image, float32 [B, size, size, 3] in [0, 1]."""
        del seed
        return augment.resize_and_center_crop(images, self.resize, self.size) / 255.0


class IndependentPair:
    """v1 = t1(X), v2 = t2(X): one sampler applied twice with independent draws (section 3.4, InstDis and MoCo).

    Args:
        sampler: one of the function objects above.
    """

    def __init__(self, sampler):
        self.sampler = sampler
        self.size = sampler.size

    def __call__(self, images, seed):
        """Two views of each image: a tuple of float32 [B, size, size, 3] in [0, 1]."""
        seeds = augment.split_seed(seed, 2)
        return self.sampler(images, seeds[0]), self.sampler(images, seeds[1])
