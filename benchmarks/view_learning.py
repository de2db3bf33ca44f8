"""Speed of view learning: one step next to its floor and to PyTorch.

    python benchmarks/view_learning.py   # everything; a part: --only small paper first

The step: one update of two critics, then one of g and two classifiers against them (equation 3), by
InfoNCE of the critics and cross-entropy, Adam for both, g a volume preserving flow of 4 blocks on
RGB, on a constant batch of unlabelled and half as many labelled views. Parts, with their goals:

- small: the networks of the CPU configurations: views of 48x48, batch 128, critics and classifiers
  AlexNet halves of an eighth of the width. The step over its floor, at most 1.15; images/s of ours
  over PyTorch's, at least 1.0.
- paper: those of the paper: 64x64, critics ResNet-50, classifiers ResNet-18, both of half the width
  and without max-pool; batch 32 here, because two cores take seconds for that.
- first: seconds until the first step of a fresh process is done, for the networks of both sizes.

The floor is what critics and classifiers cost alone, on views that are divided already: forward and
backward to the critics' weights; forward and backward of critics to their inputs and of classifiers
to weights and inputs; all in training mode, without g, losses, optimizers and metrics.

Contestants have the same number of threads and take turns step by step, in an order that rotates;
step and floor share one process, the others have one each. A ratio is one of medians, its spread
the quartiles of the ratios of single rounds. Our step also standardises the views and returns
seven metrics; PyTorch's, eager, in its default layout, does not and returns one. A peer that is not
installed is skipped.
"""

import argparse
import dataclasses
import os
import statistics

from turns import Process, compare, figures, installed, take_turns
from view_learning_peer import Torch


@dataclasses.dataclass
class Networks:
    """What learns views.

    Args:
        size: side of a view in pixels.
        batch: unlabelled images of a step.
        half_resnets: ResNets of half the width; otherwise AlexNet halves of an eighth of it.
        threads: of the framework.
    """

    size: int
    batch: int
    half_resnets: bool
    threads: int

    @property
    def labelled(self):
        """Labelled images of a step."""
        return self.batch // 2


def start(threads):
    """Sets TensorFlow's threads and the seed of weights; returns a splitting layer's arguments."""
    import keras
    import tensorflow as tf

    from infomin_tf.views import color

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(1)
    return {"color_space": color.RGB(), "mean": (0.5,) * 3, "std": (0.25,) * 3}


class Ours:
    """The step of `ViewLearner` as the training loop compiles it, and its floor.

    Args:
        networks: `Networks`.
    """

    def __init__(self, networks):
        settings = start(networks.threads)
        import keras
        import tensorflow as tf

        from infomin_tf.learners import bounds, view_learner
        from infomin_tf.models import alexnet, encoder, heads, resnet
        from infomin_tf.training import step
        from infomin_tf.views import generators, splits

        split = splits.ChannelSplit(generator=generators.AdditiveGenerator(), **settings)
        shape = (networks.size, networks.size, 3)
        split.build((None, *shape))
        half = {"width": 0.5, "stem_filters": 64, "zero_init_last": True, "max_pool": False}

        def critic():
            if networks.half_resnets:
                return resnet.ResNet50(**half)
            return alexnet.AlexNetHalf(0.125)

        def classifier():
            if networks.half_resnets:
                return resnet.ResNet18(**half)
            return alexnet.AlexNetHalf(0.125, dropout=0.5)

        self._learner = view_learner.ViewLearner(
            split,
            [encoder.Encoder(critic(), heads.LinearHead(128)) for _ in range(2)],
            [encoder.Encoder(classifier(), heads.Classifier(10)) for _ in range(2)],
            bounds.InfoNCE(),
            keras.optimizers.Adam(2e-4, beta_1=0.5),
            keras.optimizers.Adam(6e-4, beta_1=0.5),
        )
        self._learner.build(shape)
        made = lambda count, seed: tf.unstack(
            tf.random.stateless_uniform([2, count, *shape], (1, seed))
        )
        unlabelled, labelled = made(networks.batch, 2), made(networks.labelled, 3)
        labels = [tf.range(len(views[0])) % 10 for views in (unlabelled, labelled)]
        self._batch = (unlabelled, labels[0]), (labelled, labels[1])
        self._parts = [
            part for x1, x2 in (unlabelled, labelled) for part in (split(x1)[0], split(x2)[1])
        ]
        self._train_step = tf.function(step.replica_step(self._learner), autograph=False)
        self._bare_step = tf.function(self._bare, autograph=False)

    def step(self):
        """One whole step; returns the generator's loss."""
        return float(self._train_step(self._batch)["generator_loss"])

    def floor(self):
        """The passes through critics and classifiers."""
        return float(self._bare_step(*self._parts)[0])

    def _bare(self, v1, v2, l1, l2):
        import tensorflow as tf

        critics, classifiers = self._learner.critics, self._learner.classifiers
        weights = lambda networks: [v.value for n in networks for v in n.trainable_variables]

        def passes(networks, views, to_weights, to_views):
            sources = weights(networks) if to_weights else []
            sources += views if to_views else []
            with tf.GradientTape(watch_accessed_variables=to_weights) as tape:
                tape.watch(views)
                scores = [n(v, training=True) for n, v in zip(networks, views, strict=True)]
                score = tf.add_n([tf.reduce_sum(s) for s in scores])
            return score, tape.gradient(score, sources)

        return (
            *passes(critics, [v1, v2], True, False),
            passes(critics, [v1, v2], False, True),
            passes(classifiers, [l1, l2], True, True),
        )


def ours(networks):
    return Process(Ours, "infomin_tf.learners.view_learner", networks)


RATIOS = (
    ("step / floor", ("ours", "step"), ("ours", "floor"), "<= 1.15"),
    ("images/s of ours / torch", ("torch", "step"), ("ours", "step"), ">= 1.0"),
)


def learning(name, networks, rounds):
    """Prints the medians and the ratios of a part."""
    contestants, calls = {"ours": ours(networks)}, [("ours", "step"), ("ours", "floor")]
    if installed("torch", "torchvision"):
        contestants["torch"] = Process(Torch, "torchvision", networks)
        calls.append(("torch", "step"))
    usages = take_turns(contestants, calls, rounds, warm=2)
    wall, processor = figures(usages, "call"), figures(usages, "processor")
    for call, values in wall.items():
        median = statistics.median(values)
        rate = networks.batch / median
        print(f"  {name:6} {' '.join(call):12} {1000 * median:6.0f} ms {rate:6.1f} images/s")
    for words, over, under, goal in RATIOS:
        if over in wall:
            print(f"{name}: {words} {compare(wall, over, under)}, goal {goal}")
            print(f"{name}: the same of processor time {compare(processor, over, under)}")


def first(options):
    for name, networks in {"small": small(options), "paper": paper(options)}.items():
        process = ours(networks)
        usage = process.call("step")
        process.close()
        print(f"first: {name}, weights {usage['build']:.1f} s, first step {usage['call']:.1f} s")


def small(options):
    return Networks(48, 128, False, options.threads)


def paper(options):
    return Networks(64, 32, True, options.threads)


PARTS = {
    "small": lambda options: learning("small", small(options), 4 * options.rounds),
    "paper": lambda options: learning("paper", paper(options), options.rounds),
    "first": first,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds",
        type=int,
        default=11,
        help="of the paper's networks; four times as many of others",
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    for part in options.only:
        PARTS[part](options)


if __name__ == "__main__":
    main()
