"""RandAugment as the authors' code has it (arXiv:1909.13719; section 3.4, C.1): strengths do not
mirror, each operation is applied with a probability.

Deviation: warps are bilinear; the authors' code picks bilinear or bicubic at random.
"""

import enum

import tensorflow as tf

from infomin_tf.settings import FROM_ZERO, check
from infomin_tf.views.augment import tables, warp
from infomin_tf.views.augment.colors import mean_color
from infomin_tf.views.augment.common import (
    apply_one_of,
    apply_to,
    bernoulli,
    check_probability,
    per_image,
    split_seed,
)
from infomin_tf.views.augment.photometric import adjust_saturation, mean_grey
from infomin_tf.views.augment.transform import Transform


class Operation(enum.IntEnum):
    """What a layer may draw."""

    AUTOCONTRAST = 0
    EQUALIZE = 1
    INVERT = 2
    POSTERIZE = 3
    SOLARIZE = 4
    SOLARIZE_ADD = 5
    CONTRAST = 6
    BRIGHTNESS = 7
    COLOR = 8
    SHARPNESS = 9
    ROTATE = 10
    SHEAR_X = 11
    SHEAR_Y = 12
    TRANSLATE_X = 13
    TRANSLATE_Y = 14
    IDENTITY = 15


_IMAGENET_MEAN = (124.0, 116.0, 104.0)
ALL_OPERATIONS = tuple(Operation)[:15]
OPERATIONS_LEAVING_COLOR = (
    Operation.AUTOCONTRAST,
    Operation.IDENTITY,
    Operation.ROTATE,
    Operation.SHARPNESS,
    Operation.SHEAR_X,
    Operation.SHEAR_Y,
    Operation.TRANSLATE_X,
    Operation.TRANSLATE_Y,
)


class RandAugment(Transform):
    """`layers` operations in a row, drawn with replacement for each image.

    Args:
        layers: operations per image.
        magnitude: mean of the level L, in [0, 10].
        magnitude_std: standard deviation of L, which is then clipped to [0, 10].
        probability: of applying each drawn operation.
        operations: operations to draw from.
        fill: grey levels where a warped image has no pixels; None for the mean of the data, which
            `adapt` measures (until then that of ImageNet).
    """

    def __init__(
        self,
        layers=2,
        magnitude=10.0,
        magnitude_std=0.5,
        probability=0.5,
        operations=ALL_OPERATIONS,
        fill: tuple[float, float, float] | None = None,
    ):
        if layers < 1 or not 0.0 <= magnitude <= 10.0:
            raise ValueError(
                f"RandAugment needs layers >= 1 and a magnitude in [0, 10], not {layers} and "
                f"{magnitude}"
            )
        check(self, FROM_ZERO, magnitude_std=magnitude_std)
        if not operations:
            raise ValueError("RandAugment.operations must hold at least one operation, not ()")
        self.layers, self.magnitude, self.magnitude_std = layers, magnitude, magnitude_std
        self.probability = check_probability(probability)
        self.operations, self.fill = operations, fill or _IMAGENET_MEAN
        self.is_adapted = fill is not None  # nothing is to be measured

    def draw(self, num_images, seed):
        """operation int32 (IDENTITY where none is applied), level and sign; each [B, layers]."""
        seeds, shape = split_seed(seed, 4), [num_images * self.layers]
        place = tf.random.stateless_uniform(shape, seeds[0], 0, len(self.operations), tf.int32)
        operation = tf.gather(tf.constant([int(o) for o in self.operations]), place)
        applied = bernoulli(shape[0], seeds[1], self.probability)
        noise = tf.random.stateless_normal(shape, seeds[2], stddev=self.magnitude_std)
        draws = {
            "operation": tf.where(applied, operation, int(Operation.IDENTITY)),
            "level": tf.clip_by_value(self.magnitude + noise, 0.0, 10.0),
            "sign": tf.where(bernoulli(shape[0], seeds[3], 0.5), 1.0, -1.0),
        }
        return {name: tf.reshape(v, [num_images, self.layers]) for name, v in draws.items()}

    def adapt(self, images):
        """Takes the fill from images uint8 [M, H, W, 3], unless it was given."""
        if not self.is_adapted:
            self.fill = mean_color(images)

    def apply(self, images, draws):
        """Images [B, H, W, 3] in [0, 255] after all layers."""
        for layer in range(self.layers):
            operation, level, sign = (draws[n][:, layer] for n in ("operation", "level", "sign"))
            images = apply_operation(images, operation, level, sign, self.fill)
        return images


