"""Stage 2: contrastive pre-training on the views, g frozen."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import logging

from infomin_tf import seeds
from infomin_tf.data.checks import check_view_size
from infomin_tf.errors import UserError
from infomin_tf.evaluation import embeddings, features, knn
from infomin_tf.experiment.pictures import introduce
from infomin_tf.experiment.stage import PretrainingStage
from infomin_tf.learners.contrastive import ContrastiveLearner
from infomin_tf.learners.negatives import InBatch, MemoryBank, MomentumQueue
from infomin_tf.models import torchvision
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.settings import FROM_ZERO, SHARE, called, check
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.training.schedules import Schedule
from infomin_tf.training.training import Training


class Pretrain(PretrainingStage):
    """Trains one encoder per part of the split by InfoNCE (equation 1).

    Args:
        encoder: factory of an `Encoder`; called once per part, and again for key encoders.
        optimizer: keras optimizer.
        negatives: `InBatch`, `MomentumQueue` or `MemoryBank`.
        jigsaw_head: `heads.JigsawHead` when the pair has a JigSaw view; None otherwise.
        jigsaw_weight, both_directions, sum_directions: see `ContrastiveLearner`.
        weight_decay, decay_only_kernels, shuffle_keys: see `ContrastiveLearner`.
        batch_size: images per step.
        epochs: passes through the unlabelled images.
        schedule: how the learning rate changes.
        knn_every_epochs: epochs between measurements of kNN accuracy during training, which need
            labels; 0 for none.
        knn_view: the test view for these (`pairs.CenterCrop`).
        num_candidates: N of the I_NCE in the results, which cannot exceed log N.
        loop: `TrainingLoop`.
        initial_weights: path of a .safetensors file with torchvision's weights, from which the
            backbones start, see `torchvision.start_from`; None for random ones. An untrained
            network in the results is random in any case.
    """

    usual = "240 epochs of 105,000 images"

    def __init__(
        self,
        encoder: Callable[[], keras.Layer],
        optimizer: keras.optimizers.Optimizer,
        negatives: InBatch | MomentumQueue | MemoryBank | None = None,
        jigsaw_head: keras.Layer | None = None,
        jigsaw_weight=0.5,
        both_directions=True,
        sum_directions=False,
        weight_decay=0.0,
        decay_only_kernels=False,
        shuffle_keys=False,
        batch_size=128,
        epochs=240,
        schedule: Schedule | None = None,
        knn_every_epochs=0,
        knn_view: Callable | None = None,
        num_candidates=128,
        loop: TrainingLoop | None = None,
        initial_weights: str | None = None,
    ):
        self._negatives = negatives or InBatch()
        least = 1 if self._negatives.uses_key_encoders or self._negatives.needs_indices else 2
        self.training = Training(self, (optimizer,), epochs, batch_size, schedule, loop, least)
        check(self, SHARE, jigsaw_weight=jigsaw_weight)
        check(self, FROM_ZERO, weight_decay=weight_decay)
        name = called(self)
        if num_candidates < 2 or knn_every_epochs < 0:
            raise ValueError(
                f"{name} needs num_candidates >= 2 and knn_every_epochs >= 0, not "
                f"{num_candidates} and {knn_every_epochs}"
            )
        if decay_only_kernels and not weight_decay:
            raise ValueError(
                f"{name}.decay_only_kernels changes nothing without weight_decay; bind "
                "weight_decay, too"
            )
        if weight_decay and optimizer.weight_decay:
            raise ValueError(
                f"both {name}.weight_decay = {weight_decay} and {called(optimizer)}.weight_decay = "
                f"{optimizer.weight_decay} would shrink the weights; bind one of them to 0"
            )
        self._make_encoder, self.jigsaw_head = encoder, jigsaw_head
        self._learning = {
            "both_directions": both_directions,
            "sum_directions": sum_directions,
            "weight_decay": weight_decay,
            "decay_only_kernels": decay_only_kernels,
            "shuffle_keys": shuffle_keys,
            "jigsaw_weight": jigsaw_weight,
        }
        self._knn_every_epochs, self.knn_view = knn_every_epochs, knn_view
        if knn_every_epochs and knn_view is None:
            raise UserError(
                "Pretrain.knn_every_epochs needs Pretrain.knn_view, the test view; bind it"
            )
        self._num_candidates, self._initial_weights = num_candidates, initial_weights

    def check_views(self, pair, split):
        """See `Stage`; also refuses settings that do not fit each other."""
        super().check_views(pair, split)
        check_view_size(pair, self.knn_view, "Pretrain.knn_view")
        negatives, num_parts = called(self._negatives), split.num_parts
        if self._negatives.one_encoder_only and num_parts > 1:
            raise UserError(
                f"{negatives} compares embeddings of one shared encoder, but the split has "
                f"{num_parts} parts; bind InBatch"
            )
        one_way = self.jigsaw_head is not None or not self._learning["both_directions"]
        if self._learning["sum_directions"] and one_way:
            raise UserError(
                "Pretrain.sum_directions needs both_directions and no JigSaw head; bind "
                "Pretrain.sum_directions = False"
            )
        if self._learning["shuffle_keys"] and not self._negatives.uses_key_encoders:
            raise UserError(
                f"Pretrain.shuffle_keys is for key encoders, which {negatives} does not have; "
                "leave it out"
            )

    def make_encoders(self, num_parts):
        """Makes the encoders, one per part of the split; called once, before `run` or `restore`."""
        copies = num_parts if self._negatives.uses_key_encoders else 0
        self._encoders = [self._make_encoder() for _ in range(num_parts)]
        self._key_encoders = [self._make_encoder() for _ in range(copies)]

    @property
    def backbones(self):
        """One network per part of the split; what is probed and exported."""
        return [encoder.backbone for encoder in self._encoders]

    def check(self, run):
        """Raises UserError unless images, labels and weights that the training needs are there."""
        self.training.check(run, run.unlabelled)
        if self._knn_every_epochs:
            run.need_labels("online kNN (Pretrain.knn_every_epochs)")
        self._pair(run).check(self._numbered(run))
        if self._initial_weights:
            shapes = run.split.part_shapes((run.pair.size, run.pair.size, 3))
            torchvision.start_from(self._initial_weights, self.backbones, shapes)

    def _numbered(self, run):
        return run.unlabelled.numbered() if self._negatives.needs_indices else run.unlabelled

    def _pair(self, run):
        both = self._learning["both_directions"] or run.split.num_parts > 1
        if self._negatives.needs_indices and not both:  # keys from a bank, as in InstDis and PIRL
            return run.pair.of_one_view()
        return run.pair

    def untrained(self, run):
        """A `FeatureExtractor` of new networks of the same kind, as they are initialised."""
        keras.utils.set_random_seed(seeds.stream(run.seed, "untrained"))
        return _build_features([self._make_encoder().backbone for _ in self._encoders], run)

    def prepare(self, run):
        """Builds the learner and the task; returns (ContrastiveLearner, Task)."""
        pair, images = self._pair(run), self._numbered(run)
        learner = ContrastiveLearner(
            run.split,
            self._encoders,
            self._negatives,
            *self.training.scheduled(run.unlabelled),
            self._key_encoders,
            jigsaw_head=self.jigsaw_head,
            num_images=run.unlabelled.size,
            unlike_views=not pair.views_are_alike,
            seed=run.seed,
            make_views=functools.partial(pair.apply, dense=True) if pair.on_device else None,
            **self._learning,
        )
        learner.build((run.pair.size, run.pair.size, 3))
        self._warn_of_repeats(run, learner)
        task = self.training.task(
            self.name,
            learner,
            images,
            lambda order: pair.batches(images, order),
            seeds.stream(run.seed, "pretrain/unlabelled"),
            run.directory(self.name),
            on_start=lambda writer: self._introduce(run, writer),
            on_epoch_end=lambda step, writer, last: self._monitor(run, step, writer, last),
        )
        return learner, task

    def _warn_of_repeats(self, run, learner):
        negatives = learner.num_candidates(self.training.batch_size) - 1
        message = (
            "%d negatives of %d images hold each image more than once, so I_NCE has fewer "
            "candidates than N; lower MemoryBank.size, or bind None for the whole bank"
        )
        if self._negatives.uses_key_encoders:
            message = (
                "a queue of %d keys holds each of %d images more than once, so older keys of an "
                "image are among its negatives; lower MomentumQueue.size"
            )
        if negatives > run.unlabelled.size:
            logging.warning(message, negatives, run.unlabelled.size)

    def _introduce(self, run, writer):
        introduce(self.name, run, run.pair, writer)

    def needed(self, run, learner):
        """Of the split and the backbones; not of heads, key encoders, queues and banks."""
        return [*run.split.variables, *(v for b in self.backbones for v in b.variables)]

    def leave(self, run, learner):
        """The trained `FeatureExtractor`, and what makes an untrained one."""
        run.extractor, run.untrained = self._features(run), lambda: self.untrained(run)

    def _features(self, run):
        return _build_features(self.backbones, run)

    def _monitor(self, run, step, writer, last):
        epoch, shown = step // self.training.steps(run.unlabelled)[0], {}
        with writer.as_default():
            if self._knn_every_epochs and (last or epoch % self._knn_every_epochs == 0):
                extractor = self._features(run)
                train = features.extract(extractor, run.train, self.knn_view)
                test = features.extract(extractor, run.test, self.knn_view)
                accuracy = knn.knn_accuracy(*train, *test, len(run.train.class_names))
                tf.summary.scalar("knn_accuracy", accuracy, step=step)
                shown = {"kNN": f"{accuracy:.1f}%"}
        writer.flush()
        return shown

    def measure(self, run, learner):
        """I_NCE, alignment and uniformity of the trained encoders on held-out images."""
        return embeddings.measure(
            run, learner.embed, self._negatives.temperature, self._num_candidates
        )


def _build_features(backbones, run):
    extractor = FeatureExtractor(run.split, backbones)
    extractor.build((None, run.pair.size, run.pair.size, 3))
    return extractor
