"""The worker processes of one run: which one writes, what they agree on, how a lost one is told."""

import contextlib
import functools

import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError


def is_chief():
    """Whether this process, worker 0 or the only one, writes files and messages."""
    return _place()[0] == 0


def gather(number):
    """The numbers that all workers give, as the same array on each; every worker must call it."""
    index, count = _place()
    if count == 1:
        return np.array([number])
    mine = np.zeros(count, np.int64)
    mine[index] = number
    return _sum_over_workers(tf.distribute.get_strategy())(tf.constant(mine)).numpy()


def wait_for_all():
    """Returns once every worker is here."""
    gather(0)


def check_one_run(model_dir, found):
    """Raises UserError on all workers unless each has `found` its configuration in model_dir."""
    if not gather(int(found)).all():
        raise UserError(
            f"the workers do not find the same run in {model_dir}; start all of them with the "
            "same command, and a --model_dir that they share"
        )


def summary_writer(directory):
    """A writer of events for TensorBoard, which writes nothing unless this is the chief."""
    if is_chief():
        return tf.summary.create_file_writer(directory)
    return tf.summary.create_noop_writer()


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
        if _place()[1] == 1:  # no other worker can be gone
            raise
        raise UserError(
            "another worker is lost: it was stopped, failed, or cannot be reached; its own "
            "messages say why. Start all workers again with the same command, and they continue "
            "from the newest checkpoint"
        ) from error


def _place():
    """(which, of how many) worker this process is; a chief comes before the workers."""
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().as_dict()
    chiefs, workers = len(jobs.get("chief", ())), len(jobs.get("worker", ()))
    return resolver.task_id + (resolver.task_type == "worker") * chiefs, chiefs + workers


@functools.cache
def _sum_over_workers(strategy):
    @graphs.compiled
    def total(row):
        rows = strategy.run(tf.identity, (row,))
        replicas_here = len(strategy.experimental_local_results(rows))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, rows, axis=None) // replicas_here

    return total
