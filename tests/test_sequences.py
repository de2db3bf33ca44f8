"""Learning from Colorful Moving-MNIST: shared backbone, probes that find what is there, both kinds
of training end to end.
"""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import Features
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.models import heads
from infomin_tf.models.encoder import Encoder
from infomin_tf.moving_mnist import networks
from infomin_tf.moving_mnist.factors import FactorProbe
from infomin_tf.moving_mnist.pair import FactorPair
from infomin_tf.moving_mnist.sequences import Sequences
from infomin_tf.moving_mnist.stages import PretrainSequences, TrainSupervised
from infomin_tf.runs import results
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.views import color, pairs, splits

CLASSES = ("a", "b")
STRATEGY = tf.distribute.OneDeviceStrategy("CPU:0")


def small_sequences(name, count=32):
    """Digits: blocks, dim or bright; backgrounds: black or dark blue."""
    labels = np.arange(count) % 2
    digits = np.full((count, 12, 12, 3), 100, np.uint8) + (
        100 * labels[:, None, None, None]
    ).astype(np.uint8)
    grounds = np.zeros((count, 40, 40, 3), np.uint8)
    grounds[labels == 1, :, :, 2] = 60
    digits, grounds = (
        ArrayImages(f"{kind} {name}", x, labels, CLASSES)
        for kind, x in (("digits", digits), ("grounds", grounds))
    )
    return Sequences(digits, grounds, 32)


class SmallData:
    """Stands for `Data`."""

    sources = ()

    def load(self, data_dir=None):
        train, test = small_sequences("train"), small_sequences("test")
        return train, train, test, test

    def load_unlabelled(self, data_dir=None):
        return small_sequences("train")


def optimizer():
    return keras.optimizers.SGD(0.05, momentum=0.9)


def backbone():
    return networks.ConvNet((4, 8))


def experiment(pretraining=None, loop=None, **keep):
    keras.utils.set_random_seed(1)
    pretraining = pretraining or PretrainSequences(
        backbone,
        lambda: heads.LinearHead(8),
        optimizer(),
        units=6,
        batch_size=8,
        epochs=2,
        num_candidates=16,
        loop=loop,
    )
    return Experiment(
        SmallData(),
        FactorPair(32, num_frames=3, target_frame=5, **keep),
        splits.Sequence(color.RGB(), (0.5,) * 3, (0.25,) * 3),
        pretraining,
        Evaluate(probes=(FactorProbe(num_train=700, num_test=300),), random_encoder=True),
    )


def run(made, directory):
    with STRATEGY.scope():
        made.run(str(directory), strategy=STRATEGY, seed=1)
    return {
        found["label"]: found["value"]
        for stage in ("pretrain", "evaluate")
        for found in results.read(str(directory / stage))["measurements"]
    }


def evaluated_again(made, directory):
    """The numbers of bin/evaluate."""
    with STRATEGY.scope():
        made.repeat("evaluate", str(directory), strategy=STRATEGY, seed=1)
    measurements = results.read(str(directory / "evaluate"))["measurements"]
    return {found["label"]: found["value"] for found in measurements}


def test_the_sequence_encoder_is_a_head_on_an_lstm_on_the_features_of_each_frame():
    encoder = networks.SequenceEncoder(backbone(), heads.LinearHead(5), 7)
    encoder.build((None, 3, 32, 32, 3))
    frames = tf.random.stateless_uniform([2, 3, 32, 32, 3], [1, 2])
    features = tf.stack([encoder.backbone(frames[:, t]) for t in range(3)], axis=1)
    expected = encoder.head(encoder.recurrent(features))
    serialized = keras.saving.serialize_keras_object(encoder)
    copy = keras.saving.deserialize_keras_object(serialized)
    copy.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(copy(frames), encoder(frames))
    np.testing.assert_allclose(encoder(frames), expected, atol=1e-5)
    assert encoder(frames).shape == (2, 5)


def test_the_backbone_is_four_convolutions_of_the_papers_filters_and_a_mean():
    network = networks.ConvNet()
    network.build((None, 64, 64, 3))
    assert [c.convolution.kernel.shape[-1] for c in network.convolutions] == [8, 16, 32, 64]
    assert network(tf.zeros([2, 64, 64, 3])).shape == (2, 64)


def test_a_shared_backbone_is_trained_once():
    made = experiment(keep_digit=True)
    sequence_encoder, frame_encoder = made._pretraining._encoders
    assert isinstance(frame_encoder, Encoder)
    assert sequence_encoder.backbone is frame_encoder.backbone
    train, _, test, _ = SmallData().load()
    made._split.build((None, 32, 32, 3))
    fake = types.SimpleNamespace(
        unlabelled=train,
        train=train,
        test=test,
        held_out=test,
        pair=made._pair,
        split=made._split,
        seed=0,
    )
    fake.directory = lambda stage: "unused"
    learner, _ = made._pretraining.prepare(fake)
    names = [id(v) for v in learner._encoder_variables()]
    expected = [*sequence_encoder.trainable_variables, *frame_encoder.head.trainable_variables]
    assert len(names) == len(set(names)) and set(names) == {id(v) for v in expected}


