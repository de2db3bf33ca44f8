"""The length of a stage, and how the optimizer's learning rate changes over it."""

import itertools
import math
import typing

import keras
import numpy as np
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.settings import ABOVE_ZERO, FROM_ZERO, SHARE, check
from infomin_tf.training.optimizer import check_optimizer


@typing.runtime_checkable
class Schedule(typing.Protocol):
    """What a gin file binds as a schedule of the learning rate."""

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """A keras schedule (or number) for a stage of `total_steps` steps."""


class Constant:
    """The optimizer's learning rate throughout."""

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """See `Schedule`."""
        return learning_rate


class Cosine:
    """Cosine decay to a share of the learning rate, after an optional linear warm-up.

    Args:
        floor: learning rate at the end, as a share of the optimizer's (0.001 in the authors' code).
        warmup_epochs: epochs of linear growth, fewer than those of the training.
        warmup_from: the learning rate at the start of the growth, at most the optimizer's (0.01 in
            the authors' code, for large batches).
    """

    def __init__(self, floor=0.0, warmup_epochs=0, warmup_from=0.0):
        check(self, SHARE, floor=floor)
        check(self, FROM_ZERO, warmup_epochs=warmup_epochs, warmup_from=warmup_from)
        if warmup_from and not warmup_epochs:
            raise ValueError(
                f"Cosine.warmup_from = {warmup_from} changes nothing without a warm-up; bind "
                "Cosine.warmup_epochs"
            )
        self.floor, self.warmup_epochs, self.warmup_from = floor, warmup_epochs, warmup_from

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """See `Schedule`; ValueError when the warm-up does not fit into the stage."""
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if total_steps and self.warmup_epochs * steps_per_epoch >= total_steps:
            raise ValueError(
                f"Cosine.warmup_epochs = {self.warmup_epochs} is not shorter than the training, "
                f"which has {total_steps / steps_per_epoch:g} epochs; bind fewer warmup_epochs"
            )
        if self.warmup_from > learning_rate:
            raise ValueError(
                f"Cosine.warmup_from = {self.warmup_from} is above the optimizer's learning rate, "
                f"{learning_rate:g}, to which the warm-up grows; bind a lower one"
            )
        start, growth = learning_rate, {}
        if warmup_steps:
            growth = {"warmup_target": learning_rate, "warmup_steps": warmup_steps}
            start = self.warmup_from
        decay_steps = max(total_steps - warmup_steps, 1)
        return keras.optimizers.schedules.CosineDecay(start, decay_steps, self.floor, **growth)


class StepDecay:
    """Multiplies the learning rate by a factor at given epochs.

    Args:
        at_epochs: rising epochs, counted from 0, all above 0 and below `of_epochs`.
        factor: of each decay, above 0 and at most 1.
        of_epochs: the length for which `at_epochs` are meant; a run of another length shifts them
            in proportion.
    """

    def __init__(self, at_epochs=(60, 80), factor=0.2, of_epochs=100):
        check(self, ABOVE_ZERO, factor=factor, of_epochs=of_epochs)
        check(self, SHARE, factor=factor)
        rise = all(low < high for low, high in itertools.pairwise((0, *at_epochs)))
        if not at_epochs or not rise:
            raise ValueError(
                "StepDecay.at_epochs must be rising epochs above 0, one or more, such as (60, "
                f"80), not {at_epochs}"
            )
        self.at_epochs, self.factor, self.of_epochs = tuple(at_epochs), factor, of_epochs

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """See `Schedule`; ValueError when `at_epochs` reach the end of `of_epochs`."""
        if not self.at_epochs[-1] < self.of_epochs:
            epochs, meant = total_steps / steps_per_epoch, "the length for which they are meant"
            if epochs > self.at_epochs[-1]:
                meant = f"{epochs:g}"
            raise ValueError(
                f"StepDecay.at_epochs = {self.at_epochs} are not all below StepDecay.of_epochs = "
                f"{self.of_epochs}, the length for which they are meant, so the learning rate "
                f"would not decay; bind StepDecay.of_epochs = {meant}"
            )
        boundaries = [round(total_steps * epoch / self.of_epochs) for epoch in self.at_epochs]
        rates = [learning_rate * self.factor**power for power in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


def check_length(owner, epochs, batch_size, least=1):
    """Raises ValueError for a negative number of epochs, or batches of fewer than `least` images.

    `owner` is what takes them, for the message.
    """
    are_numbers = all(isinstance(value, int | float) for value in (epochs, batch_size))
    is_length = are_numbers and 0 <= epochs < math.inf
    if not is_length or batch_size < least or batch_size != int(batch_size):
        raise ValueError(
            f"{type(owner).__name__} needs 0 epochs or more and whole batches of at least {least} "
            f"images, not {epochs} epochs and a batch of {batch_size}"
        )


def check_training(owner, optimizer, schedule, epochs):
    """Raises ValueError for an optimizer or a schedule that makes no sense in a training.

    Args:
        owner: what takes them, for the message.
        optimizer: a keras optimizer.
        schedule: `Schedule`.
        epochs: of the training.
    """
    check_optimizer(owner, optimizer)
    if epochs:
        scheduled(optimizer, schedule, round(1000 * epochs), 1000)


def scheduled(optimizer, schedule, total_steps, steps_per_epoch):
    """A new optimizer like the given one, its learning rate following the schedule over a stage.

    A schedule counts updates, each of which takes `gradient_accumulation_steps` steps.
    """
    config = optimizer.get_config()
    rate = _course(config, schedule, total_steps, steps_per_epoch)
    return type(optimizer).from_config(config | {"learning_rate": rate})


def learning_rates(optimizer, schedule, total_steps, steps_per_epoch, steps):
    """The learning rates that `scheduled` would give at steps, a list.

    It makes no variable, which workers would make together.
    """
    config = optimizer.get_config()
    course = _course(config, schedule, total_steps, steps_per_epoch)
    if not isinstance(course, keras.optimizers.schedules.LearningRateSchedule):
        return [float(course)] * len(steps)
    updates = np.asarray(steps) // _steps_per_update(config)

    @graphs.compiled
    def rates():
        rate = lambda update: tf.cast(course(update), tf.float32)
        return tf.map_fn(rate, tf.constant(updates, tf.float32))

    return [float(rate) for rate in rates.get_concrete_function()().numpy()]


def _course(config, schedule, total_steps, steps_per_epoch):
    """A keras schedule or number for an optimizer of that configuration."""
    count = _steps_per_update(config)
    return schedule.over(config["learning_rate"], total_steps // count, steps_per_epoch / count)


def _steps_per_update(config):
    return config.get("gradient_accumulation_steps") or 1
