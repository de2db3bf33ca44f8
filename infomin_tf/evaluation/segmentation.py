"""Segmentation on frozen features (section B.2): a decoder of four layers, mean IoU."""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf import graphs, seeds
from infomin_tf.data.images import Source
from infomin_tf.distribution import replicas
from infomin_tf.errors import UserError
from infomin_tf.evaluation.probe import PRE_TRAINED, Probe, key_of
from infomin_tf.learners.learner import Learner
from infomin_tf.models.decoder import SegmentationDecoder
from infomin_tf.runs.results import Measurement
from infomin_tf.settings import ABOVE_ZERO, COUNT, check
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.training.optimizer import Update
from infomin_tf.training.schedules import Cosine
from infomin_tf.training.training import Training


class DecoderLearner(Learner):
    """Cross entropy over the labelled pixels of the global batch.

    Args:
        decoder: `SegmentationDecoder`.
        ignored: value of pixels without a label.
        optimizer: keras optimizer.
    """

    def __init__(self, decoder, ignored, optimizer, **kwargs):
        super().__init__(**kwargs)
        self.decoder, self.ignored = decoder, ignored
        self.decoder_optimizer = Update(optimizer)
        self.optimizers = (self.decoder_optimizer,)

    def build(self, maps_shape):
        """Makes all weights for maps of shape (h, w, C)."""
        self.decoder.build((None, *maps_shape))
        self.decoder_optimizer.build(self.decoder.trainable_variables)
        self.built = True

    def train_step(self, batch):
        """One update on (maps [b, h, w, C], label maps int32 [b, H, W]); returns scalar metrics."""
        maps, truth = batch
        labelled = tf.cast(truth != self.ignored, tf.float32)
        count = tf.reduce_sum(replicas.all_gather(tf.reduce_sum(labelled)[None]))
        classes = tf.where(truth == self.ignored, 0, truth)
        with tf.GradientTape() as tape:
            logits = self.decoder(maps, training=True)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
            replica_loss = tf.reduce_sum(each * labelled) / tf.maximum(count, 1.0)
        self.decoder_optimizer.minimize(tape, replica_loss, self.decoder.trainable_variables)
        return {"loss": replica_loss * replicas.num_replicas()}


class SegmentationProbe(Probe):
    """Trains a decoder on the last maps of frozen backbones; no augmentation.

    Args:
        train, test: sources of `SegmentationImages`.
        num_classes: classes 0, ..., num_classes - 1.
        ignored: value of pixels without a label, left out of the loss and the measure.
        epochs, batch_size, learning_rate: of Adam with cosine decay.
        filters: of the decoder.
        loop: `TrainingLoop`.
    """

    key, label = "segmentation", "segmentation"
    baselines, takes_views = (), False

    def __init__(
        self,
        train: Source,
        test: Source,
        num_classes: int,
        ignored=255,
        epochs=10,
        batch_size=16,
        learning_rate=1e-3,
        filters=64,
        loop: TrainingLoop | None = None,
    ):
        check(self, ABOVE_ZERO, epochs=epochs, learning_rate=learning_rate)
        check(self, COUNT, num_classes=num_classes, filters=filters)
        self._sources, self._loaded = (train, test), None
        self._num_classes, self._ignored = num_classes, ignored
        self._epochs, self._batch_size, self._filters = epochs, batch_size, filters
        adam = keras.optimizers.Adam(learning_rate)
        self._training = Training(self, (adam,), epochs, batch_size, Cosine(), loop)

    def check(self, run):
        """Raises UserError unless sets and settings fit each other, and the networks have maps."""
        train, test = self.load(run.data_dir)
        for images in (train, test):
            _check_maps(images, self._num_classes, self._ignored)
        if train.maps.shape[1:] != test.maps.shape[1:]:
            raise UserError(
                f"the label maps of {train.name} are {train.maps.shape[1:]}, those of {test.name} "
                f"{test.maps.shape[1:]}; give both sources of SegmentationProbe the same size"
            )
        self._training.check(run, train)
        for backbone in run.backbones:
            if not hasattr(backbone, "feature_map"):
                raise UserError(
                    f"segmentation needs feature maps, which {type(backbone).__name__} does not "
                    "have; bind another backbone (such as ResNet18), or leave out "
                    "@SegmentationProbe()"
                )

    def load(self, data_dir):
        """(train, test), read once, when they are checked before the training."""
        self._loaded = self._loaded or [source.load(data_dir) for source in self._sources]
        return self._loaded

    def sets(self, run):
        """See `Probe`."""
        train, test = self.load(run.data_dir)
        return {"segmentation, train": train, "segmentation, test": test}

    def measure(self, run, features, subject):
        """See `Probe`: trains a decoder in model_dir/evaluate/segmentation, or continues.

        Measures its mean IoU in %. The backbones of `features.function`, a `FeatureExtractor`, have
        `feature_map`.
        """
        extractor = features.function
        keras.utils.set_random_seed(seeds.stream(run.seed, "evaluate/weights of segmentation"))
        train, test = self.load(run.data_dir)
        name = "segmentation" if subject == PRE_TRAINED else f"segmentation_{subject}"
        decoder, seconds = self._train(run, train, feature_maps(extractor, train.images), name)
        confusion = np.zeros([self._num_classes, self._num_classes], np.int64)
        maps = feature_maps(extractor, test.images)
        for start in range(0, len(maps), self._batch_size):
            part = slice(start, start + self._batch_size)
            predicted = np.argmax(decoder(maps[part], training=False), axis=-1)
            truth = test.maps[part]
            confusion += confusion_matrix(truth, predicted, self._num_classes, self._ignored)
        protocol = (
            f"mean IoU of labelled classes, decoder of 4 layers on frozen maps {maps.shape[1:]}, "
            f"{self._epochs} epochs, {train.name}, {test.name} at {test.maps.shape[1:]}"
        )
        key, label = key_of(self.key, subject), f"{self.label}, {subject}"
        return [Measurement(key, label, mean_iou(confusion), "%", protocol, seconds=seconds)]

    def _train(self, run, images, maps, name):
        """(the trained decoder, seconds of training)."""
        (optimizer,) = self._training.scheduled(images)
        decoder = SegmentationDecoder(self._num_classes, images.maps.shape[1:], self._filters)
        learner = DecoderLearner(decoder, self._ignored, optimizer)
        learner.build(maps.shape[1:])
        makes = lambda order: batches(maps, images.maps, order)
        where = seeds.stream(run.seed, f"evaluate/{name}"), run.directory(f"evaluate/{name}")
        task = self._training.task(f"evaluate: {name}", learner, images, makes, *where)
        return decoder, self._training.loop.fit(task, run.strategy, run.place).seconds


