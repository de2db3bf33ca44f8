"""Geometry of the first step of a view: crops, flips, shifts, resizing."""

import math

import tensorflow as tf

from infomin_tf.views.augment.common import bernoulli, check_probability, split_seed
from infomin_tf.views.augment.transform import Crop


def crop_and_resize(images, boxes, size, flip=None):
    """Cuts a box out of each image and resizes it to a square; bilinear, antialiased, as Pillow.

    Two matrix products per image, so that it runs on every device.

    Args:
        images: [B, H, W, C], uint8 or float.
        boxes: float32 [B, 4] as of `RandomResizedCrop.boxes`.
        size: output height and width in pixels.
        flip: bool [B], which crops are mirrored left to right; None for none.

    Returns:
        float32 [B, size, size, C] in the range of the images.
    """
    _, height, width, channels = images.shape
    batch = tf.shape(images)[0]
    vertical = resize_matrix(boxes[:, 0], boxes[:, 2], height, size)
    horizontal = resize_matrix(boxes[:, 1], boxes[:, 3], width, size, flip)
    rows = tf.reshape(tf.cast(images, tf.float32), [batch, height, width * channels])
    rows = tf.reshape(tf.matmul(vertical, rows), [batch, size, width, channels])
    columns = tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [batch, width, size * channels])
    columns = tf.reshape(tf.matmul(horizontal, columns), [batch, size, size, channels])
    return tf.transpose(columns, [0, 2, 1, 3])


def resize_matrix(start, length, extent, size, reverse=None):
    """Rows of a bilinear (triangle) resampling of [start, start + length] of a line.

    Args:
        start, length: float32 [B], in pixels.
        extent: pixels of the line.
        size: pixels of the result.
        reverse: bool [B], which results run backwards; None for none.

    Returns:
        float32 [B, size, extent], rows sum to 1.
    """
    scale = length / size
    steps = tf.range(size, dtype=tf.float32) + 0.5
    if reverse is not None:
        steps = tf.where(reverse[:, None], tf.reverse(steps, [0]), steps)
    support = 1.0 / tf.maximum(scale, 1.0)
    centre = (start[:, None] + steps * scale[:, None] - 0.5) * support[:, None]  # [B, size]
    centre = tf.clip_by_value(centre, 0.0, (extent - 1.0) * support[:, None])
    # (j - centre) * support as one matrix product: broadcasting it is slower on a CPU
    left = tf.stack([tf.broadcast_to(support[:, None], tf.shape(centre)), -centre], axis=2)
    right = tf.stack([tf.range(extent, dtype=tf.float32), tf.ones([extent])])
    distance = tf.reshape(tf.matmul(tf.reshape(left, [-1, 2]), right), [-1, size, extent])
    weights = tf.nn.relu(1.0 - tf.abs(distance))
    return weights / tf.reduce_sum(weights, axis=2, keepdims=True)


def shift(images, offsets):
    """Moves each image by whole pixels with reflection.

    Args:
        images: [B, H, W, C].
        offsets: int32 [B, 2], smaller than H and W: output pixel (y, x) is input pixel
            (y + offsets[0], x + offsets[1]).
    """
    height, width = images.shape[1:3]

    def places(offset, extent):
        place = tf.abs(offset[:, None] + tf.range(extent))
        return tf.minimum(place, 2 * (extent - 1) - place)

    rows = tf.gather(images, places(offsets[:, 0], height), batch_dims=1)
    return tf.gather(rows, places(offsets[:, 1], width), axis=2, batch_dims=1)


def resize_and_center_crop(images, resize, crop):
    """The test view: resize to a square, then cut its centre; bilinear, antialiased, as Pillow.

    By matrix products, because XLA and TFLite lack `tf.image.resize(antialias=True)`.

    Args:
        images: [B, H, W, C], of any size that may be unknown until it runs.
        resize: side in pixels after resizing.
        crop: side in pixels of the centre, at most `resize`.

    Returns:
        float32 [B, crop, crop, C] in the range of the images.
    """
    channels = images.shape[3]
    height, width = (images.shape[axis] or tf.shape(images)[axis] for axis in (1, 2))
    rows = tf.reshape(tf.cast(images, tf.float32), [-1, height, width * channels])
    rows = tf.matmul(_central_rows(height, resize, crop), rows)
    rows = tf.reshape(rows, [-1, crop, width, channels])
    columns = tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [-1, width, crop * channels])
    columns = tf.matmul(_central_rows(width, resize, crop), columns)
    return tf.transpose(tf.reshape(columns, [-1, crop, crop, channels]), [0, 2, 1, 3])


def _central_rows(extent, size, crop):
    """The middle `crop` rows of the matrix [size, extent] that resizes a line to `size` pixels."""
    extent = tf.cast(extent, tf.float32)
    start = (size - crop) // 2
    scale = extent / size
    centre = scale * (tf.range(start, start + crop, dtype=tf.float32) + 0.5) - 0.5
    centre = tf.clip_by_value(centre, 0.0, extent - 1.0)
    distance = tf.abs(tf.range(extent) - centre[:, None]) / tf.maximum(scale, 1.0)
    weights = tf.nn.relu(1.0 - distance)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


