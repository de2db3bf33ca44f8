"""The worker processes of one run: which of them writes, what they agree on, and what is said when one is lost."""

import contextlib
import functools

import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError


def are_several():
    """Whether the strategy in scope joins more than one process."""
    strategy = tf.distribute.get_strategy()
    is_multi_worker = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return is_multi_worker and strategy.extended._num_workers > 1


def is_chief():
    """Whether this process writes checkpoints, events, results and messages: worker 0, or the only process."""
    if not are_several():
        return True
    resolver = tf.distribute.get_strategy().cluster_resolver
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def gather(number):
    """The number that each worker gives, as an array that is the same on all; every worker must call it."""
    if not are_several():
        return np.array([number])
    extended = tf.distribute.get_strategy().extended
    mine = np.zeros(extended._num_workers, np.int64)
    mine[extended._id_in_cluster] = number
    return _sum_over_workers(tf.distribute.get_strategy())(tf.constant(mine)).numpy()


def wait_for_all():
    """Returns once every worker is here."""
    gather(0)


@contextlib.contextmanager
def clear_loss():
    """Turns what TensorFlow raises when another worker is gone into one message.

    Raises:
        UserError: a worker was lost.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ) as error:
        if not are_several():
            raise
        raise UserError(
            "another worker is lost: it was stopped, failed, or cannot be reached; its own messages say why. Start all "
            "workers again with the same command, and they go on from the newest checkpoint"
        ) from error


@functools.cache
def _sum_over_workers(strategy):
    @tf.function
    def total(row):
        rows = strategy.run(tf.identity, (row,))
        replicas_here = len(strategy.experimental_local_results(rows))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, rows, axis=None) // replicas_here

    return total
