"""Operations on batches of images [B, H, W, C]: stateless functions of the images and a seed.

Every operation draws its parameters for each image of the batch with tf.random.stateless_uniform and keeps static
shapes. Cropping and resizing run on the host, in tf.data: their TensorFlow kernels have no XLA counterpart.
"""

import math

import tensorflow as tf


def random_crop_boxes(num_boxes, image_shape, seed, area, ratio):
    """Boxes of RandomResizedCrop: area a share of the image, aspect ratio log-uniform, position uniform.

    As torchvision, up to ten draws of area and ratio are made until the box fits; an image for which none fits gets
    the largest centred box within the range of ratios.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.RandomResizedCrop.html

    Args:
        num_boxes: B.
        image_shape: (H, W) in pixels.
        seed: int32 [2].
        area: (low, high), shares of the image area, 0 < low <= high <= 1.
        ratio: (low, high) of width / height in pixels.

    Returns:
        float32 [B, 4]: top, left, bottom, right in [0, 1] of the image's height and width.
    """
    height, width = float(image_shape[0]), float(image_shape[1])
    draws = tf.random.stateless_uniform([4, num_boxes, 10], seed)  # area, ratio, top, left
    areas = (area[0] + (area[1] - area[0]) * draws[0]) * height * width
    log_low, log_high = math.log(ratio[0]), math.log(ratio[1])
    ratios = tf.exp(log_low + (log_high - log_low) * draws[1])
    box_width, box_height = tf.sqrt(areas * ratios), tf.sqrt(areas / ratios)
    fits = (box_width <= width) & (box_height <= height)
    first = tf.argmax(tf.cast(fits, tf.int32), axis=1, output_type=tf.int32)
    pick = tf.one_hot(first, 10)
    fallback_ratio = min(max(width / height, ratio[0]), ratio[1])
    fallback = (min(height, width / fallback_ratio), min(width, height * fallback_ratio))
    any_fits = tf.reduce_any(fits, axis=1)
    h = tf.where(any_fits, tf.reduce_sum(box_height * pick, 1), fallback[0]) / height
    w = tf.where(any_fits, tf.reduce_sum(box_width * pick, 1), fallback[1]) / width
    top = (1.0 - h) * tf.where(any_fits, draws[2, :, 0], 0.5)
    left = (1.0 - w) * tf.where(any_fits, draws[3, :, 0], 0.5)
    return tf.stack([top, left, top + h, left + w], axis=1)


def crop_and_resize(images, boxes, size):
    """Cuts one box out of each image and resizes it to a square, bilinear, pixel centres at half-integers.

    Args:
        images: [B, H, W, C], uint8 or float.
        boxes: float32 [B, 4] as of `random_crop_boxes`.
        size: output height and width in pixels.

    Returns:
        float32 [B, size, size, C] in the range of the images.
    """
    height, width = float(images.shape[1]), float(images.shape[2])
    top, left, bottom, right = tf.unstack(boxes, axis=1)
    # tf.image.crop_and_resize puts the first and last sample ON the box's ends, so the ends move to the centres of the
    # first and last output pixel; one repeated border pixel keeps samples beyond the outermost centres inside.
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    half_h, half_w = (bottom - top) / (2 * size), (right - left) / (2 * size)

    def corner(position, extent):
        return (position * extent + 0.5) / (extent + 1.0)

    corners = tf.stack(
        [
            corner(top + half_h, height),
            corner(left + half_w, width),
            corner(bottom - half_h, height),
            corner(right - half_w, width),
        ],
        axis=1,
    )
    indices = tf.range(tf.shape(images)[0])
    return tf.image.crop_and_resize(padded, corners, indices, [size, size])


def random_resized_crop(images, seed, size, area=(0.2, 1.0), ratio=(3 / 4, 4 / 3)):
    """A random box of each image, resized to a square (see `random_crop_boxes`, `crop_and_resize`).

    Args:
        images: [B, H, W, C].
        seed: int32 [2].
        size: output height and width in pixels.
        area: (low, high), shares of the image area; a smaller low is a stronger augmentation (section 3.4).
        ratio: (low, high) of width / height.

    Returns:
        float32 [B, size, size, C].
    """
    boxes = random_crop_boxes(tf.shape(images)[0], images.shape[1:3], seed, area, ratio)
    return crop_and_resize(images, boxes, size)


def random_flip(images, seed, probability=0.5):
    """Mirrors each image left to right with the given probability.

    Args:
        images: [B, H, W, C].
        seed: int32 [2].
        probability: in [0, 1].
    """
    flip = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < probability
    return tf.where(flip, tf.reverse(images, axis=[2]), images)


def random_shift(images, seed, pixels, probability=0.8):
    """Moves each image by up to `pixels` in each direction with reflection, with the given probability.

    Args:
        images: [B, H, W, C].
        seed: int32 [2].
        pixels: largest shift, smaller than H and W.
        probability: in [0, 1].
    """
    batch = tf.shape(images)[0]
    seeds = split_seed(seed, 2)
    offsets = tf.random.stateless_uniform([batch, 2], seeds[0], 0, 2 * pixels + 1, tf.int32)
    moved = tf.random.stateless_uniform([batch, 1], seeds[1]) < probability
    offsets = tf.where(moved, offsets, pixels)
    padding = [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]]
    padded = tf.pad(images, padding, mode="REFLECT")
    rows = offsets[:, :1] + tf.range(images.shape[1])
    columns = offsets[:, 1:] + tf.range(images.shape[2])
    return tf.gather(tf.gather(padded, rows, batch_dims=1), columns, axis=2, batch_dims=1)


def resize_and_center_crop(images, resize, crop):
    """The test view: resize to a square, then cut its centre.

    Args:
        images: [B, H, W, C].
        resize: side in pixels after resizing.
        crop: side in pixels of the centre, at most `resize`.

    Returns:
        float32 [B, crop, crop, C] in the range of the images.
    """
    resized = tf.image.resize(images, [resize, resize], antialias=True)
    start = (resize - crop) // 2
    return resized[:, start : start + crop, start : start + crop]


def split_seed(seed, parts):
    """`parts` independent seeds, int32 [parts, 2], from one int32 [2]."""
    return tf.random.stateless_uniform([parts, 2], seed, minval=None, maxval=None, dtype=tf.int32)
