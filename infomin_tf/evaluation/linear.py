"""The linear probe of the paper: a linear classifier on frozen features of augmented images."""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.data.checks import check_view_size
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.evaluation import doubts
from infomin_tf.evaluation.features import extract
from infomin_tf.evaluation.probe import Probe, key_of
from infomin_tf.learners.learner import Learner
from infomin_tf.models import heads
from infomin_tf.runs.results import Measurement
from infomin_tf.settings import ABOVE_ZERO, check
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.training.optimizer import Update
from infomin_tf.training.schedules import Schedule, check_length
from infomin_tf.training.training import Training
from infomin_tf.views.families import Family

_STRIDE = 10  # every tenth image chooses the rate


class ProbeLearner(Learner):
    """Softmax regression on features of a frozen extractor.

    Args:
        extractor: layer, views [B, H, W, 3] in [0, 1] -> features [B, D]; used in inference mode.
        num_classes: outputs.
        optimizer: keras optimizer of the classifier.
    """

    def __init__(self, extractor, num_classes, optimizer, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.extractor, self.classifier = extractor, heads.Classifier(num_classes)
        self.probe_optimizer = Update(optimizer)
        self.optimizers = (self.probe_optimizer,)

    def build(self, view_shape):
        """Makes the classifier's weights; the extractor is built already."""
        self.classifier.build((None, self.extractor.output_dimension))
        self.probe_optimizer.build(self.classifier.trainable_variables)
        self.built = True

    def call(self, views, training=None):
        """Logits [B, num_classes] of views [B, H, W, 3]."""
        return self.classifier(tf.stop_gradient(self.extractor(views, training=False)))

    def train_step(self, batch):
        """One update on (views, labels); returns scalar metrics."""
        views, labels = batch
        with tf.GradientTape() as tape:
            logits = self(views)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            replica_loss = self.share(loss)
        self.probe_optimizer.minimize(tape, replica_loss, self.classifier.trainable_variables)
        correct = tf.argmax(logits, axis=1, output_type=labels.dtype) == labels
        return {
            "loss": loss,
            "accuracy": tf.reduce_mean(tf.cast(correct, tf.float32)),
            "learning_rate": self.probe_optimizer.learning_rate,
        }


class LinearProbe(Probe):
    """The probe of section C.2 (SGD, rate 30, 60 epochs) and section B.2 (100 epochs, single crop).

    A rate of 30 suits one encoder but fails on another; with `learning_rates` the probe chooses
    one. Every tenth image of the TRAINING split is held out, and a short probe is trained on the
    rest at each rate. The rate that is best on the held-out images is used for the final probe,
    which is trained on the whole training split.

    Args:
        optimizer: keras optimizer; each probe takes a copy.
        train_view: sampler of training views, such as `pairs.CropAndFlip`.
        epochs: passes through the labelled training images.
        batch_size: images per step.
        schedule: how the learning rate changes.
        learning_rates: rates to choose from; None to use the optimizer's.
        tuning_epochs: length of each short probe.
        loop: `TrainingLoop`.
    """

    key, label = "linear_probe", "linear probe"

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        train_view: Family,
        epochs=100,
        batch_size=128,
        schedule: Schedule | None = None,
        learning_rates: tuple[float, ...] | None = None,
        tuning_epochs=5,
        loop: TrainingLoop | None = None,
    ):
        check_length(self, min(epochs, tuning_epochs), batch_size)
        check(self, ABOVE_ZERO, epochs=epochs, tuning_epochs=tuning_epochs)
        self._optimizer, self._train_view = optimizer, train_view
        self._batch_size, self._schedule, self._loop = batch_size, schedule, loop
        self._epochs, self._tuning_epochs = epochs, tuning_epochs
        self._learning_rates = learning_rates
        self._training(self._rate, epochs)
        for rate in learning_rates or ():
            check("each of LinearProbe", ABOVE_ZERO, learning_rates=rate)
            for length in (epochs, tuning_epochs):
                self._training(rate, length)

    def check(self, run):
        """Raises UserError unless the labelled images make a batch of views for the replicas."""
        check_view_size(run.pair, self._train_view, "LinearProbe.train_view")
        training = self._training(self._rate, self._epochs)
        training.check(run, run.train)
        self._train_view.check(run.train)
        if self._learning_rates:
            rest, held = run.train.hold_out(_STRIDE)
            if not held.size:
                raise UserError(
                    "LinearProbe.learning_rates are chosen on held-out images of "
                    f"{run.train.name}, which has none to spare; add images, or bind "
                    "LinearProbe.learning_rates = None"
                )
            training.check(run, rest)

    def measure(self, run, features, subject):
        """See `Probe`: trains in model_dir/evaluate/linear_probe_<subject>, or continues.

        Also measures top-5 accuracy when there are more than ten classes.
        """
        if not self._train_view.is_adapted:
            self._train_view.adapt(run.train.sample(2000))
        name, extractor = f"linear_probe_{subject}", features.function
        rate, chosen, seconds = self._rate, "", 0.0
        if self._learning_rates:
            rate, seconds = self._choose_rate(run, extractor, features.view, name)
            chosen = f" (of {len(self._learning_rates)}, on held-out training images)"
        learner, steps, spent = self._train(run, run.train, extractor, rate, self._epochs, name)
        logits, labels = extract(learner, run.test, features.view)
        protocol = (
            f"offline linear probe, {steps} steps, {type(self._optimizer).__name__} "
            f"{rate:g}{chosen}, batch {self._batch_size}, random crops, test on one centre crop"
        )
        top_1 = top_k(logits, labels, 1)
        few = doubts.of_probe_length(self.label, steps)
        found = [self.accuracy(run, subject, top_1, protocol, seconds + spent, few)]
        if logits.shape[1] > 10:
            key, label = key_of(f"{self.key}/top_5", subject), f"{self.label} top-5, {subject}"
            found.append(Measurement(key, label, top_k(logits, labels, 5), "%", protocol))
        return found

    def _choose_rate(self, run, extractor, test_view, name):
        """(the rate that is best on held-out images, of equal ones the lowest; seconds)."""
        rest, held = run.train.hold_out(_STRIDE)
        results, seconds = [], 0.0
        rates = sorted(self._learning_rates)
        for rate in rates:
            length = (self._tuning_epochs, f"{name}_rate_{rate:g}")
            learner, _, spent = self._train(run, rest, extractor, rate, *length)
            results.append(top_k(*extract(learner, held, test_view), 1))
            seconds += spent
        # Workers may differ by rounding: the chief's.
        return rates[workers.gather(int(np.argmax(results)))[0]], seconds

    def _train(self, run, images, extractor, rate, epochs, name):
        """(the trained learner, its steps, seconds of training)."""
        training = self._training(rate, epochs)
        keras.utils.set_random_seed(seeds.stream(run.seed, f"evaluate/weights of {name}"))
        (optimizer,) = training.scheduled(images)
        learner = ProbeLearner(extractor, len(run.train.class_names), optimizer)
        learner.build(None)
        batches = lambda order: self._train_view.batches(images, order)
        where = seeds.stream(run.seed, f"evaluate/{name}"), run.directory(f"evaluate/{name}")
        task = training.task(f"evaluate: {name}", learner, images, batches, *where)
        trained = training.loop.fit(task, run.strategy, run.place)
        return learner, trained.steps, trained.seconds

    @property
    def _rate(self):
        return self._optimizer.get_config()["learning_rate"]

    def _training(self, rate, epochs):
        """The `Training` of a probe at a rate."""
        config = self._optimizer.get_config() | {"learning_rate": rate}
        optimizer = type(self._optimizer).from_config(config)
        return Training(self, (optimizer,), epochs, self._batch_size, self._schedule, self._loop)


def top_k(logits, labels, k):
    """Percent of images whose class has one of the k largest of logits [M, C].

    Of equal logits the lower classes come first.
    """
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return float(100 * np.mean((order == labels[:, None]).any(axis=1)))
