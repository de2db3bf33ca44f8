"""From a learner's `train_step` to one compiled call of many steps on all replicas."""

import time

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.distribution import replicas, strategies
from infomin_tf.errors import UserError

WAITED = "seconds_waiting"


def replica_step(learner, jit_compile=False):
    """A learner's `train_step` on a replica, for a graph: by XLA, or without copies of tables."""
    if jit_compile:
        return graphs.compiled(learner.train_step, jit_compile=True)

    def step(batch):
        for table in learner.tables:
            replicas.read_without_copy(table.value)
        return learner.train_step(batch)

    return step


def compile_steps(learner, strategy, jit_compile=False):
    """A compiled function (iterator, count) -> dict of [count] metrics, averaged over replicas.

    Next to them are the seconds `WAITED` that each step waited for its batch, where these can be
    told.

    Args:
        learner: see `Task`.
        strategy: under whose scope it was built.
        jit_compile: see `TrainingLoop`.
    """
    step = _with_loss_scale(replica_step(learner, jit_compile), learner)

    def mean(value):
        return tf.cast(strategy.reduce("MEAN", value, axis=None), tf.float32)

    @graphs.compiled
    def one_step(batch):
        metrics = strategy.run(step, args=(batch,))
        return {name: mean(value) for name, value in metrics.items()}

    take_batch = _timed if strategies.can_time_batches(strategy) else lambda it: (next(it), {})

    @graphs.compiled
    def several_steps(iterator, count):
        # Its trace tells the metrics' names, so that the loop holds the only copy of the step.
        names = list(one_step.get_concrete_function(iterator.element_spec).structured_outputs)
        names += [WAITED] if take_batch is _timed else []
        history = {n: tf.TensorArray(tf.float32, size=count, element_shape=[]) for n in names}

        def next_step(index, history):
            batch, waited = take_batch(iterator)
            metrics = one_step(batch) | waited
            return index + 1, {n: history[n].write(index, metrics[n]) for n in names}

        _, history = tf.while_loop(lambda index, _: index < count, next_step, (0, history))
        return {name: array.stack() for name, array in history.items()}

    return lambda iterator, count: several_steps(iterator, tf.constant(count))


def _timed(iterator):
    """(the next batch, {WAITED: the seconds until it was there})."""
    asked = _clock()
    with tf.control_dependencies([asked]):
        batch = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
        return batch, {WAITED: tf.cast(_clock() - asked, tf.float32)}


def _clock():
    """Seconds, when the graph runs; tf.timestamp refuses to work where operations must repeat."""
    with tf.device("CPU:0"):
        return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])


def _with_loss_scale(step, learner):
    """The step with the metric `loss_scale`, the smallest of all, where the loss is scaled."""

    def step_and_scale(batch):
        metrics = step(batch)
        scales = [o.loss_scale for o in learner.optimizers if o.loss_scale is not None]
        return metrics | ({"loss_scale": tf.reduce_min(tf.stack(scales))} if scales else {})

    return step_and_scale


def check_finite(history, task, step, checkpoint):
    """Raises UserError if a loss is not finite, or if no scale of the loss makes gradients finite.

    Args:
        history: dict metric -> values of the steps after `step`.
        task: `Task`.
        step: number of steps before them.
        checkpoint: `Checkpoint`, whose newest is named.
    """
    if "loss_scale" in history and history["loss_scale"].min() < 1.0:
        raise UserError(
            f"{task.name}: gradients are not finite at any scale of the loss, near step "
            f"{step + 1}; the last good checkpoint is {checkpoint.newest or 'none yet'}. Start "
            "with another --model_dir and a lower learning rate, or with "
            'Experiment.precision = "mixed_bfloat16" or "float32"'
        )
    for name, values in history.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if name.endswith("loss") and len(bad):
            raise UserError(
                f"{task.name}: {name} became {values[bad[0]]} at step {step + int(bad[0]) + 1}; "
                f"the last good checkpoint is {checkpoint.newest or 'none yet'}. Lower the "
                "learning rate or raise the temperature, and start with another --model_dir"
            )
