"""Pre-training on Colorful Moving-MNIST, and its supervised baseline (section 4.1, B.4)."""

from collections.abc import Callable

import keras
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.errors import UserError
from infomin_tf.experiment import pictures
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.stage import PretrainingStage
from infomin_tf.learners.negatives import InBatch
from infomin_tf.models.encoder import Encoder
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.moving_mnist import factors
from infomin_tf.moving_mnist.networks import SequenceEncoder
from infomin_tf.moving_mnist.supervised import FactorLearner
from infomin_tf.runs.results import Measurement
from infomin_tf.settings import COUNT, check
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.training.schedules import Schedule
from infomin_tf.training.training import Training


class PretrainSequences(Pretrain):
    """Contrasts frames 1 to k, by the backbone and an LSTM, with an image, by the backbone alone.

    Args:
        backbone: factory of the network of single frames; called once.
        head: factory of a head; called for both encoders.
        optimizer, negatives, batch_size, epochs, schedule, weight_decay, num_candidates, loop: see
            `Pretrain`.
        units: of the LSTM.
    """

    usual = "200 epochs of 60,000 digits"

    def __init__(
        self,
        backbone: Callable[[], keras.Layer],
        head: Callable[[], keras.Layer],
        optimizer: keras.optimizers.Optimizer,
        negatives: InBatch | None = None,
        units=64,
        batch_size=128,
        epochs=200,
        schedule: Schedule | None = None,
        weight_decay=0.0,
        num_candidates=128,
        loop: TrainingLoop | None = None,
    ):
        super().__init__(
            None,
            optimizer,
            negatives,
            weight_decay=weight_decay,
            batch_size=batch_size,
            epochs=epochs,
            schedule=schedule,
            num_candidates=num_candidates,
            loop=loop,
        )
        check(self, COUNT, units=units)
        self._make_backbone, self._make_head, self._units = backbone, head, units

    def make_encoders(self, num_parts):
        """Makes both encoders; they share the backbone."""
        backbone = self._make_backbone()
        self._key_encoders = []
        self._encoders = [
            SequenceEncoder(backbone, self._make_head(), self._units),
            Encoder(backbone, self._make_head()),
        ]

    @property
    def backbones(self):
        """The network of single frames."""
        return [self._encoders[-1].backbone]

    def check(self, run):
        """Raises UserError unless there are sequences for a batch, whose views share something."""
        factors.check_sequences("PretrainSequences", run.unlabelled)
        if not run.pair.shared:
            raise UserError(
                "the views share nothing, so there is nothing to learn; "
                "bind FactorPair.keep_digit, keep_position or keep_background"
            )
        super().check(run)

    def untrained(self, run):
        """A `FeatureExtractor` of a new backbone, as it is initialised."""
        keras.utils.set_random_seed(seeds.stream(run.seed, "untrained"))
        return _extractor(self._make_backbone(), run)

    def _introduce(self, run, writer):
        picture = run.pair.picture(run.train, run.seed)
        with writer.as_default():
            pictures.begin(self.name, run, "frames_and_view_2", picture)

    def _features(self, run):
        return _extractor(*self.backbones, run)

    def measure(self, run, learner):
        """Those of `Pretrain`, and the entropy of what the views share."""
        entropy = run.held_out.entropy(run.pair.shared)
        how = (
            f"of {', '.join(run.pair.shared)} in {run.held_out_name}; digit: which drawing, "
            "background: which crop"
        )
        key, label = "entropy/shared_factors", "entropy of the shared factors"
        found = super().measure(run, learner)
        return [*found, Measurement(key, label, entropy, "nats", how)]


class TrainSupervised(PretrainingStage):
    """The supervised baseline: the backbone and a linear head per factor, end to end, losses added.

    Args:
        backbone: factory of the network of single frames; called once.
        optimizer, batch_size, epochs, schedule, loop: see `Pretrain`.
    """

    trains_on, usual = ("train",), "200 epochs of 60,000 digits"

    def __init__(
        self,
        backbone: Callable[[], keras.Layer],
        optimizer: keras.optimizers.Optimizer,
        batch_size=128,
        epochs=200,
        schedule: Schedule | None = None,
        loop: TrainingLoop | None = None,
    ):
        self._make_backbone = backbone
        self.training = Training(self, (optimizer,), epochs, batch_size, schedule, loop)

    def make_encoders(self, num_parts):
        """Makes the backbone."""
        self._backbone = self._make_backbone()

    @property
    def backbones(self):
        """The network that is trained."""
        return [self._backbone]

    def check(self, run):
        """Raises UserError unless there are labelled sequences, enough for a batch."""
        run.need_labels("supervised training")
        factors.check_labelled("TrainSupervised", run)
        self.training.check(run, run.train)

    def needed(self, run, learner):
        """Of the network; not of its heads."""
        return learner.extractor.variables

    def measure(self, run, learner):
        """Errors of the network's own heads."""
        return factors.end_to_end_errors(learner, run)

    def leave(self, run, learner):
        """The trained `FeatureExtractor`, and what makes an untrained one."""
        run.extractor, run.untrained = learner.extractor, lambda: self.untrained(run)

    def untrained(self, run):
        """A `FeatureExtractor` of a new backbone, as it is initialised."""
        keras.utils.set_random_seed(seeds.stream(run.seed, "untrained"))
        return _extractor(self._make_backbone(), run)

    def prepare(self, run):
        """Builds the learner and the task; returns (FactorLearner, Task)."""
        (optimizer,) = self.training.scheduled(run.train)
        sets = {"digit": run.train.digits, "background": run.train.backgrounds}
        sizes = {name: len(images.class_names) for name, images in sets.items()}
        learner = FactorLearner(_extractor(self._backbone, run), sizes, run.train.canvas, optimizer)
        learner.build((run.pair.size, run.pair.size, 3))
        task = self.training.task(
            self.name,
            learner,
            run.train,
            lambda order: run.train.raw(order, order.size).prefetch(tf.data.AUTOTUNE),
            seeds.stream(run.seed, "pretrain/frames"),
            run.directory(self.name),
        )
        return learner, task


def _extractor(backbone, run):
    extractor = FeatureExtractor(run.split.of_images(), [backbone])
    extractor.build((None, run.pair.size, run.pair.size, 3))
    return extractor
