"""Whether Colorful Moving-MNIST is made faster than the training step consumes it.

    python benchmarks/moving_mnist.py --rounds 11

Batches of 128 sequences (10 frames and an image, 64 px) over random images in memory. Three figures
a round, in turns: seconds to make a batch alone, to train on one constant batch, and to train on
batches as they are made. Goal: making a batch takes less time than a step (ratio below 1). On few
cores both share the processor, so the third shows what remains of it.
"""

import argparse
import statistics
import time

from turns import Process, compare, figures, take_turns

BATCH, STEPS = 128, 10


class Contestant:
    """The pipeline and the learner of gin/recipes/moving_mnist.gin."""

    def __init__(self):
        import keras
        import numpy as np
        import tensorflow as tf

        from infomin_tf.data import images
        from infomin_tf.data.order import Order
        from infomin_tf.learners import contrastive, negatives
        from infomin_tf.models import encoder, heads
        from infomin_tf.moving_mnist import networks
        from infomin_tf.moving_mnist.pair import FactorPair
        from infomin_tf.moving_mnist.sequences import Sequences
        from infomin_tf.training import step
        from infomin_tf.views import color, splits

        keras.utils.set_random_seed(1)
        generator = np.random.default_rng(0)
        digits, grounds = (
            generator.integers(0, 256, (2000, side, side, 3), np.uint8) for side in (28, 96)
        )
        digits, grounds = (
            images.ArrayImages("random", pixels, [0] * 2000, ("0",)) for pixels in (digits, grounds)
        )
        sequences = Sequences(digits, grounds, 64)
        pair = FactorPair(keep_digit=True)
        self._stream = pair.batches(sequences, Order(BATCH, 0))
        self._batches = iter(self._stream)
        self._batch = next(self._batches)
        split = splits.Sequence(color.RGB(), (0.5,) * 3, (0.25,) * 3)
        split.build((None, 64, 64, 3))
        backbone = networks.ConvNet()
        encoders = [
            networks.SequenceEncoder(backbone, heads.LinearHead(64)),
            encoder.Encoder(backbone, heads.LinearHead(64)),
        ]
        optimizer = keras.optimizers.SGD(0.03, momentum=0.9)
        made = contrastive.ContrastiveLearner(split, encoders, negatives.InBatch(), optimizer)
        made.build((64, 64, 3))
        self._train_step = tf.function(step.replica_step(made), autograph=False)
        self._train_step(self._batch)

    def make(self):
        """Seconds to make a batch, of a new pipeline, which has none made ahead."""
        batches = iter(self._stream)
        next(batches)
        return self._timed(lambda: next(batches), 5 * STEPS)

    def step(self):
        """Seconds of a step on a constant batch."""
        return self._timed(lambda: float(self._train_step(self._batch)["loss"]))

    def both(self):
        """Seconds of a step on batches as they are made."""
        return self._timed(lambda: float(self._train_step(next(self._batches))["loss"]))

    @staticmethod
    def _timed(call, count=STEPS):
        started = time.perf_counter()
        for _ in range(count):
            call()
        return (time.perf_counter() - started) / count


def main():
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    make, step, both = calls = [("ours", method) for method in ("make", "step", "both")]
    usages = take_turns({"ours": Process(Contestant, "tensorflow")}, calls, rounds)
    seconds = figures(usages, "result")
    for (_, method), values in seconds.items():
        print(f"| {method} | {1000 * statistics.median(values):.1f} ms per batch |")
    print(f"| make over step (goal: below 1) | {compare(seconds, make, step)} |")
    print(f"| both over step | {compare(seconds, both, step)} |")


if __name__ == "__main__":
    main()
