"""What the stages and probes will lack is refused before the first training step."""

import dataclasses
import types

import keras
import numpy as np
import pytest

from infomin_tf.data.images import ArrayImages
from infomin_tf.data.label_maps import SegmentationImages
from infomin_tf.errors import UserError
from infomin_tf.evaluation.knn import NearestNeighbours
from infomin_tf.evaluation.linear import LinearProbe
from infomin_tf.evaluation.logistic import _divide, fit_logistic
from infomin_tf.evaluation.segmentation import SegmentationProbe
from infomin_tf.experiment import order
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.export import Export
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.run import Run
from infomin_tf.experiment.stage import Stage
from infomin_tf.experiment.transfer import Transfer
from infomin_tf.models.alexnet import AlexNetHalf
from infomin_tf.moving_mnist.factors import FactorProbe
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.views import pairs
from tests import small

VIEW = pairs.CenterCrop(14, 12)
LABELLED = small.images(40, 1)
STRATEGY = types.SimpleNamespace(num_replicas_in_sync=4)


class Loads:
    """A source that counts how often it is read."""

    def __init__(self, images):
        self.images, self.times = images, 0

    def load(self, data_dir=None):
        self.times += 1
        if isinstance(self.images, Exception):
            raise self.images
        return self.images


class Unlike(keras.layers.Layer):
    """A backbone that cannot be described in a file."""

    output_dimension = 3

    def __init__(self, width):
        super().__init__()


@pytest.fixture
def run(tmp_path):
    sets = (small.images(30), LABELLED, small.images(20, 2), small.images(20, 2))
    pair = pairs.IndependentPair(pairs.CropAndFlip(12))
    backbones = [AlexNetHalf(0.0625)]
    return Run(str(tmp_path), None, 0, *sets, pair, small.split(), "", None, backbones)


def probe(batch_size=8, size=12, **arguments):
    view = pairs.CropAndFlip(size)
    return LinearProbe(keras.optimizers.SGD(0.1), view, batch_size=batch_size, **arguments)


def some(labels, names=("a", "b")):
    pixels = np.zeros((len(labels), 12, 12, 3), np.uint8)
    return ArrayImages("some", pixels, labels, names)


def maps(values=(0, 1), count=20, side=8):
    pixels = np.zeros((count, side, side, 3), np.uint8)
    label_maps = np.resize(np.array(values, np.uint8), (count, side, side))
    return Loads(SegmentationImages("maps", pixels, label_maps))


def segmentation(train=None, test=None, **arguments):
    arguments = {"num_classes": 2, "batch_size": 8} | arguments
    return SegmentationProbe(train or maps(), test or maps(), **arguments)


def transfer(train=LABELLED, test=LABELLED, **arguments):
    return Transfer("birds", Loads(train), Loads(test), **arguments)


ONE_CLASS, FEW = some([1] * 20), some([0, 1] * 4)
REFUSED = [
    (probe(41), "LinearProbe.batch_size = 41, but random has 40 images"),
    (
        probe(38, learning_rates=(0.1, 1.0)),
        "batch_size = 38, but random has 36 images to train on",
    ),
    (probe(size=16), "LinearProbe.train_view gives 16 px"),
    (segmentation(batch_size=21), "SegmentationProbe.batch_size = 21"),
    (segmentation(maps((0, 3))), "hold 3, which are neither"),
    (segmentation(None, maps((255,))), "no pixel .* is labelled"),
    (segmentation(None, maps(side=9)), "give both .* the same size"),
    (transfer(UserError("birds was not found")), "birds was not found"),
    (transfer(LABELLED, UserError("'valid' is not a split of birds")), "is not a split of birds"),
    (transfer(ONE_CLASS, ONE_CLASS), "Transfer to birds needs images of two classes or more, but"),
    (transfer(FEW, FEW), "needs at least 10 labelled images of two classes or more, not 8 of 2"),
    (transfer(LABELLED, FEW), "Transfer to birds needs the same classes"),
    (transfer(test_view=pairs.CenterCrop(20, 20)), "Transfer.test_view of birds gives 20 px"),
]


@pytest.mark.parametrize(("wrong", "message"), REFUSED)
def test_an_evaluation_that_would_fail_is_refused_before_training(wrong, message, run):
    with pytest.raises(UserError, match=message):
        Evaluate(VIEW, extra_probes=(wrong,)).check(run)


@pytest.mark.parametrize("labels", [[0] * 20, [1] * 20])
def test_labels_of_one_class_are_refused(labels, run):
    run.train = run.test = some(labels)
    with pytest.raises(UserError, match="the 20 images of some are all of '[ab]'"):
        Evaluate(VIEW, (NearestNeighbours(),)).check(run)


def test_a_batch_that_the_replicas_cannot_share_is_refused(run):
    run.strategy = STRATEGY
    with pytest.raises(UserError, match="LinearProbe.batch_size = 6 cannot be divided among 4"):
        Evaluate(VIEW, (probe(6),)).check(run)
    Evaluate(VIEW, (probe(8),)).check(run)


