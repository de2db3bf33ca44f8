"""Checkpoints of a learner: all its variables, its optimizers', the step and the time spent."""

import os
import re
import shutil
import time

import numpy as np
import tensorflow as tf
from absl import logging

from infomin_tf import workers
from infomin_tf.errors import UserError


def state(learner):
    """All variables of a learner and of its optimizers."""
    return [*learner.variables, *(v for o in learner.optimizers for v in o.variables)]


class Checkpoint:
    """A learner and its step in `directory/checkpoints`; a checkpoint is complete or it does not count.

    Args:
        learner: a built keras.Model with a tuple `optimizers`.
        directory: of the stage.
        kept: how many of the newest checkpoints stay on disk.
    """

    def __init__(self, learner, directory, kept=2):
        self._directory = os.path.join(directory, "checkpoints")
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._started = time.monotonic()
        # All variables by position: TensorFlow does not see those of Keras layers that are kept in lists.
        self._variables = [v.value for v in state(learner)]
        self._skipped = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            variables=self._variables,
            step=self._step,
            skipped=self._skipped,
            seconds=self._seconds,
        )
        self._checkpoint.save_counter  # a variable: made by all workers, not by the one that saves  # noqa: B018
        try:
            self._manager = tf.train.CheckpointManager(self._checkpoint, self._directory, kept)
        except ValueError as error:
            raise UserError(
                f"{self._directory}/checkpoint, TensorFlow's list, is damaged ({error}); delete that file: the run goes on "
                "from the checkpoints beside it"
            ) from error

    @property
    def newest(self):
        """Path of the newest checkpoint, or None."""
        return self._manager.latest_checkpoint

    @property
    def seconds(self):
        """Wall-clock seconds of training up to the newest checkpoint, over all runs."""
        return float(self._seconds.numpy())

    def count_skipped(self, more):
        """Notes that so many more steps were left out; returns how many have been, over all runs."""
        self._skipped.assign_add(more)
        return int(self._skipped.numpy())

    def restore(self):
        """Loads the newest checkpoint that can be read, if any; returns its step (0 without).

        Raises:
            UserError: there are checkpoints, but none can be read into this model; or workers read different ones.
        """
        step = self._restore()
        if len(set(workers.gather(step))) > 1:
            raise UserError(
                f"the workers find different checkpoints in {self._directory}; --model_dir must be a folder that all of "
                "them share"
            )
        return step

    def _restore(self):
        # By the files themselves: the list that TensorFlow keeps beside them may be lost or damaged.
        files = [re.fullmatch(r"(ckpt-(\d+))\.index", name) for name in _names(self._directory)]
        found = sorted((int(file[2]), file[1]) for file in files if file)
        present = [os.path.join(self._directory, name) for _, name in found]
        for path in reversed(present):
            try:
                self._checkpoint.restore(path).assert_consumed()
                return int(self._step.numpy())
            except (AssertionError, ValueError, IndexError, tf.errors.OpError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                logging.warning("the checkpoint %s cannot be read (%s)", path, reason)
        if present or self._manager.checkpoints:
            raise UserError(
                f"no checkpoint in {self._directory} can be read into this model; delete that folder to begin the stage "
                "anew, or use another --model_dir"
            )
        return 0

    def save(self, step):
        """Writes a checkpoint, of several workers the chief does; older ones go only after it is complete.

        Raises:
            UserError: a weight that is not finite, or a disk that cannot be written.
        """
        if not workers.is_chief():
            return
        if not all(np.isfinite(v.numpy()).all() for v in self._variables if v.dtype.is_floating):
            raise UserError(
                f"weights are not finite any more at step {step}; the last good checkpoint is "
                f"{self.newest or 'none yet'}. Lower the learning rate, and start with another --model_dir"
            )
        self._step.assign(step)
        now = time.monotonic()
        self._seconds.assign_add(now - self._started)
        self._started = now
        try:
            self._manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            free = shutil.disk_usage(os.path.dirname(self._directory)).free
            raise UserError(
                f"the checkpoint at step {step} could not be written to {self._directory} "
                f"({str(error).splitlines()[0]}; {free / 2**20:.0f} MiB free); make room or make it writable, then run "
                "the same command to go on from the checkpoint before"
            ) from error


def _names(directory):
    """Names of the files in a folder; none when there is no folder."""
    return os.listdir(directory) if os.path.isdir(directory) else []