class RandomResizedCrop(Crop):
    """A random box of each image, resized to a square and mirrored with a probability.

    Args:
        size: output height and width in pixels.
        area: (low, high), shares of the image area; a small low is strong (section 3.4).
        ratio: (low, high) of width / height.
        flip_probability: of mirroring left to right.
    """

    cuts_files = True

    def __init__(
        self,
        size=64,
        area: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip_probability=0.5,
    ):
        if not 0.0 < area[0] <= area[1] <= 1.0:
            raise ValueError(
                f"a crop's area must be (low, high) with 0 < low <= high <= 1, not {area}"
            )
        if size < 1 or not 0.0 < ratio[0] <= ratio[1] < math.inf:
            raise ValueError(
                f"a crop needs size >= 1 and a ratio (low, high) with 0 < low <= high, not {size} "
                f"and {ratio}"
            )
        self.size, self.area, self.ratio = size, area, ratio
        self.flip_probability = check_probability(flip_probability)

    def draw(self, num_images, seed):
        """tries, float32 [B, 10, 4] in [0, 1): area, ratio, top, left of each; flip, bool [B]."""
        seeds = split_seed(seed, 2)
        return {
            "tries": tf.random.stateless_uniform([num_images, 10, 4], seeds[0]),
            "flip": bernoulli(num_images, seeds[1], self.flip_probability),
        }

    def boxes(self, draws, height, width):
        """Boxes of a random share of the area, aspect ratio log-uniform, position uniform.

        As torchvision, the first of ten draws of area and ratio that fits counts; where none fits,
        it is the largest centred box within the range of ratios.
        Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.RandomResizedCrop.html

        Args:
            draws: as of `draw`.
            height, width: of the images in pixels, numbers or [B].

        Returns:
            float32 [B, 4]: top, left, height, width in pixels.
        """
        tries, (low, high) = draws["tries"], self.area
        height = tf.zeros_like(tries[:, 0, 0]) + tf.cast(height, tf.float32)
        width = tf.zeros_like(tries[:, 0, 0]) + tf.cast(width, tf.float32)
        areas = (low + (high - low) * tries[:, :, 0]) * (height * width)[:, None]
        log_low, log_high = map(math.log, self.ratio)
        ratios = tf.exp(log_low + (log_high - log_low) * tries[:, :, 1])
        widths, heights = tf.sqrt(areas * ratios), tf.sqrt(areas / ratios)
        fits = (widths <= width[:, None]) & (heights <= height[:, None])
        pick = tf.one_hot(tf.argmax(tf.cast(fits, tf.int32), axis=1, output_type=tf.int32), 10)
        any_fits = tf.reduce_any(fits, axis=1)
        ratio = tf.clip_by_value(width / height, *self.ratio)
        largest_h, largest_w = tf.minimum(height, width / ratio), tf.minimum(width, height * ratio)
        h = tf.where(any_fits, tf.reduce_sum(heights * pick, 1), largest_h)
        w = tf.where(any_fits, tf.reduce_sum(widths * pick, 1), largest_w)
        top = (height - h) * tf.where(any_fits, tries[:, 0, 2], 0.5)
        left = (width - w) * tf.where(any_fits, tries[:, 0, 3], 0.5)
        return tf.stack([top, left, h, w], axis=1)

    def apply(self, images, draws):
        """Crops [B, size, size, C], float32, of images [B, H, W, C]."""
        boxes = self.boxes(draws, *images.shape[1:3])
        return crop_and_resize(images, boxes, self.size, draws["flip"])


class RandomShift(Crop):
    """A shift by some pixels with reflection, a flip, then a resize: for small images.

    Args:
        size: output height and width in pixels.
        pixels: the largest shift.
        probability: of shifting.
        flip_probability: of mirroring left to right.
    """

    def __init__(self, size=32, pixels=4, probability=0.8, flip_probability=0.5):
        if size < 1 or pixels < 0:
            raise ValueError(f"a shift needs size >= 1 and pixels >= 0, not {size} and {pixels}")
        self.size, self.pixels = size, pixels
        self.probability = check_probability(probability)
        self.flip_probability = check_probability(flip_probability)

    def draw(self, num_images, seed):
        """offsets int32 [B, 2]; flip, bool [B]."""
        seeds = split_seed(seed, 3)
        limits = {"minval": -self.pixels, "maxval": self.pixels + 1, "dtype": tf.int32}
        offsets = tf.random.stateless_uniform([num_images, 2], seeds[0], **limits)
        moved = bernoulli(num_images, seeds[1], self.probability)
        return {
            "offsets": tf.where(moved[:, None], offsets, 0),
            "flip": bernoulli(num_images, seeds[2], self.flip_probability),
        }

    def apply(self, images, draws):
        """Shifted images [B, size, size, C], float32."""
        moved = shift(images, draws["offsets"])
        height, width = images.shape[1:3]
        whole = tf.tile([[0.0, 0.0, float(height), float(width)]], [tf.shape(images)[0], 1])
        return crop_and_resize(moved, whole, self.size, draws["flip"])
