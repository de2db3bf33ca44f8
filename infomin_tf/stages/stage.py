"""What every stage of a run answers to."""

from infomin_tf.checkpoint import Checkpoint


class Stage:
    """One part of an experiment. `Experiment.run` asks all stages to check themselves before the first one runs.

    A stage leaves what later ones need in the `Run`: `split` with the trained g, `extractor` and `untrained`.
    """

    name = ""

    def check(self, run):
        """Raises UserError when something is missing that the stage will need; writes and trains nothing."""

    def run(self, run):
        """Does the work, or continues it; writes results.json."""
        raise NotImplementedError

    def restore(self, run):
        """Gives later stages what the finished stage made; nothing where they need nothing."""

    def begin_again(self, run):
        """Forgets what an earlier run of the stage kept; nothing where it keeps nothing."""


class TrainedStage(Stage):
    """A stage that trains a learner by a `TrainingLoop`, from `self._loop`."""

    def run(self, run):
        """Trains, or continues training; writes results.json."""
        learner, task = self.prepare(run)
        steps, seconds = self._loop.fit(task, run.strategy)
        self.write_results(run, learner, steps, seconds)
        self.leave(run, learner)

    def restore(self, run):
        """Reads what the finished stage trained."""
        learner, task = self.prepare(run)
        run.check_finished(self.name, Checkpoint(learner, task.directory).restore())
        self.leave(run, learner)

    def prepare(self, run):
        """Builds the learner and the `training.Task`; returns both."""
        raise NotImplementedError

    def write_results(self, run, learner, steps, seconds):
        """Measures the trained learner and writes results.json."""
        raise NotImplementedError

    def leave(self, run, learner):
        """Leaves what later stages need in the run."""
