"""The linear probe: what it reaches, and how it chooses its learning rate."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError
from infomin_tf.evaluation import linear
from infomin_tf.evaluation.features import Features
from infomin_tf.evaluation.linear import LinearProbe
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.run import Run
from infomin_tf.experiment.transfer import Transfer
from infomin_tf.training import loop
from infomin_tf.training.schedules import Cosine, StepDecay
from infomin_tf.views import pairs


class MeanColor(keras.layers.Layer):
    """A frozen extractor: the mean colour, in [-3, 3]."""

    output_dimension = 3

    def call(self, images, training=None):
        del training
        return 6.0 * tf.reduce_mean(images, axis=(1, 2)) - 3.0


def colors(count, seed):
    """Images of three classes, told by a mean colour with noise."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    means = 110 + 40 * np.eye(3)[labels] + generator.normal(0, 12, (count, 3))
    pixels = np.clip(means[:, None, None] + np.zeros((count, 12, 12, 3)), 0, 255)
    return ArrayImages(f"colors{seed}", pixels.astype(np.uint8), labels, ("a", "b", "c"))


@pytest.fixture
def run(tmp_path):
    return types.SimpleNamespace(
        train=colors(300, 1),
        test=colors(150, 2),
        seed=0,
        strategy=tf.distribute.OneDeviceStrategy("CPU:0"),
        directory=lambda stage: str(tmp_path / stage),
        place=None,
    )


def probe(rate=1.0, **arguments):
    return LinearProbe(
        keras.optimizers.SGD(rate, momentum=0.9),
        pairs.CropAndFlip(12),
        batch_size=30,
        schedule=StepDecay((30, 40, 50), 0.2, 60),
        loop=loop.TrainingLoop(),
        **arguments,
    )


def measured(probe, run, subject="pre-trained"):
    return probe.measure(run, Features(MeanColor(), pairs.CenterCrop(12, 12)), subject)


def test_it_learns_what_a_linear_classifier_can(run):
    [found] = measured(probe(epochs=10), run)
    assert found.key == "linear_probe/pre-trained" and found.label == "linear probe, pre-trained"
    assert found.value > 85 and "100 steps, SGD 1, batch 30" in found.protocol


@pytest.mark.parametrize("k", [1, 5])
def test_top_k_is_that_of_scikit_learn(k):
    generator = np.random.default_rng(k)
    logits, labels = generator.normal(size=(300, 20)), generator.permutation(np.arange(300) % 20)
    logits[np.arange(300), labels] += 1.0
    expected = 100 * metrics.top_k_accuracy_score(labels, logits, k=k)
    assert linear.top_k(logits, labels, k) == pytest.approx(expected) and expected < 90
    assert linear.top_k(np.zeros((4, 20)), np.array([0, 4, 5, 19]), k) == 25 * min(k, 2)


def test_top_5_is_measured_where_there_are_more_than_ten_classes(run):
    names = tuple("abcdefghijkl")
    run.train, run.test = (
        ArrayImages(s.name, s.images, s.labels, names) for s in (run.train, run.test)
    )
    top_1, top_5 = measured(probe(epochs=2), run)
    assert top_5.key == "linear_probe/top_5/pre-trained" and top_5.value > 99 > top_1.value


def test_a_transfer_may_have_a_linear_probe_of_its_own(tmp_path):
    """On the images of the transfer, for training and for testing."""
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    pair, view = pairs.SharedPair(pairs.CropAndFlip(12)), pairs.CenterCrop(12, 12)
    mine = colors(60, 1)
    run = Run(str(tmp_path), strategy, 0, mine, mine, colors(60, 2), mine, pair, None, "")
    run.finish("pretrain", [], 100, 0.0)
    run.extractor = MeanColor()
    sources = (types.SimpleNamespace(load=lambda _, s=s: colors(90, s)) for s in (3, 4))
    transfer = Transfer("other", *sources, probes=(probe(epochs=10),))
    evaluation = Evaluate(view, (transfer,))
    evaluation.check(run)
    evaluation.run(run)
    [found] = run.results_of("evaluate")["measurements"]
    assert found["key"] == "linear_probe/pre-trained/other" and found["value"] > 80
    assert found["label"] == "linear probe, pre-trained, other"
    assert "30 steps" in found["protocol"]  # 10 epochs of 90 images by 30
    with pytest.raises(UserError, match="LinearProbe.train_view gives 12 px"):
        run.pair = pairs.SharedPair(pairs.CropAndFlip(16))
        Evaluate(pairs.CenterCrop(16, 16), (transfer,)).check(run)


def test_it_chooses_its_rate_on_training_images_alone(run):
    tuned = probe(epochs=6, learning_rates=(1e-6, 1.0, 1e5), tuning_epochs=2)
    [found] = measured(tuned, run)
    assert found.value > 80 and "SGD 1 (of 3, on held-out training images)" in found.protocol
    run.test = ArrayImages(
        "wrong", run.test.images, (run.test.labels + 1) % 3, run.test.class_names
    )
    [spoiled] = measured(tuned, run, "untrained")
    assert spoiled.value < 20 and "SGD 1 (of 3" in spoiled.protocol


def test_cosine_warms_up_from_a_rate_and_ends_at_the_floor():
    schedule = Cosine(floor=0.001, warmup_epochs=5, warmup_from=0.01).over(0.03, 1000, 10)
    assert float(schedule(0)) == pytest.approx(0.01)
    assert float(schedule(25)) == pytest.approx(0.02)
    assert float(schedule(50)) == pytest.approx(0.03)
    half = 0.03 * (0.001 + 0.999 * 0.5)
    assert float(schedule(525)) == pytest.approx(half, rel=1e-4)
    assert float(schedule(1000)) == pytest.approx(0.03 * 0.001, rel=1e-3)
