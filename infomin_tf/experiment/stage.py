"""The interface of every stage of a run."""

from infomin_tf.data.checks import check_jigsaw
from infomin_tf.evaluation import doubts
from infomin_tf.runs.results import Measurement
from infomin_tf.training.checkpoint import Checkpoint


class Stage:
    """One part of an experiment.

    `Experiment.run` asks all stages to check themselves before the first one runs. A stage leaves
    what later ones need in the `Run`: `split` with the trained g, `extractor` and `untrained`.
    """

    name = ""
    trains_on = ()  # which of `sets` a training depends on
    pair = None  # the `Pair` of its own; None for that of the experiment

    def check_views(self, pair, split):
        """Raises UserError unless the stage fits the sampling of views and their split."""

    def check(self, run):
        """Raises UserError when something is missing that the stage needs; writes nothing."""

    def sets(self, run):
        """dict role -> loaded images that the stage may use."""
        return run.sets()

    def num_steps(self, run):
        """Training steps that the stage takes; 0 where it trains nothing, or only probes."""
        return 0

    def run(self, run):
        """Does the work, or continues it; writes results.json."""
        raise NotImplementedError

    def restore(self, run):
        """Gives later stages what the finished stage made; nothing if they need nothing."""

    def begin_again(self, run):
        """Forgets what an earlier run of the stage kept; nothing where it keeps nothing."""


class TrainedStage(Stage):
    """A stage that trains a learner.

    It has a `Training`; `usual` says how long the paper trains.
    """

    trains_on = ("unlabelled",)
    # Key and label of the I_NCE that training saw.
    information = ("i_nce/training", "I_NCE of training")
    training, usual = None, ""

    def run(self, run):
        """Trains, or continues training; writes results.json."""
        learner, task = self.prepare(run)
        trained = self.training.loop.fit(task, run.strategy, run.place)
        measurements = self.measure(run, learner) + self._of_training(run, learner, trained)
        setting = f"{type(self).__name__}.epochs"
        few = doubts.of_length(trained.steps, task.steps_per_epoch, self.usual, setting)
        done = trained.steps, trained.seconds
        facts = {"planned_steps": task.total_steps, "steps_per_second": trained.steps_per_second}
        run.finish(self.name, measurements, *done, [few], **facts)
        self.leave(run, learner)

    def restore(self, run):
        """Reads what the finished stage trained, whatever the images are now."""
        learner, task = self.prepare(run)
        step = Checkpoint(learner, task.directory).restore(self.needed(run, learner))
        run.check_finished(self.name, step)
        self.leave(run, learner)

    def num_steps(self, run):
        """See `Stage`."""
        return self.training.last_step(self.images(run))

    def images(self, run):
        """The `Images` that an epoch goes through."""
        return run.sets()[self.trains_on[0]]

    def prepare(self, run):
        """Builds the learner and the `Task`; returns both."""
        raise NotImplementedError

    def needed(self, run, learner):
        """The keras variables that later stages need."""
        raise NotImplementedError

    def measure(self, run, learner):
        """List of `Measurement` of the trained learner."""
        raise NotImplementedError

    def _of_training(self, run, learner, trained):
        """I_NCE as training saw it, with the negatives that it had."""
        if trained.i_nce is None:
            return []
        mean, steps = trained.i_nce
        candidates = learner.num_candidates(self.training.batch_size)
        how = (
            f"{learner.bound_name}, N {candidates} of {run.unlabelled.size} images, mean over the "
            f"last {steps} steps of training, batch statistics"
        )
        return [Measurement(*self.information, mean, "nats", how)]

    def leave(self, run, learner):
        """Leaves what later stages need in the run."""


class EvaluationStage(Stage):
    """How good the pre-trained networks are."""

    name = "evaluate"


class PretrainingStage(TrainedStage):
    """A training whose networks are probed and exported."""

    name, jigsaw_head = "pretrain", None

    def check_views(self, pair, split):
        """See `Stage`."""
        check_jigsaw(pair, self.jigsaw_head, split.num_parts)

    def make_encoders(self, num_parts):
        """Makes the networks, one per part of the split; called once, before `run` or `restore`."""
        raise NotImplementedError

    @property
    def backbones(self):
        """One network per part of the split; what is probed and exported."""
        raise NotImplementedError

    def untrained(self, run):
        """A `FeatureExtractor` of new networks of the same kind, as they are initialised."""
        raise NotImplementedError
