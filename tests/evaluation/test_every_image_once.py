"""Evaluation counts every image once, whatever the number of images, the batch and the replicas."""

import contextlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.label_maps import SegmentationImages
from infomin_tf.evaluation import features, linear, segmentation
from tests.data.test_pipeline import KINDS, numbered

BATCH = 8


@pytest.fixture(params=[1, 2])
def scope(request, two_replicas):
    """Of that many replicas."""
    return two_replicas.scope() if request.param == 2 else contextlib.nullcontext()


class Scale(keras.layers.Layer):
    """The number of an image of `numbered`, by a weight, which a strategy mirrors."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, views):
        return self.scale * views[:, 0, 0, :1]


def whole(images, seed):
    del seed
    return tf.cast(images, tf.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_of_every_image_once_in_order(kind, scope):
    with scope:
        layer = Scale()
        layer.build(None)
        compiled = graphs.compiled(layer, reduce_retracing=True)
        for count in (1, BATCH - 1, BATCH, BATCH + 1, 13, 23, 3 * BATCH):
            found, labels = features.extract(compiled, kind(count), whole, BATCH)
            np.testing.assert_array_equal(found, np.arange(count)[:, None])
            np.testing.assert_array_equal(labels, np.arange(count))


@pytest.mark.parametrize("count", [1, 255, 256, 257, 521])
def test_the_denominator_of_accuracy_is_the_number_of_images(count, scope):
    """A classifier that is wrong about the last image alone."""
    last = np.zeros((count, 1, 1, 3), np.uint8)
    last[-1] = 1
    images = ArrayImages("last", last, np.zeros(count))
    with scope:
        extracted = features.extract(
            lambda x: tf.one_hot(tf.cast(x[:, 0, 0, 0], tf.int32), 2), images, whole
        )
        accuracy = linear.top_k(*extracted, 1)
    assert accuracy == pytest.approx(100 * (count - 1) / count)


@pytest.mark.parametrize("count", [1, 4, 7])
def test_segmentation_measures_every_labelled_pixel_once(count, monkeypatch, tmp_path):
    class Source:
        def __init__(self, count):
            maps = np.random.default_rng(count).choice([0, 1, 255], (count, 8, 8)).astype(np.uint8)
            pixels = np.repeat(maps[..., None], 3, axis=-1)
            self._images = SegmentationImages("random", pixels, maps)

        def load(self, data_dir=None):
            return self._images

    class Maps(keras.layers.Layer):
        def feature_map(self, views):
            return views[:, ::2, ::2]

    measured = []
    monkeypatch.setattr(segmentation, "mean_iou", lambda confusion: measured.append(confusion))
    probe = segmentation.SegmentationProbe(
        Source(4), Source(count), 2, epochs=1, batch_size=4, filters=2
    )
    run = types.SimpleNamespace(
        seed=0,
        data_dir=None,
        strategy=tf.distribute.OneDeviceStrategy("CPU:0"),
        directory=lambda stage: str(tmp_path / stage),
        place=None,
    )
    extractor = types.SimpleNamespace(split=lambda x: (x,), backbones=[Maps()])
    probe.measure(run, features.Features(extractor, None), "pre-trained")
    maps = Source(count).load().maps
    np.testing.assert_array_equal(measured[0].sum(1), [(maps == 0).sum(), (maps == 1).sum()])


def test_numbered_images_tell_loss_from_repetition():
    """Else the tests above would say nothing."""
    assert len(np.unique(numbered(24).images[:, 0, 0, 0])) == 24
