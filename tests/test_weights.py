"""Weights of torchvision: the same features, and errors that say what does not fit.

torchvision_features.npz holds what torchvision 0.29 gives for `torchvision_weights` and `IMAGES`;
made by `python -m tests.test_weights` where torch and torchvision are installed. They run in a
process of their own: imported after TensorFlow, torch can crash.
"""

import importlib.util
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest

from infomin_tf.errors import UserError
from infomin_tf.models import alexnet, resnet, torchvision

STORED = pathlib.Path(__file__).parent / "models" / "torchvision_features.npz"
IMAGES = np.random.RandomState(7).standard_normal((2, 40, 48, 3)).astype(np.float32)
NETWORKS = {
    "resnet18": resnet.ResNet18,
    "resnet50": resnet.ResNet50,
    "resnext50_32x4d": resnet.ResNeXt50,
}
TORCHVISION = """
import sys, numpy, torch, torchvision
torch.manual_seed(0)
network = getattr(torchvision.models, sys.argv[1])()
given = dict(numpy.load(sys.argv[2]))
images = torch.tensor(given.pop("images")).permute(0, 3, 1, 2)
network.load_state_dict({name: torch.tensor(value) for name, value in given.items()}, strict=False)
network.fc = torch.nn.Identity()
with torch.no_grad():
    if not given:  # no scale, offset or statistic stays at 0 or 1
        for vector in (p for p in network.parameters() if p.ndim == 1):
            vector += 0.2 * torch.randn_like(vector)
        network.train()(images)
    features = network.eval()(images).numpy()
state = {name: value.numpy() for name, value in network.state_dict().items()}
numpy.savez(sys.argv[3], features=features, **state)
"""


def torchvision_weights(network):
    """Random weights of `network` under torchvision's names, in torch's layout."""
    random, state = np.random.RandomState(3), {}
    for name, variable in sorted(torchvision._named_variables(network)):
        shape = tuple(variable.shape)
        if len(shape) == 4:
            shape = (shape[3], shape[2], *shape[:2])
            values = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            low, high = (-0.3, 0.3) if name.endswith(("bias", "mean")) else (0.5, 1.0)
            values = random.uniform(low, high, shape)
        state[name] = values.astype(np.float32)
    return state


def built(network, size=32):
    keras.utils.set_random_seed(0)
    network.build((None, size, size, 3))
    return network


@pytest.fixture(scope="module")
def small():
    """A narrow ResNet-18 with weights of torchvision's names for it."""
    network = built(resnet.ResNet18(0.0625))
    return network, torchvision_weights(network)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_the_stored_ones_of_torchvision(name):
    backbone = built(NETWORKS[name]())
    torchvision.load_torchvision_resnet(backbone, torchvision_weights(backbone))
    expected = np.load(STORED)[name]
    np.testing.assert_allclose(backbone(IMAGES, training=False), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not importlib.util.find_spec("torchvision"), reason="torchvision is missing")
@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d"])
def test_features_are_those_of_torchvision(name):
    expected, state = run_torchvision(name, {})
    backbone = built(NETWORKS[name]())
    torchvision.load_torchvision_resnet(backbone, state)
    np.testing.assert_allclose(backbone(IMAGES, training=False), expected, rtol=1e-4, atol=1e-4)


def run_torchvision(name, state):
    """Features before fc for IMAGES of a torchvision network with `state` (drawn when empty), and
    its weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = f"{folder}/given.npz", f"{folder}/made.npz"
        np.savez(given, images=IMAGES, **state)
        subprocess.run([sys.executable, "-c", TORCHVISION, name, given, made], check=True)
        made = dict(np.load(made))
    return made.pop("features"), made


def test_fc_and_counters_are_ignored_and_every_weight_is_replaced(small):
    network, state = small
    before = [np.array(v) for v in network.variables]
    others = {"fc.weight": 0, "fc.bias": 0, "bn1.num_batches_tracked": 0}
    torchvision.load_torchvision_resnet(network, state | others)
    for old, new in zip(before, network.variables, strict=True):
        assert np.all(old != new.numpy()), new.path
    np.testing.assert_array_equal(
        network.stem.convolution.kernel.numpy()[1, 2, 0], state["conv1.weight"][:, 0, 1, 2]
    )


def test_names_that_do_not_fit_are_told_and_nothing_is_changed(small):
    network, state = small
    before = network.get_weights()
    deeper = torchvision_weights(built(resnet.ResNet34(0.0625)))
    with pytest.raises(UserError, match=r"has layer1.2.bn1.bias, .* more; use the backbone that"):
        torchvision.load_torchvision_resnet(network, deeper)
    state = {name: np.zeros_like(value) for name, value in state.items()}
    state.pop("layer4.1.bn2.running_var")
    with pytest.raises(UserError, match="it lacks layer4.1.bn2.running_var; use"):
        torchvision.load_torchvision_resnet(network, state)
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_prefixed_names_are_told_with_the_prefix(small):
    network, state = small
    wrapped = {f"module.encoder_q.{name}": value for name, value in state.items()}
    with pytest.raises(UserError, match="begin with 'module.encoder_q.', and remove that prefix"):
        torchvision.load_torchvision_resnet(network, wrapped)


def test_shapes_that_do_not_fit_are_told(small):
    _, state = small
    other = built(resnet.ResNet18(0.0625, small_images=True))
    with pytest.raises(
        UserError, match=r"conv1.weight is \(7, 7, 3, 4\), not \(3, 3, 3, 4\) .*sma"
    ):
        torchvision.load_torchvision_resnet(other, state)
    wider = built(resnet.ResNet18(0.125))
    with pytest.raises(UserError, match=r"bn1.weight is \(4,\), not \(8,\), .* more .*width"):
        torchvision.load_torchvision_resnet(wider, state)


def test_only_built_resnets_are_filled(small):
    with pytest.raises(UserError, match="not AlexNetHalf"):
        torchvision.load_torchvision_resnet(alexnet.AlexNetHalf(), small[1])
    with pytest.raises(UserError, match="build"):
        torchvision.load_torchvision_resnet(resnet.ResNet18(), small[1])


class Tensor:
    """Has the methods of a torch tensor that is on a GPU and has a gradient."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


def test_tensors_are_taken_as_arrays_are(small):
    network, state = small
    torchvision.load_torchvision_resnet(network, {n: Tensor(v) for n, v in state.items()})
    gamma = network.stem.normalization.gamma
    np.testing.assert_array_equal(gamma.numpy(), state["bn1.weight"])


def store():
    """Writes STORED with torchvision."""
    features = {}
    for name, network in NETWORKS.items():
        state = torchvision_weights(built(network()))
        features[name], made = run_torchvision(name, state)
        assert set(state) == {n for n in made if "num_batches" not in n}
    np.savez_compressed(STORED, **features)


if __name__ == "__main__":
    store()