def batches(maps, truth, order):
    """Infinite batches of (maps, label maps) in the order of training.

    Args:
        maps: float32 [M, h, w, C].
        truth: label maps [M, H, W].
        order: `Order`.
    """
    with tf.device("CPU:0"):
        maps, truth = tf.constant(maps), tf.constant(truth, tf.int32)
    places = order.shuffled(len(maps), order.size)
    pairs = places.map(lambda chosen: (tf.gather(maps, chosen), tf.gather(truth, chosen)))
    return pairs.prefetch(2)


def _check_maps(images, num_classes, ignored):
    found = np.unique(images.maps)
    unknown = [int(v) for v in found if v != ignored and not 0 <= v < num_classes]
    if unknown:
        raise UserError(
            f"the label maps of {images.name} hold {', '.join(map(str, unknown[:5]))}, which are "
            f"neither below SegmentationProbe.num_classes = {num_classes} nor "
            f"SegmentationProbe.ignored = {ignored}; fix one of them"
        )
    if np.all(found == ignored):
        raise UserError(
            f"no pixel of the label maps of {images.name} is labelled, because all are "
            f"SegmentationProbe.ignored = {ignored}; fix the maps or that value"
        )


def feature_maps(extractor, images, batch_size=32):
    """The last maps of all backbones, enlarged to the largest and joined, float32 [M, h, w, C].

    Args:
        extractor: `FeatureExtractor`.
        images: uint8 [M, H, W, 3].
        batch_size: images per call.
    """

    @graphs.compiled
    def maps(x):
        parts = extractor.split(tf.cast(x, tf.float32) / 255.0)
        found = [f.feature_map(v) for f, v in zip(extractor.backbones, parts, strict=True)]
        size = max((tuple(m.shape[1:3]) for m in found), key=np.prod)
        return tf.concat([tf.image.resize(tf.cast(m, tf.float32), size) for m in found], axis=-1)

    starts = range(0, len(images), batch_size)
    return np.concatenate([maps(images[s : s + batch_size]).numpy() for s in starts])


def confusion_matrix(truth, predicted, num_classes, ignored):
    """int64 [num_classes, num_classes], rows the truth, of label maps of any shape.

    Ignored pixels are left out.
    """
    kept = truth != ignored
    pairs = truth[kept].astype(np.int64) * num_classes + predicted[kept]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(confusion):
    """Mean intersection over union in %, over the classes that occur in the truth."""
    intersection = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - intersection
    labelled = confusion.sum(1) > 0
    return float(100 * np.mean(intersection[labelled] / union[labelled]))
