"""The format torchvision: its names and shapes, equal features in torchvision, what is refused.

torchvision_states.json holds what torchvision 0.29 says of its networks, which these tests compare
with where it is missing; made by `python -m tests.formats.test_torchvision`.
"""

import hashlib
import importlib.util
import json
import pathlib

import numpy as np
import pytest
from safetensors.numpy import load_file

from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.formats import format
from infomin_tf.models import alexnet, resnet
from infomin_tf.models.torchvision import load_torchvision_resnet, torchvision_state
from infomin_tf.views import color, generators, splits
from tests.formats import encoders

STORED = pathlib.Path(__file__).parent / "torchvision_states.json"
NETWORKS = {
    "resnet18": resnet.ResNet18,
    "resnet34": resnet.ResNet34,
    "resnet50": resnet.ResNet50,
    "resnet101": resnet.ResNet101,
    "resnet152": resnet.ResNet152,
    "resnext50_32x4d": resnet.ResNeXt50,
    "resnext101_32x8d": resnet.ResNeXt101,
}
OF_NETWORKS = pytest.mark.parametrize(
    "name",
    [
        n if n in ("resnet18", "resnet50") else pytest.param(n, marks=pytest.mark.long)
        for n in NETWORKS
    ],
)
USES_TORCHVISION = pytest.mark.skipif(
    not importlib.util.find_spec("torchvision"), reason="torchvision is missing"
)


