"""From a learner's `train_step` to one compiled call of many steps on all replicas."""

import tensorflow as tf

from infomin_tf import distribution
from infomin_tf.checkpoint import state


def replica_step(learner, jit_compile=False):
    """The learner's `train_step` as it runs on a replica, for a graph: under XLA, or reading its tables without a copy."""
    if jit_compile:
        return tf.function(learner.train_step, jit_compile=True)

    def step(batch):
        for table in getattr(learner, "tables", ()):
            distribution.read_without_copy(table.value)
        return learner.train_step(batch)

    return step


def compile_steps(learner, strategy, jit_compile=False, skips=False):
    """A compiled function (iterator, count) -> dict of [count] metrics, averaged over replicas.

    Args:
        learner: see `training.Task`.
        strategy: under whose scope it was built.
        jit_compile: see `training.TrainingLoop`.
        skips: a step whose losses, or the weights after it, are not finite changes nothing; the metric `skipped` is 1 then.
    """
    step = replica_step(learner, jit_compile)
    if skips:
        step = _skipping(step, state(learner))

    @tf.function
    def one_step(batch):
        metrics = strategy.run(step, args=(batch,))
        return {
            name: tf.cast(
                strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None), tf.float32
            )
            for name, value in metrics.items()
        }

    @tf.function
    def several_steps(iterator, count):
        # The trace of one step tells the metrics' names, so that the loop holds the only copy of the step.
        names = list(one_step.get_concrete_function(iterator.element_spec).structured_outputs)
        history = {n: tf.TensorArray(tf.float32, size=count, element_shape=[]) for n in names}
        for index in tf.range(count):
            metrics = one_step(next(iterator))
            history = {name: history[name].write(index, metrics[name]) for name in names}
        return {name: array.stack() for name, array in history.items()}

    return lambda iterator, count: several_steps(iterator, tf.constant(count))


def _skipping(step, variables):
    floating = [v for v in variables if tf.as_dtype(v.dtype).is_floating]

    def step_or_nothing(batch):
        metrics, kept = {}, []

        def is_finite():
            losses = [value for name, value in metrics.items() if name.endswith("loss")]
            checked = [tf.math.is_finite(x) for x in (*losses, *(v.value for v in floating))]
            here = tf.reduce_all([tf.reduce_all(x) for x in checked])
            [share] = distribution.mean_over_replicas([tf.cast(here, tf.float32)])
            kept.append(share > 1.0 - 1e-6)
            return kept[0]

        with distribution.undone_unless(is_finite, variables):
            metrics |= step(batch)
        return metrics | {"skipped": 1.0 - tf.cast(kept[0], tf.float32)}

    return step_or_nothing
