"""Crops cut while a JPEG is decoded: only the window that holds all crops of an image is decoded."""

import tensorflow as tf


def decode_crops(encoded, samplers, draws):
    """The crop of each view of one image.

    Args:
        encoded: scalar string, an image file; JPEGs are decoded in part, others whole.
        samplers: `Family` or `JigsawPatches`, whose `crop` is a `RandomResizedCrop`.
        draws: of one image, for each sampler; the crop's first.

    Returns:
        A tuple of float32 [size, size, 3] in [0, 255].
    """
    sizes = tf.constant([[float(sampler.crop.size)] for sampler in samplers])

    def all_boxes(shape):
        parts = zip(samplers, draws, strict=True)
        boxes = [s.crop.boxes(_as_batch(part[0]), shape[0], shape[1]) for s, part in parts]
        return tf.concat(boxes, axis=0)

    def from_jpeg():
        shape = tf.image.extract_jpeg_shape(encoded)[:2]
        boxes = all_boxes(shape)
        corner, extent = _window(boxes, sizes, shape)
        window = tf.concat([corner, extent], axis=0)
        image = tf.image.decode_and_crop_jpeg(
            encoded, window, channels=3, dct_method="INTEGER_ACCURATE"
        )
        return image, boxes, tf.cast(corner, tf.float32)

    def from_other():
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return image, all_boxes(tf.shape(image)[:2]), tf.zeros([2])

    image, boxes, offset = tf.cond(tf.io.is_jpeg(encoded), from_jpeg, from_other)
    image = tf.ensure_shape(image, [None, None, 3])[None]
    return tuple(
        _cut(image, boxes[i, :2] - offset, boxes[i, 2:], sampler.crop.size, part[0]["flip"])
        for i, (sampler, part) in enumerate(zip(samplers, draws, strict=True))
    )


def _as_batch(draws):
    return {name: value[None] for name, value in draws.items()}


def _window(boxes, sizes, shape):
    """(top, left) and (height, width), int32, of whole pixels around all boxes and what interpolation reads."""
    low = tf.reduce_min(boxes[:, :2], axis=0)
    high = tf.reduce_max(boxes[:, :2] + boxes[:, 2:], axis=0)
    margin = tf.cast(tf.math.ceil(tf.reduce_max(boxes[:, 2:] / sizes)), tf.int32) + 1
    corner = tf.maximum(tf.cast(tf.floor(low), tf.int32) - margin, 0)
    end = tf.minimum(tf.cast(tf.math.ceil(high), tf.int32) + margin, shape)
    return corner, end - corner


def _cut(image, start, extent, size, flip):
    scale = size / extent
    crop = tf.raw_ops.ScaleAndTranslate(
        images=image,
        size=[size, size],
        scale=scale,
        translation=-start * scale,
        kernel_type="triangle",
        antialias=True,
    )
    crop = tf.where(flip, tf.reverse(crop, [2]), crop)
    return tf.ensure_shape(crop[0], [size, size, 3])
