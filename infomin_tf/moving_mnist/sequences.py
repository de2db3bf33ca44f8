"""Colorful Moving-MNIST: a digit moves over a still background (section 4.1, B.4; Fig. 6, 10)."""

import math

import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.images import ArrayImages, Images, Source
from infomin_tf.data.order import WHOLE, steps_per_epoch
from infomin_tf.errors import UserError
from infomin_tf.settings import ABOVE_ZERO, COUNT, check
from infomin_tf.views.augment.common import split_seed


class MovingMnist:
    """Sequences of digits from one source over backgrounds from another.

    Args:
        digits: source of labelled square images of white digits on black, such as TFDS mnist.
        backgrounds: source of labelled images, at least as large as the canvas.
        canvas: side of a frame in pixels.
        speed: how far a digit moves per frame, above 0, as a share of the canvas's side.
    """

    def __init__(self, digits: Source, backgrounds: Source, canvas=64, speed=0.1):
        check(self, COUNT, canvas=canvas)
        check(self, ABOVE_ZERO, speed=speed)
        self._sources, self._canvas, self._speed = (digits, backgrounds), canvas, speed

    def load(self, data_dir=None):
        """A `Sequences`.

        Raises:
            UserError: a source has no labels, is streamed, or its images do not fit the canvas.
        """
        digits, backgrounds = (source.load(data_dir) for source in self._sources)
        for images in (digits, backgrounds):
            in_memory = isinstance(images, ArrayImages)
            if not in_memory or not images.class_names or images.labels.numpy().min() < 0:
                raise UserError(
                    f"MovingMnist needs labelled images in memory, which {images.name} are not; "
                    "choose a labelled split, or raise its memory_limit_gib"
                )
        digit, background = digits.image_shape[:2], backgrounds.image_shape[:2]
        if max(digit) >= self._canvas or min(background) < self._canvas:
            raise UserError(
                f"a canvas of {self._canvas} px needs smaller digits and backgrounds of at least "
                f"that size, not {digit[0]} px and {background} px; change MovingMnist.canvas"
            )
        return Sequences(digits, backgrounds, self._canvas, self._speed)


