"""Step time over 1, 2 and 4 replicas at a fixed batch a replica, next to the ideal for the cores.

    python benchmarks/scaling.py

A replica is a logical CPU. Its operations may not be divided among threads (intra-op 1), and there
are as many threads for operations as replicas (inter-op): so one replica keeps one core busy, as
one accelerator is one replica. Were operations divided, a single replica would use all cores
already, and more replicas had nothing to gain. The ideal of R replicas on C cores is then ceil(R /
C) times the step of one; efficiency is ideal / measured.

The number of logical CPUs is fixed when TensorFlow starts and a process holds one MirroredStrategy,
so each number of replicas has a process of its own. They take turns step by step, in an order drawn
anew in each round (on busy cores a process that has waited is served first); one that waits uses no
core. A ratio is one of medians, its spread the quartiles of the ratios of single rounds. Processor
time counts only what these processes used, so it is steadier where others use the cores too.

Where the time goes, measured where each replica has a core: the same step is compiled again and
again, each time with one more kind of exchange left out, and all these steps take turns, too. A
profiler's trace would add up the time inside collectives, in which replicas mostly wait for one
another; what the step would save without them is the difference.

- gathers: each replica repeats its own rows in the place of those of the others, so that all sizes
  stay.
- global batch: it does not repeat them, so that logits and metrics shrink to its own batch.
- statistics: synchronised batch normalisation, in the same operations, takes the replica's own
  statistics.
- gradients: they are applied on each replica by itself; nothing is exchanged but the scalars to
  print.

A single device runs a fused batch normalisation, several replicas do not. "unfused" is the step of
one replica with the operations of several.
"""

import argparse
import contextlib
import importlib.metadata
import math
import os
import random
import statistics
import sys
from unittest import mock

from turns import Process, compare, figures, take_turns

REPLICAS = (1, 2, 4)
CORES = len(os.sched_getaffinity(0))
WHOLE, UNFUSED = "as it is", "unfused"
LEFT_OUT = ("gathers", "global batch", "statistics", "gradients")  # each besides those before it
SEED, DIMENSION, QUEUE, WIDTH = 1, 128, 4096, 0.25


class Replicas:
    """The step of a learner on so many replicas, as the loop compiles it, and without exchanges.

    Args:
        options: parsed arguments.
        kind: "queue" or "in-batch".
        replicas: logical CPUs.
    """

    def __init__(self, options, kind, replicas):
        import tensorflow as tf

        from infomin_tf.distribution import strategies

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
        )
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(replicas)
        self._strategy = strategies.create_strategy("mirrored" if replicas > 1 else "one_device")
        shape = [replicas, 2, options.batch, options.size, options.size, 3]
        views = tf.random.stateless_uniform(shape, (SEED, 2))
        with self._strategy.scope():
            self._learner = _learner(kind, options.size)
        self._batch = self._strategy.experimental_distribute_values_from_function(
            lambda context: (
                tuple(tf.unstack(views[context.replica_id_in_sync_group])),
                tf.zeros([options.batch], tf.int32),
            )
        )
        self._compiled = {}

    def step(self, variant):
        """One step of one of `variants`, with means of metrics over replicas; returns the loss."""
        if variant not in self._compiled:
            with self._strategy.scope(), _patches(variant):
                self._compiled[variant] = self._compile().get_concrete_function(self._batch)
        return float(self._compiled[variant](self._batch)["loss"])

    def _compile(self):
        import tensorflow as tf

        from infomin_tf.training.step import replica_step

        step = replica_step(self._learner)

        @tf.function
        def whole_step(batch):
            metrics = self._strategy.run(step, args=(batch,))
            return {n: self._strategy.reduce("MEAN", m, axis=None) for n, m in metrics.items()}

        return whole_step


def variants(replicas):
    """What is compiled for so many replicas."""
    if replicas == 1:
        return WHOLE, UNFUSED
    return (WHOLE, *LEFT_OUT) if replicas <= CORES else (WHOLE,)


def _learner(kind, size):
    import keras

    from infomin_tf.learners import contrastive, negatives
    from infomin_tf.models import encoder, heads, resnet
    from infomin_tf.views import color, splits

    keras.utils.set_random_seed(SEED)
    whole = splits.Whole(color.RGB(), (0.5,) * 3, (0.25,) * 3)
    whole.build((None, size, size, 3))
    queue = negatives.MomentumQueue(QUEUE) if kind == "queue" else None
    small = {"width": WIDTH, "small_images": True, "max_pool": False}
    encoders = [
        encoder.Encoder(resnet.ResNet18(**small), heads.MlpHead(DIMENSION))
        for _ in range(2 if queue else 1)
    ]
    made = contrastive.ContrastiveLearner(
        whole,
        encoders[:1],
        queue or negatives.InBatch(),
        keras.optimizers.SGD(0.03, momentum=0.9),
        encoders[1:],
        both_directions=queue is None,
        weight_decay=1e-4,
    )
    made.build((size, size, 3))
    return made


