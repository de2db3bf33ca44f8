"""Views of Colorful Moving-MNIST that share chosen factors (section 4.1, B.4; Fig. 10)."""

import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.data.order import WHOLE, steps_per_epoch
from infomin_tf.errors import UserError
from infomin_tf.settings import COUNT, check
from infomin_tf.views.augment.common import split_seed
from infomin_tf.views.pairs import Pair
from infomin_tf.views.picture import grid


class FactorPair(Pair):
    """v1 = frames 1 to k; v2 = an image with chosen factors of frame t and the others drawn again.

    A kept digit is the same drawing, a kept background the same crop.

    Args:
        size: side of a frame in pixels, the canvas.
        keep_digit, keep_position, keep_background: the factors that are shared.
        num_frames: k.
        target_frame: t, above k.

    Attributes:
        shared: names of the shared factors.
    """

    def __init__(
        self,
        size=64,
        keep_digit=False,
        keep_position=False,
        keep_background=False,
        num_frames=10,
        target_frame=20,
    ):
        check(self, COUNT, size=size)
        if not 1 <= num_frames < target_frame:
            raise UserError(
                f"FactorPair needs 1 <= num_frames < target_frame, not {num_frames} and "
                f"{target_frame}"
            )
        kept = {"digit": keep_digit, "position": keep_position, "background": keep_background}
        self.shared = tuple(name for name, keep in kept.items() if keep)
        self.size, self.num_frames, self.target_frame = size, num_frames, target_frame

    def check(self, images):
        """See `Sampler`."""
        if images.image_shape is not None:
            raise UserError(
                f"FactorPair needs sequences, which {images.name} is not; bind MovingMnist, or "
                "another pair"
            )

    def batches(self, images, order):
        """Infinite batches of ((v1, v2), labels of -1), drawn and rendered in each step."""
        steps_per_epoch(images, order.batch_size)  # refuses sets that are too small

        def of_step(step):
            views = self(images, order.batch_size, order.views_seed(step), order.shard)
            return views, tf.fill([order.size], -1)

        return order.by_step(of_step).prefetch(tf.data.AUTOTUNE)

    def __call__(self, sequences, count, seed, shard=WHOLE):
        """Views of sequences.

        Args:
            sequences: `Sequences`.
            count: sequences that are drawn.
            seed: int32 [2].
            shard: which part of them is made, B = count / shard.count.

        Returns:
            (v1 float32 [B, k, canvas, canvas, 3], v2 float32 [B, canvas, canvas, 3]) in [0, 1].
        """
        if sequences.canvas != self.size:
            raise UserError(
                f"FactorPair.size is {self.size} px and MovingMnist.canvas {sequences.canvas}; "
                "make them equal"
            )
        factors, target = shard.of(self.factors(sequences, count, seed))
        v1 = sequences.render(factors, sequences.corners(factors, range(1, self.num_frames + 1)))
        return v1, sequences.render(target, target["corner"][:, None])[:, 0]

    def factors(self, sequences, count, seed):
        """The factors of v1 and those of v2, a dict that also has `corner` [B, 2]."""
        seeds = split_seed(seed, 2)
        first, fresh = sequences.draw(count, seeds[0]), sequences.draw(count, seeds[1])
        second = fresh | {"corner": fresh["start"]}
        if "digit" in self.shared:
            second["digit"] = first["digit"]
        if "background" in self.shared:
            second |= {name: first[name] for name in ("background", "crop")}
        if "position" in self.shared:
            second["corner"] = sequences.corners(first, [self.target_frame])[:, 0]
        return first, second

    def picture(self, images, seed=0, num_rows=8):
        """A row per sequence: frames 1 to k, frame t, v2 (Fig. 10), uint8 [height, width, 3].

        Args:
            images: `Sequences`.
            seed: of the views.
            num_rows: sequences.
        """
        key = tf.constant([seeds.stream(seed, "picture"), 0])
        factors, target = self.factors(images, num_rows, key)
        times = [*range(1, self.num_frames + 1), self.target_frame]
        frames = images.render(factors, images.corners(factors, times))
        view = images.render(target, target["corner"][:, None])
        return grid(255.0 * tf.concat([frames, view], axis=1))

    def animation(self, images, seed=0, num_columns=8):
        """Frames 1 to t of sequences side by side, uint8 [t, canvas, num_columns * canvas, 3]."""
        key = tf.constant([seeds.stream(seed, "picture"), 0])
        factors, _ = self.factors(images, num_columns, key)
        times = range(1, self.target_frame + 1)
        frames = images.render(factors, images.corners(factors, times))
        rows = tf.concat(tf.unstack(frames), axis=2)
        return tf.cast(tf.round(255.0 * rows), tf.uint8).numpy()