class Sequences(Images):
    """Digits that move over backgrounds.

    Args:
        digits, backgrounds: labelled `ArrayImages`.
        canvas: side of a frame in pixels.
        speed: how far a digit moves per frame, as a share of the canvas's side.
    """

    image_shape = None

    def __init__(self, digits, backgrounds, canvas, speed=0.1):
        self.digits, self.backgrounds = digits, backgrounds
        self.canvas, self.speed = canvas, speed
        self.name = f"{digits.name} over {backgrounds.name}"
        self.room = canvas - digits.image_shape[0]
        self.compiled_frames = graphs.compiled(self.frames)

    @property
    def class_names(self):
        """Of the digits."""
        return self.digits.class_names

    @property
    def size(self):
        """Sequences in an epoch: as many as there are digits."""
        return self.digits.size

    def raw(self, order, chunk):
        """Single frames of each step, drawn anew, chunk by chunk: (images, labels) of `frames`."""
        steps_per_epoch(self, order.batch_size)  # refuses sets that are too small
        steps = order.by_step(
            lambda step: self.frames(order.batch_size, order.views_seed(step), order.shard)
        )
        return steps.unbatch().batch(chunk, drop_remainder=True) if chunk < order.size else steps

    def sample(self, count):
        """None: frames are made on the fly."""

    def digest_parts(self):
        """See `Images`; of digits and backgrounds."""
        return self.digits.digest_parts() + self.backgrounds.digest_parts()

    def in_batches(self, batch_size, batches):
        """See `Images`."""
        return "new sequences"

    def thin(self, count):
        """Sequences of at most `count` of the digits and as many of the backgrounds."""
        return Sequences(
            self.digits.thin(count), self.backgrounds.thin(count), self.canvas, self.speed
        )

    def draw(self, count, seed):
        """Independent factors of `count` sequences.

        Args:
            count: B.
            seed: int32 [2].

        Returns:
            dict of tensors [B, ...]: digit and background (places in their sets), crop (corner of
            the background, in pixels), start (corner of the digit in frame 1, uniform in
            [0, room)), angle (uniform in [0, 2 pi)).
        """
        seeds = split_seed(seed, 5)
        spare = tf.constant([side - self.canvas + 1 for side in self.backgrounds.image_shape[:2]])
        uniform = tf.random.stateless_uniform
        return {
            "digit": uniform([count], seeds[0], 0, self.digits.size, tf.int32),
            "background": uniform([count], seeds[1], 0, self.backgrounds.size, tf.int32),
            "crop": uniform([count, 2], seeds[2], 0, 2**30, tf.int32) % spare,
            "start": uniform([count, 2], seeds[3], 0.0, float(self.room)),
            "angle": uniform([count], seeds[4], 0.0, 2.0 * math.pi),
        }

    def corners(self, factors, frames):
        """Corners (y, x) of the digit in pixels, float32 [B, T, 2], in frames that count from 1.

        The digit moves `speed` of the canvas per frame; the border reflects its velocity.
        """
        direction = tf.stack([tf.sin(factors["angle"]), tf.cos(factors["angle"])], axis=-1)
        steps = tf.constant(list(frames), tf.float32) - 1.0
        way = self.speed * self.canvas * steps[None, :, None] * direction[:, None]
        return _reflect(factors["start"][:, None] + way, float(self.room))

    def render(self, factors, corners):
        """Frames with the digit at corners [B, T, 2], rounded to whole pixels.

        Returns:
            float32 [B, T, canvas, canvas, 3] in [0, 1]: background (1 - digit) + digit.
        """
        digits = self.digits.gather(factors["digit"])[0][..., 0]
        pixels = tf.cast(tf.round(corners), tf.int32)
        ink = _place(tf.cast(digits, tf.float32) / 255.0, pixels, self.canvas)
        background = self._crops(factors)[:, None]
        return background + ink[..., None] * (1.0 - background)

    def entropy(self, factors):
        """Entropy in nats of named factors, which are independent: digit (which drawing),
        background (which crop), position (whole pixels, half as probable at the border).
        """
        border = 0.5 / self.room
        axis = -2 * border * math.log(border) - (1 - 2 * border) * math.log(1 / self.room)
        crops = math.prod(side - self.canvas + 1 for side in self.backgrounds.image_shape[:2])
        each = {
            "digit": math.log(self.digits.size),
            "background": math.log(self.backgrounds.size * crops),
            "position": 2 * axis,
        }
        return math.fsum(each[name] for name in factors)

    def labels(self, factors):
        """dict digit, background: classes, int32 [B]."""
        return {
            "digit": tf.gather(self.digits.labels, factors["digit"]),
            "background": tf.gather(self.backgrounds.labels, factors["background"]),
        }

    def frames(self, count, seed, shard=WHOLE):
        """Single frames, for probes.

        Args:
            count: frames that are drawn.
            seed: int32 [2].
            shard: which part of them is made, B = count / shard.count.

        Returns:
            (images float32 [B, canvas, canvas, 3] in [0, 1], labels: a dict of digit and
            background, int32 [B], and position, the digit's centre (y, x) in pixels [B, 2]).
        """
        factors = shard.of(self.draw(count, seed))
        corners = tf.round(factors["start"])[:, None]
        centre = corners[:, 0] + (self.canvas - self.room) / 2
        return self.render(factors, corners)[:, 0], self.labels(factors) | {"position": centre}

    def _crops(self, factors):
        images, _ = self.backgrounds.gather(factors["background"])
        rows, columns = (factors["crop"][:, axis, None] + tf.range(self.canvas) for axis in (0, 1))
        cut = tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)
        return tf.cast(cut, tf.float32) / 255.0


def _reflect(position, limit):
    """Folds coordinates into [0, limit], as a mirror at each end does."""
    phase = tf.math.floormod(position, 2.0 * limit)
    return limit - tf.abs(phase - limit)


def _place(patches, corners, canvas):
    """Patches [B, p, p] at corners int32 [B, T, 2] of empty canvases: [B, T, canvas, canvas]."""
    side = patches.shape[1]
    padded = tf.pad(patches, [[0, 0], [0, 1], [0, 1]])
    places = tf.range(canvas) - corners[..., None]  # [B, T, 2, canvas]
    places = tf.where((places >= 0) & (places < side), places, side)
    rows = tf.gather(padded, places[:, :, 0], batch_dims=1)  # [B, T, canvas, p + 1]
    return tf.gather(rows, places[:, :, 1], axis=3, batch_dims=2)
