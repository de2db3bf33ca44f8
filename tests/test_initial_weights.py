"""Trainings that start from torchvision's weights in a file: features, and what is refused."""

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from infomin_tf.errors import UserError
from infomin_tf.experiment.learn_views import LearnViews
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.learners import negatives
from infomin_tf.models import alexnet, heads, resnet, torchvision
from infomin_tf.models.encoder import Encoder
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.views import color, generators, splits
from tests import small, test_weights

NARROW = 0.0625


@pytest.fixture(scope="module")
def narrow_weights(tmp_path_factory):
    """(the path of a file of a narrow ResNet-18, its weights by torchvision's names)."""
    state = test_weights.torchvision_weights(test_weights.built(resnet.ResNet18(NARROW)))
    path = str(tmp_path_factory.mktemp("weights") / "narrow.safetensors")
    save_file(state, path)
    return path, state


def pretraining(path, network, **settings):
    """A `Pretrain` that starts from a file."""
    loop = TrainingLoop(steps_limit=1, jit_compile=False)
    return Pretrain(
        lambda: Encoder(network(), heads.LinearHead(8)),
        keras.optimizers.SGD(1e-4),
        batch_size=10,
        num_candidates=8,
        loop=loop,
        initial_weights=path,
        **settings,
    )


def test_pre_training_starts_with_the_features_of_torchvision(tmp_path):
    path = str(tmp_path / "weights.safetensors")
    save_file(test_weights.torchvision_weights(test_weights.built(resnet.ResNet18())), path)
    stage = pretraining(path, resnet.ResNet18, negatives=negatives.MomentumQueue(20))
    stage.make_encoders(1)
    run = small.run_of(tmp_path, small.whole())
    stage.check(run)
    learner, _ = stage.prepare(run)
    expected = np.load(test_weights.STORED)["resnet18"]
    for encoder in (*learner.encoders, *learner.key_encoders):
        features = encoder.backbone(test_weights.IMAGES, training=False)
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)
    untrained = stage.untrained(run).backbones[0](test_weights.IMAGES, training=False)
    assert np.abs(untrained - expected).max() > 0.1


def test_what_has_begun_continues_from_its_checkpoint_and_needs_no_file(narrow_weights, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(narrow_weights[1], path)
    stages = [pretraining(str(path), lambda: resnet.ResNet18(NARROW)) for _ in range(2)]
    run = small.run_of(tmp_path, small.whole())
    for stage in stages:
        stage.make_encoders(1)
    stages[0].check(run)
    stages[0].run(run)
    path.unlink()
    stages[1].restore(run)
    for a, b in zip(*(stage.backbones[0].variables for stage in stages), strict=True):
        np.testing.assert_array_equal(a, b)
    kernel = stages[1].backbones[0].stem.convolution.kernel.numpy().transpose(3, 2, 0, 1)
    assert 0 < np.abs(kernel - narrow_weights[1]["conv1.weight"]).max() < 0.1  # one step away


@pytest.mark.parametrize("channels", [1, 2])
def test_other_channels_share_the_kernels_so_that_grey_images_look_the_same(
    channels, narrow_weights
):
    rgb, other = resnet.ResNet18(NARROW), resnet.ResNet18(NARROW)
    torchvision.start_from(narrow_weights[0], [rgb, other], [(32, 32, 3), (32, 32, channels)])
    grey = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype(np.float32)
    expected = rgb(np.repeat(grey, 3, axis=3), training=False)
    features = other(np.repeat(grey, channels, axis=3), training=False)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_view_learning_starts_from_them(narrow_weights, tmp_path):
    stage = LearnViews(
        lambda: Encoder(resnet.ResNet18(NARROW), heads.LinearHead(8)),
        keras.optimizers.SGD(0.1),
        keras.optimizers.SGD(0.1),
        classifier_backbone=lambda: resnet.ResNet18(NARROW),
        batch_size=10,
        labelled_batch_size=10,
        initial_weights=narrow_weights[0],
    )
    generator = generators.AffineGenerator(num_blocks=1)
    split = splits.ChannelSplit(color.YDbDr(), generator, (0.4, 0.0, 0.0), (0.3, 0.3, 0.3))
    run = small.run_of(tmp_path, split)
    stage.check(run)
    learner, _ = stage.prepare(run)
    networks = [encoder.backbone for encoder in (*learner.critics, *learner.classifiers)]
    assert len(networks) == 4
    for network, channels in zip(networks, (1, 2, 1, 2), strict=True):
        state = torchvision.torchvision_state(network)
        assert state["conv1.weight"].shape[1] == channels
        name = "layer4.1.conv2.weight"
        np.testing.assert_array_equal(state[name], narrow_weights[1][name])


def check_refused(path, network, tmp_path, message):
    stage = pretraining(path, network)
    stage.make_encoders(1)
    with pytest.raises(UserError, match=message):
        stage.check(small.run_of(tmp_path, small.whole()))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            lambda: resnet.ResNet34(NARROW),
            r"narrow\S+: the state dict does not fit ResNet34: it la",
        ),
        (lambda: resnet.ResNet18(0.125), r"bn1.weight is \(4,\), not \(8,\)"),
        (lambda: resnet.ResNet18(NARROW, small_images=True), r"\(7, 7, 3, 4\), not \(3, 3, 3, 4\)"),
        (
            lambda: alexnet.AlexNetHalf(width=0.03),
            "can start a ResNet or ResNeXt, not AlexNetHalf; bind one",
        ),
    ],
)
def test_weights_of_another_network_are_refused(network, message, narrow_weights, tmp_path):
    check_refused(narrow_weights[0], network, tmp_path, message)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 as torch.save writes", bytes(100)])
def test_a_foreign_file_is_refused_with_what_makes_one(content, tmp_path):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    message = r"weights.pth cannot be read as weights .*safetensors.torch.save_file\(torch.load"
    check_refused(str(path), lambda: resnet.ResNet18(NARROW), tmp_path, message)
