"""Sampling, the random half of a view: from a batch of images to the views of a step."""

from infomin_tf.errors import UserError
from infomin_tf.views import picture
from infomin_tf.views.augment import crop, jpeg
from infomin_tf.views.augment.common import split_seed
from infomin_tf.views.augment.jigsaw import JigsawPatches
from infomin_tf.views.augment.patches import RandomPatch
from infomin_tf.views.families import Family
from infomin_tf.views.sampler import Sampler


class CropAndFlip(Family):
    """RandomResizedCrop, then a horizontal flip with probability 0.5; no photometric operations.

    Args:
        size: side of the view in pixels.
        area: (low, high), share of the image area (c of section 3.4 is the low end).
        ratio: (low, high) of width / height.
    """

    def __init__(
        self,
        size=64,
        area: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ):
        super().__init__(crop.RandomResizedCrop(size, area, ratio))


class ShiftAndFlip(Family):
    """A shift with reflection (probability 0.8), a flip, a resize: for small images (CIFAR-10).

    Args:
        size: side of the view in pixels.
        pixels: the largest shift.
    """

    def __init__(self, size=32, pixels=4):
        super().__init__(crop.RandomShift(size, pixels))


class CenterCrop:
    """The test view: resize to a square, centre crop; not random.

    Args:
        resize: side in pixels after resizing; None for size / share or, without a share, 70.
        size: side of the view in pixels.
        share: share of the resized side that is kept, in (0, 1], so that binding `size` changes
            both sides; not used with `resize`.
    """

    def __init__(self, resize: int | None = None, size=64, share: float | None = None):
        if share is not None and not 0 < share <= 1:
            raise ValueError(
                f"CenterCrop.share must be a number above 0 and at most 1, not {share}"
            )
        if resize is None:
            resize = round(size / share) if share else 70
        if not 1 <= size <= resize:
            raise ValueError(
                f"CenterCrop cannot cut {size} px out of {resize} px; make 1 <= size <= resize"
            )
        self.resize, self.size = resize, size

    def __call__(self, images, seed=None):
        """A view of each image, float32 [B, size, size, 3] in [0, 1]."""
        return crop.resize_and_center_crop(images, self.resize, self.size) / 255.0


class Pair(Sampler):
    """Two views of each image, (x1, x2), or three with a JigSaw view.

    Attributes:
        samplers: the sampler of each view that is made.
        jigsaw: `JigsawPatches` of the third view; None for two views.
        views_are_one: whether x1 and x2 are the same.
        views_are_alike: whether x1 and x2 are independent draws of one sampler, so that an earlier
            x1 stands for x2.
    """

    samplers, jigsaw = (), None
    views_are_one, views_are_alike = False, False

    def plain(self):
        """The same two views alone, made on the host: for view learning and measurements."""
        return self

    def of_one_view(self):
        """The same pair with x1 instead of x2, for learners that encode x1 alone.

        Raises:
            UserError: x1 does not stand for x2.
        """
        raise UserError(
            f"{type(self).__name__} makes two different views, but a memory bank with "
            "Pretrain.both_directions = False sees only the first; bind Pretrain.both_directions "
            "= True, which keeps a bank for each view, or other negatives"
        )

    def picture(self, images, seed=0):
        """A picture of 8 images with their views, uint8 [height, width, 3].

        Args:
            images: `Images`.
            seed: of the views.

        Raises:
            UserError: the views are all alike.
        """
        raise NotImplementedError

    def animation(self, images, seed=0):
        """Frames uint8 [height, width, 3] of what moves; one where nothing does."""
        return [self.picture(images, seed)]


