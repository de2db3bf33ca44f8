"""Stage 1: learn the view generator g (section 4.2)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from infomin_tf import graphs, seeds
from infomin_tf.data.checks import check_batches, check_view_size
from infomin_tf.data.order import Order
from infomin_tf.distribution import workers
from infomin_tf.evaluation import doubts, features, mutual_information
from infomin_tf.experiment.pictures import introduce, show_channels, write_channels
from infomin_tf.experiment.stage import TrainedStage
from infomin_tf.learners import bounds, view_learner
from infomin_tf.models import heads, torchvision
from infomin_tf.models.encoder import Encoder
from infomin_tf.runs.results import Measurement
from infomin_tf.settings import FROM_ZERO, check
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.training.schedules import Schedule, check_length
from infomin_tf.training.training import Training
from infomin_tf.views import saved
from infomin_tf.views.pairs import IndependentPair


class LearnViews(TrainedStage):
    """Trains g against the critics (equation 2) and with the classifiers (equation 3).

    The three rows of Table 5 are settings: unsupervised is `supervised_weight = 0` without
    `classifier_backbone`; supervised is `unsupervised_weight = 0`; semi-supervised is both at 1.

    Args:
        critic: factory of f1 and f2, an `Encoder`.
        critic_optimizer: keras optimizer of f1, f2.
        generator_optimizer: keras optimizer of g, c1, c2.
        pair: the crops that views are learned on, such as the two of `pairs.IndependentPair`
            (authors' code) or the one of `pairs.SharedPair` (equation 2 has one X); None for those
            of pre-training. They must be as large as these.
        classifier_backbone: factory of the backbones of c1 and c2; None for no classifiers.
        bound: the estimate of I(v1; v2) that is minimised.
        unsupervised_weight, supervised_weight: weights of the two terms of equation 3.
        batch_size: unlabelled images per step (N of I_NCE).
        labelled_batch_size: labelled images per step.
        epochs: passes through the unlabelled images.
        schedule: how both learning rates change.
        loop: `TrainingLoop`.
        initial_weights: path of a .safetensors file with torchvision's weights, from which f1, f2,
            c1 and c2 start, see `torchvision.start_from`; None for random ones.
    """

    name, usual = "learn_views", "100 epochs of 105,000 images"
    information = ("i_nce/view_learning", "I_NCE of view learning")

    def __init__(
        self,
        critic: Callable[[], keras.Layer],
        critic_optimizer: keras.optimizers.Optimizer,
        generator_optimizer: keras.optimizers.Optimizer,
        pair: IndependentPair | None = None,
        classifier_backbone: Callable[[], keras.Layer] | None = None,
        bound: bounds.Bound | None = None,
        unsupervised_weight=1.0,
        supervised_weight=1.0,
        batch_size=128,
        labelled_batch_size=64,
        epochs=100,
        schedule: Schedule | None = None,
        loop: TrainingLoop | None = None,
        initial_weights: str | None = None,
    ):
        optimizers = (critic_optimizer, generator_optimizer)
        self.training = Training(self, optimizers, epochs, batch_size, schedule, loop, least=2)
        check_length(self, epochs, labelled_batch_size)
        check(
            self,
            FROM_ZERO,
            unsupervised_weight=unsupervised_weight,
            supervised_weight=supervised_weight,
        )
        if not unsupervised_weight and not (supervised_weight and classifier_backbone):
            raise ValueError(
                "nothing in LearnViews trains the generator: bind unsupervised_weight above 0, or "
                "supervised_weight above 0 with a classifier_backbone"
            )
        self.pair, self._critics = pair, (critic(), critic())
        self._backbones = [classifier_backbone() for _ in range(2)] if classifier_backbone else ()
        self._bound = bound or bounds.InfoNCE()
        self._weights = (unsupervised_weight, supervised_weight)
        self._labelled_batch_size = labelled_batch_size
        self._initial_weights = initial_weights

    def check_views(self, pair, split):
        """See `Stage`."""
        check_view_size(pair, self.pair, "LearnViews.pair")

    def check(self, run):
        """Raises UserError unless images, labels and weights that the training needs are there."""
        self.training.check(run, run.unlabelled)
        self._pair(run).check(run.unlabelled)
        if self._backbones:
            run.need_labels("view learning with classifiers")
            name = "LearnViews.labelled_batch_size"
            check_batches(run, run.train, self._labelled_batch_size, self.training.loop, name)
        if self._initial_weights:
            shapes = run.split.part_shapes((run.pair.size, run.pair.size, 3))
            for networks in ([critic.backbone for critic in self._critics], self._backbones):
                if networks:
                    torchvision.start_from(self._initial_weights, networks, shapes)

    @property
    def trains_on(self):
        """See `Stage`."""
        return ("unlabelled", "train") if self._backbones else ("unlabelled",)

    def needed(self, run, learner):
        """Of the split with g; not of critics and classifiers."""
        return run.split.variables

    def _pair(self, run):
        return (self.pair or run.pair).plain()

    def leave(self, run, learner):
        """The views in a file, for `ViewsOfRun`, and a picture of them."""
        if workers.is_chief() and not saved.is_in(run.directory(self.name)):
            saved.save(run.split, run.directory(self.name))
            write_channels(run, run.directory(self.name))

    def begin_again(self, run):
        """Forgets the views of a shorter training."""
        if workers.is_chief():
            saved.forget(run.directory(self.name))

    def prepare(self, run):
        """Builds the learner and the task; returns (ViewLearner, Task)."""
        learner = view_learner.ViewLearner(
            run.split,
            self._critics,
            [Encoder(b, heads.Classifier(len(run.train.class_names))) for b in self._backbones],
            self._bound,
            *self.training.scheduled(run.unlabelled),
            *self._weights,
        )
        learner.build((run.pair.size, run.pair.size, 3))
        self._classify = graphs.compiled(
            lambda views: tf.stack(learner.classify(views[0]), axis=1), reduce_retracing=True
        )
        task = self.training.task(
            self.name,
            learner,
            run.unlabelled,
            lambda order: self._batches(run, order),
            seeds.stream(run.seed, "learn_views/unlabelled"),
            run.directory(self.name),
            on_start=lambda writer: introduce(self.name, run, self._pair(run), writer),
            on_epoch_end=lambda step, writer, _: self._monitor(run, learner, step, writer),
        )
        return learner, task

    def _batches(self, run, order):
        """Batches (unlabelled,) or (unlabelled, labelled)."""
        pair = self._pair(run)
        streams = [pair.batches(run.unlabelled, order)]
        if self._backbones:
            seed = seeds.stream(run.seed, "learn_views/labelled")
            labelled = order._replace(batch_size=self._labelled_batch_size, seed=seed)
            streams.append(pair.batches(run.train, labelled))
        return tf.data.Dataset.zip(tuple(streams))

    def _monitor(self, run, learner, step, writer):
        i_nce, figures = self._measure(run, learner, draws=5)
        with writer.as_default():
            for name, value in ({"i_nce": i_nce.mean} | figures).items():
                tf.summary.scalar(f"held_out/{name}", value, step=step)
            show_channels(run, step)
        writer.flush()

    def _measure(self, run, learner, draws):
        """The critics' `Estimate`, and figures of the generator, on held-out images."""
        images, pair, bounded = run.held_out, self._pair(run), {"i_nce": self._bound}
        seed, size = seeds.stream(run.seed, "learn_views/held out"), self.training.batch_size
        estimates = mutual_information.estimate(
            learner.embed, bounded, images, pair, seed, size, draws
        )
        i_nce = estimates["i_nce"]
        seed = seeds.stream(run.seed, "learn_views/figures of the generator")
        batches = pair.batches(images, Order(i_nce.num_candidates, seed))
        (views, _), _ = next(iter(batches))
        figures = {name: float(v) for name, v in generator_figures(run.split, views).items()}
        if learner.classifiers:
            figures |= self._classifier_accuracy(run)
        return i_nce, figures

    def _classifier_accuracy(self, run):
        """Percent of test images that c1 and c2 classify correctly, on one sample of each view."""
        seed = seeds.stream(run.seed, "learn_views/accuracy of classifiers")
        logits, labels = features.extract(self._classify, run.test, self._pair(run), seed=seed)
        choices = logits.reshape(len(labels), 2, -1).argmax(axis=2)
        means = 100 * np.mean(choices == labels[:, None], axis=0)
        return {f"classifier_{index}_accuracy": float(mean) for index, mean in enumerate(means, 1)}

    def measure(self, run, learner):
        """I_NCE of the critics, figures of g, accuracies of the classifiers, on held-out images."""
        i_nce, figures = self._measure(run, learner, draws=20)
        where = f"{run.held_out_name}, crops as in training"
        label, bound = "mutual information of learned views", type(self._bound).__name__
        how = f"{bound} bound, critics of view learning, {i_nce.protocol}, {where}"
        doubt = doubts.of_information(label, i_nce.mean, i_nce.num_candidates)
        key = "mutual_information/learned_views"
        measured = [Measurement(key, label, i_nce.mean, "nats", how, (doubt,))]
        for name, value in figures.items():
            protocol, unit, doubt = where, "", None
            label = name.replace("_", " ")
            if name.endswith("_accuracy"):
                protocol, unit = doubts.beside_chance(where, run.test), "%"
                doubt = doubts.of_accuracy(label, value, run.test)
            elif name == "inversion_error":
                doubt = doubts.of_inversion(value)
            elif name == "log_det":
                unit = "nats/pixel"
            measured.append(Measurement(name, label, value, unit, protocol, (doubt,)))
        return measured


def generator_figures(split, images):
    """Figures of the generator g for standardised X.

    |g(X) - X|, the inversion error max |g^-1(g(X)) - X|, and the mean log|det J| per pixel.

    Args:
        split: `ChannelSplit` with a generator.
        images: [B, H, W, 3] in [0, 1].
    """
    x = split.standardize(images)
    y, log_det = split.generator.forward_with_log_det(x)
    return {
        "distance_from_identity": tf.reduce_mean(tf.abs(y - x)),
        "inversion_error": tf.reduce_max(tf.abs(split.generator.inverse(y) - x)),
        "log_det": tf.reduce_mean(log_det),
    }
