"""Segmentation on frozen features (section B.2): a decoder of four layers, mean intersection over union."""

import time

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.models.segmentation import SegmentationDecoder
from infomin_tf.schedules import check_length


class SegmentationProbe:
    """Trains a decoder on the last maps of frozen backbones; no augmentation.

    Args:
        train, test: sources of `SegmentationImages`.
        num_classes: classes 0, ..., num_classes - 1.
        ignored: value of pixels without a label, left out of the loss and of the measure.
        epochs, batch_size, learning_rate: of Adam with cosine decay.
        filters: of the decoder.
    """

    def __init__(
        self,
        train,
        test,
        num_classes,
        ignored=255,
        epochs=10,
        batch_size=16,
        learning_rate=1e-3,
        filters=64,
    ):
        check_length(self, epochs, batch_size)
        self._sources = train, test
        self._num_classes, self._ignored = num_classes, ignored
        self._epochs, self._batch_size = epochs, batch_size
        self._learning_rate, self._filters = learning_rate, filters

    def mean_iou(self, run, extractor):
        """Trains and measures.

        Args:
            run: the `Run`.
            extractor: `FeatureExtractor`, whose backbones have `feature_map`.

        Returns:
            (mean IoU of the labelled classes in %, protocol, seconds).
        """
        started = time.monotonic()
        keras.utils.set_random_seed(run.seed)
        train, test = (source.load(run.data_dir) for source in self._sources)
        for images in (train, test):
            _check_classes(images, self._num_classes, self._ignored)
        decoder = SegmentationDecoder(self._num_classes, train.maps.shape[1:], self._filters)
        steps = self._epochs * -(-len(train.images) // self._batch_size)
        decoder.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(self._learning_rate, steps)
            ),
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, ignore_class=self._ignored
            ),
            jit_compile=False,
        )
        decoder.fit(
            feature_maps(extractor, train.images),
            train.maps.astype(np.int32),
            self._batch_size,
            self._epochs,
            verbose=0,
        )
        confusion = np.zeros([self._num_classes, self._num_classes], np.int64)
        maps = feature_maps(extractor, test.images)
        for start in range(0, len(maps), self._batch_size):
            part = slice(start, start + self._batch_size)
            predicted = np.argmax(decoder(maps[part], training=False), axis=-1)
            confusion += confusion_matrix(
                test.maps[part], predicted, self._num_classes, self._ignored
            )
        protocol = (
            f"mean IoU of labelled classes, decoder of 4 layers on frozen maps {maps.shape[1:]}, {self._epochs} epochs, "
            f"{train.name}, {test.name} at {test.maps.shape[1:]}"
        )
        return mean_iou(confusion), protocol, time.monotonic() - started


def _check_classes(images, num_classes, ignored):
    found = np.unique(images.maps)
    unknown = [int(v) for v in found if v != ignored and not 0 <= v < num_classes]
    if unknown:
        raise UserError(
            f"the label maps of {images.name} hold {', '.join(map(str, unknown[:5]))}, which are neither below "
            f"SegmentationProbe.num_classes = {num_classes} nor SegmentationProbe.ignored = {ignored}; mend one of them"
        )


def feature_maps(extractor, images, batch_size=32):
    """The last maps of all backbones, enlarged to the largest and joined, float32 [M, h, w, C].

    Args:
        extractor: `FeatureExtractor`.
        images: uint8 [M, H, W, 3].
        batch_size: images a call.
    """

    @tf.function
    def maps(x):
        parts = extractor.split(tf.cast(x, tf.float32) / 255.0)
        found = [f.feature_map(v) for f, v in zip(extractor.backbones, parts, strict=True)]
        size = max((tuple(m.shape[1:3]) for m in found), key=np.prod)
        return tf.concat([tf.image.resize(tf.cast(m, tf.float32), size) for m in found], axis=-1)

    starts = range(0, len(images), batch_size)
    return np.concatenate([maps(images[s : s + batch_size]).numpy() for s in starts])


def confusion_matrix(truth, predicted, num_classes, ignored):
    """int64 [num_classes, num_classes], rows the truth, of label maps of any shape; ignored pixels are left out."""
    kept = truth != ignored
    pairs = truth[kept].astype(np.int64) * num_classes + predicted[kept]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def mean_iou(confusion):
    """Mean intersection over union in %, over the classes that occur in the truth."""
    intersection = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - intersection
    labelled = confusion.sum(1) > 0
    return float(100 * np.mean(intersection[labelled] / union[labelled]))
