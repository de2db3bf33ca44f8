"""Crops cut while a JPEG is decoded: only the window that holds all crops of an image is."""

import functools
import math

import tensorflow as tf

from infomin_tf import graphs

# Pixels a side. Windows that fit are resized by compiled code, which needs static shapes.
_CANVAS = 512

_compiled = graphs.compiled(jit_compile=True)


def decode_crops(encoded, samplers, draws):
    """The crop of each view of one image.

    Args:
        encoded: scalar string, an image file; JPEGs are decoded in part, others whole.
        samplers: `Family` or `JigsawPatches`, whose `crop` is a `RandomResizedCrop`.
        draws: of a batch of one, for each sampler; the crop's first.

    Returns:
        A tuple of float32 [1, size, size, 3] in [0, 255].
    """
    image, boxes = _decode_window(encoded, samplers, draws)

    def cut(function, source):
        parts = zip(samplers, draws, tf.unstack(boxes, len(samplers)), strict=True)
        return tuple(function(source, b, part[0]["flip"], s.crop.size) for s, part, b in parts)

    return tf.cond(
        tf.reduce_max(tf.shape(image)) <= _CANVAS,
        lambda: cut(functools.partial(_cut_on_canvas, tf.shape(image)), _on_canvas(image)),
        lambda: cut(_cut_by_kernel, image[None]),
    )


def _decode_window(encoded, samplers, draws):
    """(uint8 [h, w, 3], the crops' boxes in it, float32 [samplers, 4] as of `boxes`)."""
    sizes = tf.constant([[float(sampler.crop.size)] for sampler in samplers])

    @_compiled
    def all_boxes(shape):
        parts = zip(samplers, draws, strict=True)
        boxes = [s.crop.boxes(part[0], shape[0], shape[1]) for s, part in parts]
        return tf.concat(boxes, axis=0)

    def from_jpeg():
        shape = tf.image.extract_jpeg_shape(encoded)[:2]
        boxes = all_boxes(shape)
        corner, extent = _window(boxes, sizes, shape)
        window = tf.concat([corner, extent], axis=0)
        options = {"channels": 3, "dct_method": "INTEGER_ACCURATE"}
        image = tf.image.decode_and_crop_jpeg(encoded, window, **options)
        return image, boxes - tf.cast(tf.pad(corner, [[0, 2]]), tf.float32)

    def from_other():
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return image, all_boxes(tf.shape(image)[:2])

    image, boxes = tf.cond(tf.io.is_jpeg(encoded), from_jpeg, from_other)
    return tf.ensure_shape(image, [None, None, 3]), boxes


def _window(boxes, sizes, shape):
    """(top, left) and (height, width), int32, around all boxes and what interpolation reads."""
    low = tf.reduce_min(boxes[:, :2], axis=0)
    high = tf.reduce_max(boxes[:, :2] + boxes[:, 2:], axis=0)
    margin = tf.cast(tf.math.ceil(tf.reduce_max(boxes[:, 2:] / sizes)), tf.int32) + 1
    corner = tf.maximum(tf.cast(tf.floor(low), tf.int32) - margin, 0)
    end = tf.minimum(tf.cast(tf.math.ceil(high), tf.int32) + margin, shape)
    return corner, end - corner


def _cut_by_kernel(image, box, flip, size):
    scale = size / box[2:]
    crop = tf.raw_ops.ScaleAndTranslate(
        images=image,
        size=[size, size],
        scale=scale,
        translation=-box[:2] * scale,
        kernel_type="triangle",
        antialias=True,
    )
    crop = tf.cond(flip[0], lambda: tf.reverse(crop, [2]), lambda: crop)
    return tf.ensure_shape(crop, [1, size, size, 3])


def _on_canvas(image):
    """The rows of an image, uint8 [_CANVAS, _CANVAS * 3], with zeros to the right and below."""
    height, width, _ = tf.unstack(tf.shape(image))
    room = [[0, _CANVAS - height], [0, (_CANVAS - width) * 3]]
    return tf.ensure_shape(tf.pad(tf.reshape(image, [height, -1]), room), [_CANVAS, _CANVAS * 3])


@_compiled
def _cut_on_canvas(shape, canvas, box, flip, size):
    """As `_cut_by_kernel`, of an image of a shape (height, width, 3) on a canvas."""
    reverse = tf.concat([[False], flip], axis=0)
    places, weights, needed = _taps(box[:2], box[2:], shape[:2], reverse, size)
    rows = _weighted_lines(canvas, places[:, 0], weights[:, 0], needed[0], 0)
    rows = tf.reshape(rows, [size, _CANVAS, 3])
    return _weighted_lines(rows, places[:, 1], weights[:, 1], needed[1], 1)[None]


def _taps(start, length, extent, reverse, size):
    """Which pixels of an axis make each pixel of [start, start + length]; see `crop.resize_matrix`.

    Args:
        start, length: float32 [2] in pixels, of two axes.
        extent: int32 [2], pixels of each axis.
        reverse: bool [2], whether the result runs backwards.
        size: pixels of the result.

    Returns:
        places int32 [taps, 2, size]; weights float32 [taps, 2, size], of sum 1; int32 [2], how many
        taps of each axis may have a weight.
    """
    start, scale = start[:, None], length[:, None] / size
    last = tf.cast(extent, tf.float32)[:, None] - 1.0
    steps = tf.range(size, dtype=tf.float32) + 0.5
    steps = tf.where(reverse[:, None], size - steps, steps)
    support = tf.maximum(scale, 1.0)
    centre = tf.clip_by_value(start + steps * scale - 0.5, 0.0, last)
    most = max(2, math.ceil(2 * _CANVAS / size))  # no more pixels lie within the support
    taps = tf.range(float(most))
    places = tf.floor(centre - support) + 1.0 + taps[:, None, None]
    weights = tf.nn.relu(1.0 - tf.abs(places - centre) / support)
    weights = tf.where((places >= 0.0) & (places <= last), weights, 0.0)
    places = tf.cast(tf.clip_by_value(places, 0.0, last), tf.int32)
    needed = tf.cast(tf.math.ceil(2.0 * support[:, 0]), tf.int32)
    return places, weights / tf.reduce_sum(weights, axis=0), needed


def _weighted_lines(images, places, weights, needed, axis):
    """The sum over the needed taps of weights times the lines at places of an axis.

    Args:
        images: lines along `axis`.
        places, weights: [taps, size].
        needed: int32 scalar; the weights of later taps are 0.
        axis: 0 or 1.
    """
    shape = [-1] + [1] * (len(images.shape) - 1 - axis)

    def of_first(count):
        total = 0.0
        for place, weight in zip(
            tf.unstack(places[:count]), tf.unstack(weights[:count]), strict=True
        ):
            lines = tf.cast(tf.gather(images, place, axis=axis), tf.float32)
            total += tf.reshape(weight, shape) * lines
        return total

    most = places.shape[0]
    fewer = -(-3 * most // 5)  # of a view of 224 pixels 3 of 5, up to a scale of 1.5
    return tf.cond(needed <= fewer, lambda: of_first(fewer), lambda: of_first(most))
