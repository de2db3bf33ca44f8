"""Checkpoints of a learner: all its variables, its optimizers', the step and the time spent."""

import contextlib
import glob
import os
import re
import shutil
import time

import numpy as np
import tensorflow as tf
from absl import logging

from infomin_tf import seeds
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError, reason
from infomin_tf.runs import paths

_IN_FILE = "{}/.ATTRIBUTES/VARIABLE_VALUE"


def state(learner):
    """All variables of a learner and of its optimizers."""
    return [*learner.variables, *(v for o in learner.optimizers for v in o.variables)]


def newest_step(directory):
    """The step of the newest checkpoint of a stage; 0 where there is none."""
    folder = os.path.join(directory, "checkpoints")
    return max(_steps(folder), default=0) if os.path.isdir(folder) else 0


class Checkpoint:
    """A learner and its step in `directory/checkpoints`; a checkpoint is complete or not counted.

    What is there is read from the folder itself: TensorFlow's `CheckpointManager` relies on a list
    in a file, and drops from it what was written under a clock that ran ahead, such as another
    machine's.

    Args:
        learner: a built keras.Model with a tuple `optimizers`.
        directory: of the stage.
        kept: how many of the newest checkpoints stay on disk.

    Raises:
        UserError: the folder cannot be made.
    """

    def __init__(self, learner, directory, kept=2):
        self._directory = os.path.join(directory, "checkpoints")
        self._kept, self._started = kept, time.monotonic()
        # By position: TensorFlow does not see variables of Keras layers that are kept in lists.
        self._variables = [v.value for v in state(learner)]
        self._step, self._streams = (
            tf.Variable(start, dtype=tf.int64, trainable=False) for start in (0, seeds.VERSION)
        )
        # Seconds; the sum of I_NCE over the steps of the epoch so far, and their number.
        self._seconds, self._epoch = (
            tf.Variable(start, dtype=tf.float64, trainable=False) for start in (0.0, [0.0, 0.0])
        )
        self._parts = {
            "variables": self._variables,
            "step": self._step,
            "seconds": self._seconds,
            "epoch": self._epoch,
        }
        self._checkpoint = tf.train.Checkpoint(streams=self._streams, **self._parts)
        # A variable: made by all workers, not by the one that saves.
        self._checkpoint.save_counter  # noqa: B018
        try:
            os.makedirs(self._directory, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{self._directory} cannot be made ({error.strerror}); use another --model_dir"
            ) from error

    @property
    def newest(self):
        """Path of the newest checkpoint, or None."""
        steps = _steps(self._directory)
        return self._path(steps[-1]) if steps else None

    @property
    def seconds(self):
        """Wall-clock seconds of training up to the newest checkpoint, over all runs."""
        return float(self._seconds.numpy())

    def note_i_nce(self, values, begins_epoch):
        """Adds I_NCE of steps of an epoch, in order: its first ones or those that follow."""
        total, count = (0.0, 0.0) if begins_epoch else self._epoch.numpy()
        for value in values:  # one by one, so that calls of any length give the same bits
            total += float(value)
        self._epoch.assign([total, count + len(values)])

    @property
    def i_nce(self):
        """(mean I_NCE in nats over the steps of the newest epoch, their number); None without."""
        total, count = self._epoch.numpy()
        return (float(total / count), int(count)) if count else None

    def restore(self, needed=None):
        """Loads the newest checkpoint that can be read, if any; returns its step (0 without).

        Args:
            needed: the keras variables that must fit; others, such as a memory bank for another
                number of images, may have another shape in the checkpoint and then stay as they
                are. None for all.

        Raises:
            UserError: there are checkpoints, but none can be opened, or read into this model;
            or workers read different ones.
        """
        step = self._restore(needed)
        if len(set(workers.gather(step))) > 1:
            raise UserError(
                f"the workers find different checkpoints in {self._directory}; --model_dir must "
                "be a folder that all of them share"
            )
        return step

    def _restore(self, needed):
        steps, unopened = _steps(self._directory), None
        for path in map(self._path, reversed(steps)):
            try:
                with paths.without_patterns(self._directory) as directory:
                    self._load(os.path.join(directory, os.path.basename(path)), needed)
                return int(self._step.numpy())
            except (AssertionError, ValueError, IndexError, tf.errors.OpError) as error:
                logging.warning("the checkpoint %s cannot be read (%s)", path, reason(error))
                unopened = unopened or _why_unopened(path)
        if unopened:
            raise UserError(
                f"the checkpoints in {self._directory} are there, but cannot be opened "
                f"({unopened}); make them readable, then the same command continues"
            )
        if steps:
            raise UserError(
                f"no checkpoint in {self._directory} can be read into this model; delete that "
                "folder to begin the stage anew, or use another --model_dir"
            )
        if os.listdir(self._directory):
            logging.warning("%s has no complete checkpoint; the stage begins anew", self._directory)
        return 0

    def _load(self, path, needed):
        saved, parts = tf.train.load_checkpoint(path), dict(self._parts)
        if saved.has_tensor(_IN_FILE.format("streams")):
            parts["streams"] = self._streams
        else:  # before streams had names
            self._streams.assign(1)
        if saved.has_tensor(_IN_FILE.format("skipped")):  # by an earlier version
            parts["skipped"] = tf.Variable(0, dtype=tf.int64)
        if needed is not None:
            parts["variables"] = self._fitting(saved.get_variable_to_shape_map(), needed)
        tf.train.Checkpoint(**parts).restore(path).assert_consumed()

    def _fitting(self, shapes, needed):
        """The variables; one that is not needed gives way to one of the saved shape."""
        kept, variables = {id(v.value) for v in needed}, []
        for index, variable in enumerate(self._variables):
            shape = shapes.get(_IN_FILE.format(f"variables/{index}"), variable.shape)
            fits = id(variable) in kept or tuple(shape) == tuple(variable.shape)
            variables.append(variable if fits else tf.Variable(tf.zeros(shape, variable.dtype)))
        return variables

    def check_streams(self):
        """Raises UserError when the rest of the stage would see random numbers of another kind."""
        if (found := int(self._streams.numpy())) != seeds.VERSION:
            raise UserError(
                f"the unfinished stage in {os.path.dirname(self._directory)} was begun by a "
                "version of this program that drew other random numbers from a seed (streams "
                f"{found}, now {seeds.VERSION}), so the rest would not match it; use another "
                "--model_dir, or finish it with that version"
            )

    def save(self, step):
        """Writes a checkpoint and deletes older ones; of several workers, the chief does.

        Raises:
            UserError: a weight that is not finite, or a disk that cannot be written.
        """
        if not workers.is_chief():
            return
        if not all(np.isfinite(v.numpy()).all() for v in self._variables if v.dtype.is_floating):
            raise UserError(
                f"weights are no longer finite at step {step}; the last good checkpoint is "
                f"{self.newest or 'none yet'}. Lower the learning rate, and start with another "
                "--model_dir"
            )
        self._step.assign(step)
        now = time.monotonic()
        self._seconds.assign_add(now - self._started)
        self._started = now
        try:
            self._checkpoint.write(self._path(step))
            # One of a later step could not be read, or this run would have continued from there.
            self._delete_all_but([s for s in _steps(self._directory) if s <= step][-self._kept :])
        except (OSError, tf.errors.OpError) as error:
            free = shutil.disk_usage(self._directory).free
            self._delete_all_but(_steps(self._directory))
            raise UserError(
                f"the checkpoint at step {step} could not be written to {self._directory} "
                f"({reason(error)}; {free / 2**20:.0f} MiB free); make room or make it writable, "
                "then run the same command to continue from the checkpoint before"
            ) from error

    def _path(self, step):
        return os.path.join(self._directory, f"ckpt-{step}")

    def _delete_all_but(self, steps):
        """Deletes other checkpoints, and what killed or failed writers left."""
        with contextlib.suppress(OSError):  # what stays is deleted another time
            for entry in os.scandir(self._directory):
                match = re.fullmatch(r"ckpt-(\d+)\.(index|data-\d+-of-\d+)", entry.name)
                if match and int(match[1]) in steps:
                    continue
                (shutil.rmtree if entry.is_dir() else os.remove)(entry.path)


def _steps(folder):
    """Steps of the checkpoints that are there, in order; TensorFlow writes the index last."""
    names = os.listdir(folder)
    return sorted(int(m[1]) for name in names if (m := re.fullmatch(r"ckpt-(\d+)\.index", name)))


def _why_unopened(path):
    """Why the system gives no access to the files of a checkpoint that are there, or None."""
    try:
        for file in glob.glob(glob.escape(path) + ".*"):
            with open(file, "rb") as opened:
                opened.read(1)
    except OSError as error:
        return f"{file}: {error.strerror}"
    return None
