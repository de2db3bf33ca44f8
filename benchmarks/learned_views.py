"""Speed of pre-training on learned views: a step with a frozen g over one on the raw channels.

    python benchmarks/learned_views.py

The step: two AlexNet halves of a quarter of the width with linear heads to 128, views of 48x48,
batch 128, in-batch negatives, both directions, SGD with momentum and weight decay, on a constant
batch. g is a volume preserving flow of 4 blocks. Goal: at most 1.05. Contestants take turns step
by step, each in its own process with the same number of threads; a ratio is one of medians, its
spread the quartiles of the ratios of single rounds.
"""

import argparse
import os
import statistics

from turns import Process, compare, figures, take_turns
from view_learning import start


class Pretraining:
    """A step of pre-training on channels of a frozen g, or on raw ones.

    Args:
        threads: of TensorFlow.
        learned: whether there is a g.
    """

    def __init__(self, threads, learned):
        settings = start(threads)
        import keras
        import tensorflow as tf

        from infomin_tf.learners import contrastive, negatives
        from infomin_tf.models import alexnet, encoder, heads
        from infomin_tf.training import step
        from infomin_tf.views import generators, splits

        generator = generators.AdditiveGenerator() if learned else None
        split, shape = splits.ChannelSplit(generator=generator, **settings), (48, 48, 3)
        split.build((None, *shape))
        learner = contrastive.ContrastiveLearner(
            split,
            [encoder.Encoder(alexnet.AlexNetHalf(0.25), heads.LinearHead(128)) for _ in range(2)],
            negatives.InBatch(0.1),
            keras.optimizers.SGD(0.03, momentum=0.9),
            sum_directions=True,
            weight_decay=1e-4,
        )
        learner.build(shape)
        views = tf.unstack(tf.random.stateless_uniform([2, 128, *shape], (1, 2)))
        self._batch = tuple(views), tf.zeros([128], tf.int32)
        self._train_step = tf.function(step.replica_step(learner), autograph=False)

    def step(self):
        """One whole step; returns the loss."""
        return float(self._train_step(self._batch)["loss"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41, help="steps of each contestant")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    contestants = {
        name: Process(Pretraining, "infomin_tf.learners.contrastive", options.threads, learned)
        for name, learned in {"learned": True, "raw": False}.items()
    }
    learned, raw = calls = [(name, "step") for name in contestants]
    usages = take_turns(contestants, calls, options.rounds, warm=2)
    wall, processor = figures(usages, "call"), figures(usages, "processor")
    for (name, _), values in wall.items():
        print(f"  {name:8} {1000 * statistics.median(values):6.0f} ms")
    print(f"learned / raw {compare(wall, learned, raw)}, goal <= 1.05")
    print(f"the same of processor time {compare(processor, learned, raw)}")


if __name__ == "__main__":
    main()