@contextlib.contextmanager
def _patches(variant):
    """While it is open, a step is traced as a variant."""
    import keras
    import tensorflow as tf

    from infomin_tf.distribution import replicas
    from infomin_tf.models import layers

    def repeat_own(x):
        return tf.tile(x, [replicas.num_replicas(), *[1] * (len(x.shape) - 1)])

    def reduce_lists(context, operation, value, options=None):
        """Batch normalisation reduces tensor after tensor, the optimizer a list."""
        return value if tf.is_tensor(value) else all_reduce(context, operation, value, options)

    context, gather = tf.distribute.ReplicaContext, (replicas, "all_gather")
    all_reduce, reduce = context.all_reduce, (context, "all_reduce")
    replaced = {
        UNFUSED: [(layers.BatchNormalization, "call", keras.layers.BatchNormalization.call)],
        "gathers": [(*gather, repeat_own)],
        "global batch": [(*gather, lambda x: x)],
        "statistics": [(*gather, lambda x: x), (*reduce, reduce_lists)],
        "gradients": [(*gather, lambda x: x), (*reduce, lambda context, operation, x, *_: x)],
    }
    with contextlib.ExitStack() as stack:
        for patch in replaced.get(variant, ()):
            stack.enter_context(mock.patch.object(*patch))
        yield


def measure(options, kind):
    """Wall-clock and processor seconds of each step, after two of each that do not count.

    Returns:
        Two dicts (replicas, "step", variant) -> list.
    """
    calls = [(replicas, "step", v) for replicas in REPLICAS for v in variants(replicas)]
    module = "infomin_tf.learners.contrastive"
    processes = {count: Process(Replicas, module, options, kind, count) for count in REPLICAS}
    shuffled = lambda calls, turn: random.Random(turn).sample(calls, len(calls))
    usages = take_turns(processes, calls, options.rounds, 2, shuffled)
    return figures(usages, "call"), figures(usages, "processor")


def print_steps(wall, processor):
    """Step time, efficiency against the ideal for the cores, processor time of a replica."""
    header = "replicas | step, ms (quartiles) | ideal, ms | ideal / step | processor ms | 1 / that"
    print(f"| {header} |")
    print("|---|---|---|---|---|---|")
    one = 1, "step", WHOLE
    for replicas in REPLICAS:
        step, rounds = (replicas, "step", WHOLE), math.ceil(replicas / CORES)
        seconds = {"ideal": [rounds * s for s in wall[one]], "step": wall[step]}
        used = {"one": processor[one], "each": [s / replicas for s in processor[step]]}
        low, middle, high = (1000 * s for s in statistics.quantiles(wall[step], n=4))
        ideal, each = (1000 * statistics.median(s) for s in (seconds["ideal"], used["each"]))
        print(
            f"| {replicas} | {middle:.0f} ({low:.0f} to {high:.0f}) | {ideal:.0f} "
            f"| {compare(seconds, 'ideal', 'step')} | {each:.0f} | {compare(used, 'one', 'each')} |"
        )


def print_shares(wall, processor):
    """The step without exchanges over the whole step."""
    print("| replicas | left out | step / whole step | the same of processor time |")
    print("|---|---|---|---|")
    for replicas in REPLICAS:
        for variant in variants(replicas)[1:]:
            name = variant if variant in (UNFUSED, LEFT_OUT[0]) else f"and {variant}"
            calls = (replicas, "step", variant), (replicas, "step", WHOLE)
            ratios = [compare(seconds, *calls) for seconds in (wall, processor)]
            print(f"| {replicas} | {name} | {' | '.join(ratios)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="steps of each contestant")
    parser.add_argument("--batch", type=int, default=32, help="images of a replica")
    parser.add_argument("--size", type=int, default=32, help="side of a view in pixels")
    options = parser.parse_args()
    print(
        f"{CORES} cores; intra-op threads 1, one inter-op thread per replica; ResNet-18 of width "
        f"{WIDTH} without pooling, MLP head to {DIMENSION}, {options.size}x{options.size}, batch "
        f"{options.batch} per replica, K {QUEUE}, float32; {options.rounds} rounds, seed {SEED}, "
        f"TensorFlow {importlib.metadata.version('tensorflow')}"
    )
    for kind in ("queue", "in-batch"):
        before = os.getloadavg()[0]
        seconds = measure(options, kind)
        print(f"\n{kind}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after\n")
        print_steps(*seconds)
        print()
        print_shares(*seconds)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")
