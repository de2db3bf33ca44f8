"""Augmentation families: what changes how much two views share (section 3.4, C.1; Table 1).

A family is a crop, then photometric operations in order. The functions below build those of the
paper's Table 1 with their strength knobs; sizes are in pixels, areas are shares of the image (c of
section 3.4 is the low end).
"""

import tensorflow as tf

from infomin_tf.views.augment import jpeg
from infomin_tf.views.augment.blur import GaussianBlur
from infomin_tf.views.augment.common import one_by_one, split_seed
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.jigsaw import JigsawPatches
from infomin_tf.views.augment.photometric import ColorJitter, Greyscale
from infomin_tf.views.augment.rand_augment import OPERATIONS_LEAVING_COLOR, RandAugment
from infomin_tf.views.augment.transform import Crop, Transform
from infomin_tf.views.sampler import Sampler


class Family(Sampler):
    """A crop and operations on it: uint8 [B, H, W, 3] -> float32 [B, size, size, 3] in [0, 1].

    Args:
        crop: `RandomResizedCrop` or `RandomShift`.
        operations: of `infomin_tf.views.augment`, applied in order.

    Raises:
        ValueError: a crop that is not a `Crop`, or an operation that is not a `Transform`.
    """

    def __init__(self, crop: Crop, operations: tuple[Transform, ...] = ()):
        for part, kind in ((crop, Crop), *((operation, Transform) for operation in operations)):
            if not isinstance(part, kind):
                raise ValueError(
                    f"Family needs a {kind.__name__}, which {type(part).__name__} is not; make it "
                    f"a subclass of {kind.__module__}.{kind.__name__}"
                )
        self.crop, self.operations, self.size = crop, tuple(operations), crop.size
        self._finish_one_by_one = one_by_one(self._finish)

    @property
    def is_adapted(self):
        """See `Sampler`."""
        return all(operation.is_adapted for operation in self.operations)

    def adapt(self, images):
        """Operations measure what they need in images uint8 [M, H, W, 3], such as a fill."""
        if not self.is_adapted:
            for operation in self.operations:
                operation.adapt(images)
            self._finish_one_by_one = one_by_one(self._finish)  # traced anew

    def draw(self, num_images, seed):
        """Parameters of every operation: a tuple of dicts of tensors [B, ...], the crop's first."""
        parts = (self.crop, *self.operations)
        seeds = split_seed(seed, len(parts))
        return tuple(part.draw(num_images, seeds[i]) for i, part in enumerate(parts))

    def apply(self, images, draws, dense=False):
        """Views of images with drawn parameters.

        Args:
            images: uint8 [B, H, W, 3].
            draws: as of `draw`.
            dense: compute the whole batch at once, for accelerators (every operation is computed
                and then selected from, unless the batch is one image); otherwise image by image,
                compiled, on the CPU.
        """
        return self.finish(self.crop.apply(images, draws[0]), draws, dense)

    def cuts_files(self, images):
        """See `Sampler`."""
        return images.encoded is not None and self.crop.cuts_files

    def of_file(self, encoded, draws):
        """The view [size, size, 3] of an image file, scalar string, by draws of a batch of one."""
        [crops] = jpeg.decode_crops(encoded, (self,), (draws,))
        return self.finish(crops, draws)[0]

    def finish(self, crops, draws, dense=False):
        """Views of crops, float32 [B, size, size, 3] in [0, 255]: the operations after the crop."""
        if dense or not self.operations:
            return self._finish(crops, draws[1:])
        with tf.device("CPU:0"):
            return self._finish_one_by_one(crops, draws[1:])

    def _finish(self, crops, draws):
        for operation, parameters in zip(self.operations, draws, strict=True):
            crops = operation.apply(crops, parameters)
        return crops * (1.0 / 255.0)


def moco_v1(size=224, area=(0.2, 1.0), jitter=0.4):
    """Family A, of InstDis, MoCo and PIRL: crop, grey, jitter (x, x, x, x) on every image.

    Args:
        size: of the view.
        area: (0.2, 1) with a queue, (0.08, 1) with a memory bank in the authors' code.
        jitter: x; hue stops at half a turn.
    """
    always = ColorJitter(jitter, jitter, jitter, min(jitter, 0.5), probability=1.0)
    return Family(RandomResizedCrop(size, area), [Greyscale(), always])


def moco_v2(size=224, area=(0.2, 1.0), jitter=0.4, blur_probability=0.5):
    """Family B, of MoCo v2: crop, jitter (x, x, x, x / 4), grey, blur; arguments as `infomin`."""
    colors = ColorJitter(jitter, jitter, jitter, min(jitter / 4, 0.5))
    blur = GaussianBlur(probability=blur_probability)
    return Family(RandomResizedCrop(size, area), [colors, Greyscale(), blur])


def simclr(size=224, area=(0.2, 1.0), jitter=1.0, blur_probability=0.5):
    """SimCLR, CJ-Blur of Fig. 12: `infomin` without RandAugment; SimCLR's area is (0.08, 1)."""
    return infomin(size, area, jitter, blur_probability, layers=0)


def infomin(
    size=224,
    area=(0.2, 1.0),
    jitter=1.0,
    blur_probability=0.5,
    layers=2,
    magnitude=10.0,
    grey_probability=0.2,
    fill: tuple[float, float, float] | None = None,
    flip_probability=0.5,
):
    """InfoMin Aug: crop, jitter (0.8x, 0.8x, 0.8x, 0.2x), blur, RandAugment, grey (C.1).

    RA-CJ-Blur of Fig. 12 (b); RA-CJ lacks the blur, CJ-Blur RandAugment, CJ(x) both.

    Args:
        size: of the view.
        area: of the crop.
        jitter: x, the strength of the colour jitter; 0 leaves it out.
        blur_probability: of Gaussian blur with sigma uniform in [0.1, 2]; 0 leaves it out.
        layers: operations of RandAugment; 0 leaves it out.
        magnitude: mean level of RandAugment, in [0, 10].
        grey_probability: of grey; 0 leaves it out.
        fill: of RandAugment; None for the mean of the data.
        flip_probability: of mirroring left to right; 0 where left and right differ in meaning.
    """
    operations = []
    if jitter:
        operations.append(ColorJitter.of_strength(jitter))
    if blur_probability:
        operations.append(GaussianBlur(probability=blur_probability))
    if layers:
        operations.append(RandAugment(layers, magnitude, fill=fill))
    if grey_probability:
        operations.append(Greyscale(grey_probability))
    return Family(RandomResizedCrop(size, area, flip_probability=flip_probability), operations)


def infomin_colorless(
    size=224,
    area=(0.2, 1.0),
    blur_probability=0.5,
    layers=2,
    magnitude=10.0,
    fill: tuple[float, float, float] | None = None,
):
    """For views split by colour: `infomin` without colour changes, RandAugment of 8 operations."""
    blur = GaussianBlur(probability=blur_probability)
    augment = RandAugment(layers, magnitude, operations=OPERATIONS_LEAVING_COLOR, fill=fill)
    return Family(RandomResizedCrop(size, area), [blur, augment])


def pirl_jigsaw(size=255, area=(0.6, 1.0), grid=3, patch=64):
    """The JigSaw branch of PIRL: see `JigsawPatches`."""
    return JigsawPatches(size, area, grid, patch)