def digest(shapes):
    """Of names and shapes."""
    text = "\n".join(f"{name} {tuple(shape)}" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@OF_NETWORKS
def test_names_and_shapes_are_those_of_torchvision(name):
    network = NETWORKS[name]()
    network.build((None, 32, 32, 3))
    shapes = {key: value.shape for key, value in torchvision_state(network).items()}
    assert digest(shapes) == json.loads(STORED.read_text())[name]


def test_the_file_gives_the_weights_back(tmp_path):
    encoder = encoders.of_network(encoders.ShallowResNeXt())
    export.save_encoder(encoder, tmp_path, "torchvision")
    assert [path.name for path in tmp_path.iterdir()] == ["torchvision"]
    state = load_file(tmp_path / "torchvision" / "encoder.safetensors")
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    assert {state[name].dtype.name for name in counters} == {"int64"}
    assert {value.dtype.name for name, value in state.items() if name not in counters} == {
        "float32"
    }
    other = encoders.ShallowResNeXt()
    other.build((None, 32, 32, 3))
    load_torchvision_resnet(other, state)
    for ours, read in zip(encoder.extractor.backbones[0].variables, other.variables, strict=True):
        np.testing.assert_array_equal(ours, read)


def test_what_a_program_needs_besides_the_weights_is_there(tmp_path):
    export.save_encoder(encoders.of_network(encoders.ShallowResNeXt()), tmp_path, ["torchvision"])
    facts = json.loads((tmp_path / "torchvision" / "encoder.json").read_text())
    assert facts.pop("mean") == pytest.approx([0.48, 0.45, 0.40])
    assert facts.pop("std") == pytest.approx([0.22, 0.23, 0.24])
    assert facts == {
        "network": {
            "block": "Bottleneck",
            "layers": [1, 1, 1, 1],
            "groups": 32,
            "width_per_group": 4,
        },
        "small_images": False,
        "max_pool": True,
        "features": 2048,
        "resize": 36,
        "size": 32,
    }


@USES_TORCHVISION
@pytest.mark.parametrize(
    "make, resize",
    [
        (encoders.ShallowResNeXt, 39),
        (lambda: encoders.ShallowResNet(small_images=True, max_pool=False), 36),
    ],
    ids=["ResNeXt", "small images"],
)
def test_features_in_pytorch_are_ours(make, resize, tmp_path):
    encoder = encoders.of_network(make(), resize)
    export.save_encoder(encoder, tmp_path, "torchvision")
    files, images = encoders.pictures(tmp_path)
    program = encoders.ROOT / "examples" / "use_in_pytorch.py"
    encoders.run_alone(program, tmp_path, *files, folder=tmp_path)
    expected = np.concatenate([encoder(image[None]) for image in images])
    np.testing.assert_allclose(np.load(tmp_path / "features.npy"), expected, rtol=1e-4, atol=1e-4)


STRICT = """
import sys, numpy, torch, torchvision
from safetensors.torch import load_file
network = getattr(torchvision.models, sys.argv[1])()
network.fc = torch.nn.Identity()
network.load_state_dict(load_file(sys.argv[2]))
with torch.inference_mode():
    images = torch.tensor(numpy.load(sys.argv[3])).permute(0, 3, 1, 2)
    numpy.save(sys.argv[4], network.eval()(images).numpy())
"""


@USES_TORCHVISION
@OF_NETWORKS
def test_torchvisions_own_functions_load_it_strictly(name, tmp_path):
    encoder = encoders.of_network(NETWORKS[name](), resize=None)
    export.save_encoder(encoder, tmp_path, "torchvision")
    images = np.random.default_rng(0).normal(size=(2, 40, 48, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "strict.py").write_text(STRICT)
    weights = tmp_path / "torchvision" / "encoder.safetensors"
    arguments = name, weights, tmp_path / "images.npy", tmp_path / "features.npy"
    encoders.run_alone(tmp_path / "strict.py", *arguments, folder=tmp_path)
    expected = encoder.extractor.backbones[0](images, training=False)
    found = np.load(tmp_path / "features.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


DETECTOR = """
import sys, torch
from safetensors.torch import load_file
from torchvision.models import detection
torch.manual_seed(0)
make = getattr(detection, sys.argv[1])
model = make(weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=64)
weights = load_file(sys.argv[2])
found = model.backbone.body.load_state_dict(weights)
assert not found.missing_keys and not found.unexpected_keys
kernel = model.backbone.body.conv1.weight
assert torch.equal(kernel, weights["conv1.weight"])
assert all(parameter.requires_grad for parameter in model.parameters())
images = [torch.rand(3, 64, 64) for _ in range(2)]
boxes, labels = torch.tensor([[8.0, 8.0, 40.0, 48.0]]), torch.tensor([1])
targets = [{"boxes": boxes, "labels": labels, "masks": torch.ones(1, 64, 64)} for _ in images]
optimizer = torch.optim.SGD(model.parameters(), 1e-4)
for _ in range(3):
    loss = sum(model(images, targets).values())
    assert torch.isfinite(loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert not torch.equal(kernel, weights["conv1.weight"])
"""


@USES_TORCHVISION
@pytest.mark.parametrize(
    "name",
    [
        "fasterrcnn_resnet50_fpn_v2",
        pytest.param("maskrcnn_resnet50_fpn_v2", marks=pytest.mark.long),
        pytest.param("maskrcnn_resnet50_fpn", marks=pytest.mark.long),
    ],
)
def test_a_detector_starts_from_it_and_trains(name, tmp_path):
    export.save_encoder(encoders.of_network(resnet.ResNet50()), tmp_path, "torchvision")
    (tmp_path / "detector.py").write_text(DETECTOR)
    weights = tmp_path / "torchvision" / "encoder.safetensors"
    encoders.run_alone(tmp_path / "detector.py", name, weights, folder=tmp_path)


@pytest.mark.parametrize(
    "split, backbones, why",
    [
        (
            splits.ChannelSplit(color.YDbDr(), generators.GlowGenerator(num_blocks=1)),
            [alexnet.AlexNetHalf(), alexnet.AlexNetHalf()],
            "this encoder has a ChannelSplit and a view generator",
        ),
        (splits.FrequencySplit(), [resnet.ResNet18()] * 2, "this encoder has a FrequencySplit"),
        (splits.Whole(color.Lab()), [resnet.ResNet18()], "this encoder sees Lab"),
        (splits.Whole(color.RGB()), [alexnet.AlexNetHalf()], "this network is AlexNetHalf"),
        (splits.Whole(color.RGB()), [resnet.ResNet18(0.25)], "ResNet18.width is 0.25 and not 1"),
        (
            splits.Whole(color.RGB()),
            [resnet.ResNet18(stem_filters=32)],
            "ResNet18.stem_filters is 32 and not 64",
        ),
    ],
)
def test_what_it_cannot_carry_is_told(split, backbones, why):
    [written] = format.make(["torchvision"])
    with pytest.raises(UserError, match=f"torchvision carries one ResNet .* but {why}; use the"):
        written.check(split, backbones)


def store():
    """Writes STORED with torchvision."""
    import torch
    import torchvision

    found = {}
    for name in NETWORKS:
        network = getattr(torchvision.models, name)()
        network.fc = torch.nn.Identity()
        found[name] = digest({key: value.shape for key, value in network.state_dict().items()})
    STORED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    store()