def apply_operation(images, operation, level, sign, fill):
    """One operation on each image.

    Args:
        images: float32 [B, H, W, 3] in [0, 255].
        operation: int32 [B], of `Operation`.
        level: [B], in [0, 10].
        sign: [B], 1 or -1, of the warps.
        fill: three grey levels.
    """
    functions = (
        lambda x, kind, strength, _: tables.look_up(x, make_tables(x, kind, strength)),
        lambda x, _, strength, __: adjust_saturation(x, _enhancement(strength)),
        lambda x, _, strength, __: adjust_sharpness(x, _enhancement(strength)),
        lambda x, *drawn: warp.affine_warp(x, warp_matrices(*x.shape[1:3], *drawn), fill),
        lambda unchanged, *_: unchanged,
    )
    ends = (Operation.BRIGHTNESS, Operation.COLOR, Operation.SHARPNESS, Operation.TRANSLATE_Y)
    which = tf.reduce_sum(tf.cast(operation[:, None] > tf.constant(ends), tf.int32), axis=1)
    return apply_one_of(functions, images, which, operation, level, sign)


def make_tables(images, operation, level):
    """Tables [B, 3, 256] of the operations that are tables; the identity for others."""
    factor, strength = _enhancement(level), level[:, None, None]
    result = levels = tables.identity(tf.shape(images)[0])
    inverse = 255.0 - levels
    step = tf.cast(2 ** (8 - tf.cast(4.0 * strength / 10.0, tf.int32)), tf.float32)
    lighter = tf.minimum(levels + tf.floor(110.0 * strength / 10.0), 255.0)
    shared = {
        Operation.INVERT: inverse,
        Operation.POSTERIZE: tf.floor(levels / step) * step,  # keeps the high bits
        Operation.SOLARIZE: tf.where(levels >= tf.floor(256.0 * strength / 10.0), inverse, levels),
        Operation.SOLARIZE_ADD: tf.where(levels < 128.0, lighter, levels),
        Operation.BRIGHTNESS: tables.blend(levels, factor, tf.zeros_like(factor)),
    }
    for kind, table in shared.items():
        result = tf.where((operation == kind)[:, None, None], table, result)

    def contrast(_, x, factor):
        return tables.blend(tables.identity(tf.shape(x)[0]), factor, tf.round(mean_grey(x)))

    result = apply_to(contrast, result, operation == Operation.CONTRAST, images, factor)
    for kind, make in (
        (Operation.AUTOCONTRAST, lambda _, x: tables.autocontrast(x)),
        (Operation.EQUALIZE, lambda _, x: tables.equalize(x)),
    ):
        result = apply_to(make, result, operation == kind, images)
    return result


def warp_matrices(height, width, operation, level, sign):
    """Matrices [B, 6] of the operations that are warps; any for others."""
    strength = sign * level / 10.0
    result = warp.rotation(30.0 * strength, height, width)
    others = {
        Operation.SHEAR_X: (1.0, 0.3 * strength, 0.0, 0.0, 1.0, 0.0),
        Operation.SHEAR_Y: (1.0, 0.0, 0.0, 0.3 * strength, 1.0, 0.0),
        Operation.TRANSLATE_X: (1.0, 0.0, 0.45 * strength * width, 0.0, 1.0, 0.0),
        Operation.TRANSLATE_Y: (1.0, 0.0, 0.0, 0.0, 1.0, 0.45 * strength * height),
    }
    for kind, entries in others.items():
        result = tf.where((operation == kind)[:, None], warp.matrices(*entries), result)
    return result


def adjust_sharpness(images, factor):
    """Blends each image with its version smoothed by 1 1 1, 1 5 1, 1 1 1, as Pillow; borders stay.

    Args:
        images: float32 [B, H, W, C] in [0, 255].
        factor: [B]; 1 leaves the image, 0 smooths it.
    """
    inner = images[:, 1:-1, 1:-1]
    columns = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    box = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:]
    smooth = tf.round((box + 4.0 * inner) * (1.0 / 13.0))
    difference = tf.pad(inner - smooth, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return tf.clip_by_value(images + per_image(factor - 1.0) * difference, 0.0, 255.0)


def _enhancement(level):
    """The factor of Pillow's ImageEnhance, in [0.1, 1.9]."""
    return 0.1 + 1.8 * level / 10.0