class IndependentPair(Pair):
    """v1 = t1(X), v2 = t2(X): one sampler applied twice with independent draws (section 3.4).

    Args:
        sampler: a `Family`.
        jigsaw: `JigsawPatches` for a third view, its patches; None for two views.
        on_device: whether the learner makes the views, crops included, on the accelerator;
            otherwise the input pipeline makes them on the host. Draws are the same, and so are
            views up to rounding.
    """

    def __init__(self, sampler: Family, jigsaw: JigsawPatches | None = None, on_device=False):
        self.sampler, self.jigsaw, self.on_device = sampler, jigsaw, on_device
        self.size = sampler.size

    @property
    def views_are_alike(self):
        """See `Pair`."""
        return self.samplers[0] is self.samplers[1]

    def of_one_view(self):
        """See `Pair`."""
        if not self.views_are_alike:
            return super().of_one_view()
        return SharedPair(self.sampler, self.jigsaw, self.on_device)

    @property
    def is_adapted(self):
        """See `Sampler`."""
        return self.sampler.is_adapted

    def adapt(self, images):
        """See `Family.adapt`."""
        self.sampler.adapt(images)

    def plain(self):
        """See `Pair`."""
        return type(self)(self.sampler)

    def picture(self, images, seed=0):
        """See `Pair`; 8 views of each image."""
        shown = images.sample(64)
        picture.check_changes(self.plain(), shown)
        return picture.view_grid(self.plain(), shown, seed)

    @property
    def samplers(self):
        """See `Pair`."""
        views = (self.sampler, self.sampler)
        return (*views, self.jigsaw) if self.jigsaw else views

    def draw(self, num_images, seed):
        """The drawn parameters of each view."""
        seeds = split_seed(seed, 3)
        return tuple(s.draw(num_images, seeds[i]) for i, s in enumerate(self.samplers))

    def apply(self, images, draws, dense=False):
        """Views of images with drawn parameters: (x1, x2) or (x1, x2, patches).

        Args:
            images: uint8 [B, H, W, 3].
            draws: as of `draw`.
            dense: see `Family.apply`.

        Returns:
            float32 [B, size, size, 3] in [0, 1]; patches [B, 9, patch, patch, 3].
        """
        pairs = zip(self.samplers, draws, strict=True)
        return self._views(s.apply(images, parameters, dense) for s, parameters in pairs)

    def finish(self, crops, draws, dense=False):
        """Views of crops (float32 in [0, 255]) that were cut already, one for each view."""
        views = zip(self.samplers, crops, draws, strict=True)
        return self._views(s.finish(part, parameters, dense) for s, part, parameters in views)

    def cuts_files(self, images):
        """See `Sampler`."""
        if images.encoded is None or not all(s.crop.cuts_files for s in self.samplers):
            return False
        if self.on_device:
            raise UserError(
                f"{images.name} is streamed from image files, whose crops are cut while they are "
                "decoded, on the host; bind IndependentPair.on_device = False, or raise "
                "memory_limit_gib so that the set is held in memory"
            )
        return True

    def of_file(self, encoded, draws):
        """The views of an image file, scalar string, by draws of a batch of one."""
        crops = jpeg.decode_crops(encoded, self.samplers, draws)
        return tuple(view[0] for view in self.finish(crops, draws))

    def _views(self, made):
        return tuple(made)


class SharedPair(IndependentPair):
    """x1 = x2 = t(X): both parts of a split are of one view (CMC, arXiv:1906.05849; B.2, B.3).

    Args:
        sampler, jigsaw, on_device: see `IndependentPair`.
    """

    views_are_one = views_are_alike = True

    @property
    def samplers(self):
        """The sampler of the view."""
        return (self.sampler, self.jigsaw) if self.jigsaw else (self.sampler,)

    def _views(self, made):
        first, *rest = made
        return (first, first, *rest)


class PatchPair(IndependentPair):
    """Two patches of an image, at (x, y) and at (x + d, y + d), uniform (section 3.3, B.1).

    The larger d is, the less they share.

    Args:
        size: p, side of the patches in pixels.
        distance: d, in pixels; any distance for which the images have room.
        min_std: leaves out patches of little contrast, see `RandomPatch`.
        operations: as for a `Family`, drawn separately for each patch.
        on_device: see `IndependentPair`.
    """

    views_are_alike = False  # an earlier first patch lies anywhere, not d from the second

    def __init__(self, size=64, distance=128, min_std=0.0, operations=(), on_device=False):
        self._settings = (size, distance, min_std, operations)
        family = Family(RandomPatch(size, distance, min_std), operations)
        super().__init__(family, on_device=on_device)

    def plain(self):
        """The same pair, made on the host."""
        return PatchPair(*self._settings)

    def apply(self, images, draws, dense=False):
        """Views of images; the place of the pair is that of the first view's draws."""
        patch = self.sampler.crop
        corner = patch.corner(images, draws[0][0])
        crops = [patch.cut(images, corner), patch.cut(images, corner + patch.distance)]
        return self.finish(crops, draws, dense)
