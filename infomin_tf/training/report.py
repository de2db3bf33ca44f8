"""What is said of a training while it runs: TensorBoard's scalars, the progress, a collapse."""

import math

import tensorflow as tf
from absl import logging

from infomin_tf.distribution import workers
from infomin_tf.progress import Progress

_NAMES = {"loss": "loss", "generator_loss": "generator loss", "i_nce": "I_NCE"}


class Report:
    """Of one training; `progress` is a context that it is shown in.

    Args:
        task: `Task`.
        step: that it begins with.
        place: `Place`.
    """

    def __init__(self, task, step, place):
        title, self._rest = place.title(task.name), place.rest(task.name)
        self._place, self._total = place, task.total_steps
        self._images, self._notes, self._numbers = task.global_batch_size, {}, {}
        # Of the calls after the first, whose compilation says nothing about the others.
        self._seconds, self._waiting, self._steps = None, 0.0, 0
        self.progress = Progress(
            title, "step", task.total_steps, step, warms_up=True, shown=workers.is_chief()
        )

    def add(self, metrics, step, count):
        """Takes the mean metrics of `count` steps that end at `step`."""
        for name, value in metrics.items():
            tf.summary.scalar(name, value, step=step)
        self._numbers = {n: f"{metrics[name]:.2f}" for name, n in _NAMES.items() if name in metrics}
        if self._seconds is None:
            self._seconds = 0.0
        else:
            seconds = count * self._images / metrics["images_per_second"]
            self._seconds, self._steps = self._seconds + seconds, self._steps + count
            self._waiting += seconds * metrics.get("waiting_for_data", math.nan)
        _warn_of_collapse(metrics, step)

    def note(self, shown):
        """Takes what else is shown from now on, a dict name -> text or None."""
        self._notes |= shown or {}

    def show(self, step):
        """Says where the training is, when it is time to."""
        shown = [f"{name} {text}" for name, text in (self._numbers | self._notes).items()]
        # What stands last is cut off on a narrow terminal.
        run_left = self._place.run_left(self._total - step, self.steps_per_second)
        self.progress.update(step, run_left, *shown, self._data_wait(), self._rate(), self._rest)

    def _data_wait(self):
        """The share of the time that steps waited for their batches, where it is known."""
        share = self._waiting / self._seconds if self._seconds else math.nan
        return "" if math.isnan(share) else f"data wait {share:.0%}"

    @property
    def steps_per_second(self):
        """After the first call, which compiles; None where there was no other."""
        return self._steps / self._seconds if self._seconds else None

    def _rate(self):
        return f"{self.steps_per_second:.1f} steps/s" if self._seconds else ""


def _warn_of_collapse(metrics, step):
    if (spread := metrics.get("embedding_spread", 1.0)) < 0.05:
        message = (
            f"step {step}: the embeddings have nearly collapsed to one point (spread {spread:.3f}, "
            "healthy is near 1); a lower learning rate, more negatives or other views may help"
        )
        logging.log_every_n_seconds(logging.WARNING, message, 60)
