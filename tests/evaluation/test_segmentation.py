"""Segmentation: confusion and mean IoU against scikit-learn, a probe, label maps of folders."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.metrics import jaccard_score

from infomin_tf.data.label_maps import SegmentationFolder, SegmentationImages, TfdsSegmentation
from infomin_tf.errors import UserError
from infomin_tf.evaluation import segmentation
from infomin_tf.evaluation.features import Features
from infomin_tf.models.alexnet import AlexNetHalf
from infomin_tf.models.decoder import SegmentationDecoder
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.models.resnet import ResNet18
from infomin_tf.views import color, splits

RNG = np.random.default_rng(3)


def test_mean_iou_is_scikit_learns_over_labelled_classes_and_ignores():
    truth = RNG.integers(0, 5, (4, 9, 9)).astype(np.uint8)
    truth[truth == 3] = 255  # class 3 never occurs
    predicted = RNG.integers(0, 5, truth.shape)
    kept = truth != 255
    expected = jaccard_score(truth[kept], predicted[kept], labels=[0, 1, 2, 4], average="macro")
    confusion = segmentation.confusion_matrix(truth, predicted, 5, 255)
    assert confusion.sum() == kept.sum() and confusion[3].sum() == 0
    assert segmentation.mean_iou(confusion) == pytest.approx(100 * expected)


class Source:
    def __init__(self, seed, count=64):
        generator = np.random.default_rng(seed)
        self._maps = np.repeat(np.repeat(generator.integers(0, 3, (count, 2, 2)), 16, 1), 16, 2)
        self._maps[:, :2] = 255
        shades = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]] + 253 * [[0, 0, 0]])
        self._images = np.clip(
            shades[self._maps] + generator.integers(-30, 30, (count, 32, 32, 3)), 0, 255
        )

    def load(self, data_dir=None):
        return SegmentationImages(
            "squares", self._images.astype(np.uint8), self._maps.astype(np.uint8)
        )


@pytest.fixture
def run(tmp_path):
    return types.SimpleNamespace(
        seed=0,
        data_dir=None,
        strategy=tf.distribute.OneDeviceStrategy("CPU:0"),
        directory=lambda stage: str(tmp_path / stage),
        place=None,
    )


@pytest.mark.parametrize("halves", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_probe_learns_what_is_in_the_maps(halves, run):
    split = splits.ChannelSplit(color.YDbDr()) if halves else splits.Whole(color.RGB())
    backbones = (
        [AlexNetHalf(0.25) for _ in range(2)]
        if halves
        else [ResNet18(width=0.125, small_images=True)]
    )
    extractor = FeatureExtractor(split, backbones)
    extractor.build((None, 24, 24, 3))
    before = [w.numpy() for w in extractor.weights]
    probe = segmentation.SegmentationProbe(Source(0), Source(1), 3, epochs=12, learning_rate=3e-3)
    [found] = probe.measure(run, Features(extractor, None), "pre-trained")
    assert found.key == "segmentation/pre-trained"
    assert found.value > 60 and "decoder of 4 layers" in found.protocol
    for old, new in zip(before, extractor.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_loss_is_the_mean_over_labelled_pixels():
    maps = RNG.normal(size=(3, 2, 2, 5)).astype(np.float32)
    truth = RNG.integers(0, 4, (3, 8, 8)).astype(np.int32)
    truth[0] = 255
    learner = segmentation.DecoderLearner(
        SegmentationDecoder(4, (8, 8), 6), 255, keras.optimizers.SGD(0.0)
    )
    learner.build(maps.shape[1:])
    logits = learner.decoder(maps, training=True)[1:]
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(truth[1:], logits)
    loss = learner.train_step((tf.constant(maps), tf.constant(truth)))["loss"]
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_label_maps_of_unknown_classes_are_refused_before_training(run):
    probe = segmentation.SegmentationProbe(Source(0), Source(1), 1)
    with pytest.raises(UserError, match="neither below SegmentationProbe.num_classes = 1"):
        probe.check(run)


def test_folders_pair_by_name_and_say_what_is_missing(tmp_path):
    for folder in ("images", "maps"):
        (tmp_path / folder).mkdir()
    label_map = RNG.integers(0, 4, (8, 10)).astype(np.uint8)
    Image.fromarray(RNG.integers(0, 256, (8, 10, 3), dtype=np.uint8)).save(
        tmp_path / "images" / "a.jpg"
    )
    Image.fromarray(label_map).save(tmp_path / "maps" / "a.png")
    source = SegmentationFolder(str(tmp_path / "images"), str(tmp_path / "maps"), (8, 10))
    np.testing.assert_array_equal(source.load().maps[0], label_map)
    Image.fromarray(label_map).save(tmp_path / "maps" / "b.png")
    with pytest.raises(UserError, match="without a partner: b"):
        source.load()
    with pytest.raises(UserError, match="is not a readable folder"):
        SegmentationFolder(str(tmp_path / "none"), str(tmp_path / "maps")).load()


@pytest.mark.real_data
def test_nyuv2_has_39_classes_and_255(real_data_dir):
    images = TfdsSegmentation("nyuv2_seg", "test[:40]", (60, 80)).load(real_data_dir)
    assert images.images.shape == (40, 60, 80, 3) and images.maps.shape == (40, 60, 80)
    assert set(np.unique(images.maps)) <= {*range(39), 255}
    with pytest.raises(UserError, match="map_feature"):
        TfdsSegmentation("cifar10", "test").load(real_data_dir)
