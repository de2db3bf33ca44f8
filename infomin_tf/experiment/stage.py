"""What every stage of a run answers to."""

from infomin_tf.evaluation import doubts
from infomin_tf.runs.results import Number
from infomin_tf.training.checkpoint import Checkpoint
from infomin_tf.training.schedules import learning_rates, scheduled


class Stage:
    """One part of an experiment. `Experiment.run` asks all stages to check themselves before the first one runs.

    A stage leaves what later ones need in the `Run`: `split` with the trained g, `extractor` and `untrained`.
    """

    name = ""
    trains_on = ()  # which of `sets` a training depends on

    def check(self, run):
        """Raises UserError when something is missing that the stage will need; writes and trains nothing."""

    def sets(self, run):
        """dict role -> loaded images that the stage may use."""
        return run.sets()

    def run(self, run):
        """Does the work, or continues it; writes results.json."""
        raise NotImplementedError

    def restore(self, run):
        """Gives later stages what the finished stage made; nothing where they need nothing."""

    def begin_again(self, run):
        """Forgets what an earlier run of the stage kept; nothing where it keeps nothing."""


class TrainedStage(Stage):
    """A stage that trains a learner.

    It has `_loop` (a `TrainingLoop`), `_batch_size`, `_epochs`, `_schedule` and `_optimizers`; `usual` says how
    long the paper trains.
    """

    trains_on = ("unlabelled",)
    information = "I_NCE of training"  # name of the number

    def run(self, run):
        """Trains, or continues training; writes results.json."""
        learner, task = self.prepare(run)
        trained = self._loop.fit(task, run.strategy)
        numbers, found = self.measure(run, learner)
        numbers += self._numbers_of_training(run, learner, trained)
        per_epoch, planned = self.steps(run)
        few = doubts.of_length(trained.steps, per_epoch, self.usual)
        found = [few, *found] if few else found
        run.finish(self.name, numbers, trained.steps, trained.seconds, found, planned_steps=planned)
        self.leave(run, learner)

    def restore(self, run):
        """Reads what the finished stage trained, whatever the images are now."""
        learner, task = self.prepare(run)
        step = Checkpoint(learner, task.directory).restore(self.needed(run, learner))
        run.check_finished(self.name, step)
        self.leave(run, learner)

    @property
    def schedule(self):
        """Of the learning rates."""
        return self._schedule

    def steps(self, run):
        """(steps of an epoch, steps of all epochs)."""
        images = getattr(run, self.trains_on[0])
        per_epoch = max(
            images.size // self._batch_size, 1
        )  # `check` refuses less; a finished stage can be read
        return per_epoch, round(self._epochs * per_epoch)

    def last_step(self, run):
        """Where the training ends."""
        return min(self.steps(run)[1], self._loop.steps_limit or self.steps(run)[1])

    def scheduled(self, run):
        """The optimizers, each with its course of the learning rate."""
        per_epoch, total = self.steps(run)
        return [scheduled(o, self._schedule, total, per_epoch) for o in self._optimizers]

    def rates(self, run, steps):
        """Learning rate of each optimizer at steps, a list of lists."""
        per_epoch, total = self.steps(run)
        return [
            learning_rates(o, self._schedule, total, per_epoch, steps) for o in self._optimizers
        ]

    def prepare(self, run):
        """Builds the learner and the `training.Task`; returns both."""
        raise NotImplementedError

    def needed(self, run, learner):
        """The keras variables that later stages need."""
        raise NotImplementedError

    def measure(self, run, learner):
        """(list of `Number`, list of doubts in words) of the trained learner."""
        raise NotImplementedError

    def _numbers_of_training(self, run, learner, trained):
        """I_NCE as training saw it, with the negatives that it had."""
        if trained.i_nce is None:
            return []
        mean, steps = trained.i_nce
        candidates = learner.num_candidates(self._batch_size)
        how = (
            f"{learner.bound_name}, N {candidates} of {run.unlabelled.size} images, mean over the last {steps} steps of training, "
            "batch statistics"
        )
        return [Number(self.information, mean, "nats", how)]

    def leave(self, run, learner):
        """Leaves what later stages need in the run."""