@pytest.mark.long
def test_pretraining_and_probes_end_to_end_and_again_after_a_stop(tmp_path):
    whole = run(experiment(keep_digit=True, keep_background=True), tmp_path / "whole")
    assert whole["entropy of the shared factors"] == pytest.approx(np.log(32) + np.log(32 * 81))
    assert whole["background error, pre-trained"] < 5 < whole["background error, chance"]
    assert 45 < whole["digit error, chance"] < 55
    for count in (3, 8):  # stopped after 3 steps, then continued
        part = TrainingLoop(steps_limit=count)
        made = experiment(loop=part, keep_digit=True, keep_background=True)
        with STRATEGY.scope():
            made.run(str(tmp_path / "parts"), strategy=STRATEGY, seed=1, until="pretrain")
        if count == 3:
            (tmp_path / "parts" / "pretrain" / "results.json").unlink()
    again = results.read(str(tmp_path / "parts" / "pretrain"))["measurements"]
    assert {n["label"]: n["value"] for n in again}.items() <= whole.items()
    made = experiment(keep_digit=True, keep_background=True)
    assert evaluated_again(made, tmp_path / "whole").items() <= whole.items()


def test_views_that_share_nothing_are_refused(tmp_path):
    with pytest.raises(UserError, match="share nothing"):
        run(experiment(), tmp_path)


@pytest.mark.long
def test_the_supervised_baseline_learns_all_three_factors(tmp_path):
    def made():
        network = lambda: networks.ConvNet((8, 16, 32))  # noqa: E731
        optimizer = keras.optimizers.Adam(1e-2)
        return experiment(TrainSupervised(network, optimizer, batch_size=32, epochs=250))

    found = run(made(), tmp_path)
    assert found["background error, end to end"] < 5
    assert found["digit error, end to end"] < 20
    assert found["position error, end to end"] < 0.8 * found["position error, chance"]
    assert evaluated_again(made(), tmp_path).items() <= found.items()


def test_probes_of_perfect_features_make_no_error_and_chance_is_that_of_constants():
    train, _, test, _ = SmallData().load()
    fake = types.SimpleNamespace(train=train, test=test, seed=0)

    def perfect(images, training):
        ink = images[..., 0]  # the backgrounds have no red
        mass = tf.reduce_sum(ink, axis=(1, 2))
        line = tf.range(32, dtype=tf.float32) + 0.5
        y = tf.reduce_sum(ink * line[:, None], axis=(1, 2)) / mass
        x = tf.reduce_sum(ink * line[None], axis=(1, 2)) / mass
        return tf.stack([mass, images[:, 0, 0, 2] + images[:, -1, -1, 2], y, x], axis=1)

    measured = FactorProbe(1000, 500).measure(fake, Features(perfect, None), "pre-trained")
    perfect, chance = measured[:3], measured[3:]
    assert [m.unit for m in perfect] == [m.unit for m in chance] == ["%", "%", "px"]
    assert perfect[0].value == 0 and perfect[1].value < 5 and perfect[2].value < 1e-3
    assert 40 < chance[0].value < 60
    # Mean distance of points of a square, side a, from its centre: a (sqrt 2 + asinh 1) / 6
    assert chance[2].value == pytest.approx(20 * (np.sqrt(2) + np.arcsinh(1)) / 6, rel=0.05)


def test_the_picture_of_sequences_moves_as_a_gif(tmp_path):
    path = tmp_path / "views.gif"
    experiment(keep_digit=True).save_picture(str(path))
    with Image.open(path) as picture:
        assert picture.n_frames == 5 and picture.info["duration"] == 100
        assert picture.height == 32
    experiment(keep_digit=True).save_picture(str(tmp_path / "views.png"))
    with Image.open(tmp_path / "views.png") as picture:
        assert picture.size == (5 * 34, 8 * 34)


def test_pairs_of_images_and_of_sequences_refuse_each_others_sets():
    pixels = ArrayImages("photos", np.zeros((4, 12, 12, 3), np.uint8), [0] * 4, ("0",))
    moving = Sequences(
        ArrayImages("digits", np.zeros((4, 6, 6, 3), np.uint8), [0] * 4, ("0",)), pixels, 12
    )
    factors = FactorPair(12, keep_digit=True, num_frames=3, target_frame=4)
    crops = pairs.IndependentPair(pairs.CropAndFlip(12))
    factors.check(moving)
    crops.check(pixels)
    with pytest.raises(UserError, match="FactorPair needs sequences, which photos is not"):
        factors.check(pixels)
    with pytest.raises(
        UserError, match="IndependentPair needs images, but digits over photos are seq"
    ):
        crops.check(moving)