def test_xla_on_several_cpus_is_refused_for_a_probe(run, two_replicas):
    run.strategy = two_replicas
    with pytest.raises(UserError, match="bind TrainingLoop.jit_compile = False"):
        Evaluate(VIEW, (probe(8, loop=TrainingLoop(jit_compile=True)),)).check(run)


def test_segmentation_needs_networks_with_maps(run):
    run.backbones = [small.SmallBackbone()]
    with pytest.raises(UserError, match="needs feature maps, which SmallBackbone does not have"):
        Evaluate(VIEW, (segmentation(),)).check(run)


def test_sets_of_a_good_evaluation_are_read_once(run):
    sources = [Loads(LABELLED), Loads(small.images(20, 3)), maps(), maps()]
    transfer = Transfer("birds", *sources[:2])
    evaluation = Evaluate(VIEW, (probe(), transfer, segmentation(*sources[2:])))
    evaluation.check(run)
    assert len(evaluation.sets(run)) == len(run.sets()) + 4
    assert [source.times for source in sources] == [1] * 4


def test_two_probes_of_one_key_and_names_that_spoil_keys_are_refused():
    twins = (NearestNeighbours(5), NearestNeighbours(20))
    sources = Loads(LABELLED), Loads(LABELLED)
    with pytest.raises(UserError, match="extra_probes together hold two of knn"):
        Evaluate(VIEW, twins[:1], twins[1:])
    with pytest.raises(UserError, match="Transfer.probes hold two of knn"):
        Transfer("birds", *sources, twins)
    for name in ("a, b", "a/b", ""):
        with pytest.raises(UserError, match="becomes part of keys"):
            Transfer(name, *sources)
    Evaluate(probes=(Transfer("birds", *sources, test_view=VIEW),))
    with pytest.raises(UserError, match="Evaluate.test_view is not bound"):
        Evaluate(probes=(Transfer("birds", *sources),))


def test_probes_of_factors_need_sequences(run):
    with pytest.raises(UserError, match="FactorProbe needs sequences, which random is not"):
        Evaluate(probes=(FactorProbe(),)).check(run)


def test_an_export_that_would_fail_is_refused(run, tmp_path):
    Export(VIEW).check(run)
    with pytest.raises(UserError, match="Unlike cannot be exported .*give it get_config"):
        Export(VIEW).check(dataclasses.replace(run, backbones=[Unlike(object())]))
    (tmp_path / "export").rmdir()
    (tmp_path / "export").touch()
    with pytest.raises(UserError, match="export cannot be written .*use another --model_dir"):
        Export(VIEW).check(run)


def test_pretraining_is_checked_before_view_learning(run):
    stage = Pretrain(small.encoder, keras.optimizers.SGD(0.1), batch_size=31, epochs=1)
    stage.make_encoders(2)
    with pytest.raises(UserError, match="Pretrain.batch_size = 31, but random has 30 images"):
        stage.check(run)


class Recorder(Stage):
    """A stage that notes what it is asked."""

    def __init__(self, name, asked, wrong=False):
        self.name, self._asked, self._wrong = name, asked, wrong

    def check(self, run):
        self._asked.append(f"check {self.name}")
        if self._wrong:
            raise UserError("wrong")

    def run(self, run):
        self._asked.append(f"run {self.name}")


@pytest.mark.parametrize("seed", range(8))
def test_a_class_of_one_image_is_fitted(seed):
    labels = np.array([0] * 40 + [1])
    features = np.random.default_rng(0).normal(size=(41, 3)) + labels[:, None]
    fit = fit_logistic(features, labels, features, labels, seed)
    assert fit.accuracy >= 100 * 40 / 41 - 1e-6


def test_each_class_is_in_the_part_that_is_fitted():
    for counts in ((40, 1), (9, 1, 1), (2, *[1] * 9), (30, 2, 2, 1, 1, 1)):
        labels = np.repeat(np.arange(len(counts)), counts)
        for seed in range(20):
            fit, held = _divide(labels, seed)
            assert sorted([*fit, *held]) == list(range(len(labels))) and len(held)
            assert set(labels[fit]) == set(labels)


def test_a_set_without_every_tenth_image_keeps_each_class():
    rest, held = some([0] * 20 + [1]).hold_out(10)
    assert (rest.size, held.size) == (19, 2) and set(rest.labels.numpy()) == {0, 1}
    rest, held = some([0, 1] * 20).hold_out(10)
    assert held.size == 4


def test_stages_are_checked_before_the_first_one_runs(run):
    asked = []
    stages = [Recorder("pretrain", asked), Recorder("evaluate", asked, wrong=True)]
    with pytest.raises(UserError, match="wrong"):
        order.run_stages(run, stages)
    assert asked == ["check pretrain", "check evaluate"]
    order.run_stages(run, stages[:1])  # as by --until
    assert asked[2:] == ["check pretrain", "run pretrain"]
