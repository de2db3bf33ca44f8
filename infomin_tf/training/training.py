"""How a learner is trained: optimizers, length, batches, learning-rate schedule, loop."""

from infomin_tf.data.checks import check_batches
from infomin_tf.data.order import Order, Shard
from infomin_tf.training import schedules
from infomin_tf.training.loop import Task, TrainingLoop


class Training:
    """What every training has in common.

    Args:
        owner: what takes these settings, for messages.
        optimizers: keras optimizers, of which each training takes copies.
        epochs: passes through the images.
        batch_size: images per step.
        schedule: how the learning rates change; None for `Constant`.
        loop: `TrainingLoop`; None for one with its defaults.
        least: images of the smallest batch that makes sense.

    Raises:
        ValueError: settings that make no sense.
    """

    def __init__(self, owner, optimizers, epochs, batch_size, schedule=None, loop=None, least=1):
        schedules.check_length(owner, epochs, batch_size, least)
        self.schedule, self.loop = schedule or schedules.Constant(), loop or TrainingLoop()
        for optimizer in optimizers:
            schedules.check_training(owner, optimizer, self.schedule, epochs)
        self.setting = f"{type(owner).__name__}.batch_size"
        self.optimizers, self.epochs, self.batch_size = tuple(optimizers), epochs, batch_size

    def check(self, run, images):
        """Raises UserError unless an epoch has a batch that the replicas can share."""
        check_batches(run, images, self.batch_size, self.loop, self.setting)

    def steps(self, images):
        """(steps of an epoch, of all epochs); a finished stage's images may have become too few."""
        per_epoch = max(images.size // self.batch_size, 1)
        return per_epoch, round(self.epochs * per_epoch)

    def last_step(self, images):
        """Where the training ends."""
        total = self.steps(images)[1]
        return min(total, self.loop.steps_limit or total)

    def scheduled(self, images):
        """New optimizers, each with its schedule of the learning rate."""
        per_epoch, total = self.steps(images)
        return [schedules.scheduled(o, self.schedule, total, per_epoch) for o in self.optimizers]

    def rates(self, images, steps):
        """Learning rate of each optimizer at steps, a list of lists."""
        per_epoch, total = self.steps(images)
        course = self.schedule, total, per_epoch
        return [schedules.learning_rates(o, *course, steps) for o in self.optimizers]

    def task(self, name, learner, images, batches, seed, directory, **hooks):
        """The `Task` of training a learner.

        Args:
            name, learner, directory: see `Task`.
            images: `Images`, for the length.
            batches: function `Order` -> tf.data.Dataset of this host's batches.
            seed: of the order and of the views.
            **hooks: `on_start`, `on_epoch_end` of a `Task`.
        """

        def make_batches(step, shard):
            return batches(Order(self.batch_size, seed, step, Shard(*shard)))

        length = self.batch_size, *self.steps(images)
        return Task(name, learner, make_batches, *length, directory, **hooks)
