"""The length of a stage, and the course of the learning rate over it; the optimizer's own rate is where it starts from."""

import typing

import keras


@typing.runtime_checkable
class Schedule(typing.Protocol):
    """What a gin file binds for the course of a learning rate."""

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """A keras schedule (or number) for a stage of `total_steps` steps."""


class Constant:
    """The optimizer's learning rate throughout."""

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """A keras schedule (or number) for a stage of `total_steps` steps."""
        del total_steps, steps_per_epoch
        return learning_rate


class Cosine:
    """Cosine decay to a share of the learning rate, after an optional linear warm-up.

    Args:
        floor: share of the learning rate at the end (0.001 in the authors' code).
        warmup_epochs: epochs of linear growth.
        warmup_from: the learning rate at the start of the growth (0.01 in the authors' code, for large batches).
    """

    def __init__(self, floor=0.0, warmup_epochs=0, warmup_from=0.0):
        self.floor, self.warmup_epochs, self.warmup_from = floor, warmup_epochs, warmup_from

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """A keras schedule for a stage of `total_steps` steps."""
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if not warmup_steps:
            return keras.optimizers.schedules.CosineDecay(
                learning_rate, max(total_steps, 1), alpha=self.floor
            )
        return keras.optimizers.schedules.CosineDecay(
            self.warmup_from,
            max(total_steps - warmup_steps, 1),
            alpha=self.floor,
            warmup_target=learning_rate,
            warmup_steps=warmup_steps,
        )


class StepDecay:
    """Multiplies the learning rate by a factor at given epochs.

    Args:
        at_epochs: rising epochs, counted from 0.
        factor: of each decay.
        of_epochs: the length for which `at_epochs` is meant; a run of another length shifts them in proportion.
    """

    def __init__(self, at_epochs=(60, 80), factor=0.2, of_epochs=100):
        self.at_epochs, self.factor, self.of_epochs = at_epochs, factor, of_epochs

    def over(self, learning_rate, total_steps, steps_per_epoch):
        """A keras schedule for a stage of `total_steps` steps."""
        del steps_per_epoch
        boundaries = [round(total_steps * epoch / self.of_epochs) for epoch in self.at_epochs]
        rates = [learning_rate * self.factor**power for power in range(len(boundaries) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


def check_length(owner, epochs, batch_size, least=1):
    """Raises ValueError for less than no epochs, or a batch of fewer than `least` images; `owner` is what takes them."""
    are_numbers = all(isinstance(value, int | float) for value in (epochs, batch_size))
    if not are_numbers or epochs < 0 or batch_size < least or batch_size != int(batch_size):
        raise ValueError(
            f"{type(owner).__name__} takes 0 epochs or more and whole batches of at least {least} images, not {epochs} "
            f"epochs and a batch of {batch_size}"
        )


def scheduled(optimizer, schedule, total_steps, steps_per_epoch):
    """A new optimizer like the given one, its learning rate following the schedule over a stage.

    A schedule counts updates, each of which takes `gradient_accumulation_steps` steps.
    """
    config = optimizer.get_config()
    count = config.get("gradient_accumulation_steps") or 1
    rate = schedule.over(config["learning_rate"], total_steps // count, steps_per_epoch / count)
    return type(optimizer).from_config(config | {"learning_rate": rate})
