"""The format detectron2: names, shapes and values in a pickle that needs nothing but NumPy."""

import pickle
import pickletools

import numpy as np
import pytest
import yaml

from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.formats import format
from infomin_tf.models import resnet
from infomin_tf.models.torchvision import torchvision_state
from infomin_tf.views import color, splits
from tests.formats import encoders

# Of Detectron2's build_resnet_backbone with DEPTH 50, written down by hand.
SAMPLE = {
    "stem.conv1.weight": (64, 3, 7, 7),
    "stem.conv1.norm.running_mean": (64,),
    "res2.0.shortcut.weight": (256, 64, 1, 1),
    "res2.0.shortcut.norm.weight": (256,),
    "res2.0.conv2.weight": (64, 64, 3, 3),
    "res3.3.conv1.norm.bias": (128,),
    "res4.5.conv3.weight": (1024, 256, 1, 1),
    "res5.0.conv1.weight": (512, 1024, 1, 1),
    "res5.2.conv3.norm.running_var": (2048,),
}


def by_moco(name):
    """The rule of MoCo's detection/convert-pretrain-to-detectron2.py, replacements in turn."""
    name = name if "layer" in name else f"stem.{name}"
    for stage in (1, 2, 3, 4):
        name = name.replace(f"layer{stage}", f"res{stage + 1}")
    for number in (1, 2, 3):
        name = name.replace(f"bn{number}", f"conv{number}.norm")
    name = name.replace("downsample.0", "shortcut")
    return name.replace("downsample.1", "shortcut.norm")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    encoder, folder = encoders.of_network(resnet.ResNet50()), tmp_path_factory.mktemp("export")
    export.save_encoder(encoder, folder, "detectron2")
    return encoder, folder / "detectron2"


def read(folder):
    with open(folder / "encoder.pkl", "rb") as file:
        return pickle.load(file, encoding="latin1")  # as Detectron2 does


def test_names_shapes_and_values_are_those_of_detectron2(exported):
    encoder, folder = exported
    content = read(folder)
    assert content.keys() == {"model", "__author__", "matching_heuristics"}
    assert content["matching_heuristics"] is True and isinstance(content["__author__"], str)
    weights, state = content["model"], torchvision_state(encoder.extractor.backbones[0])
    expected = {by_moco(n): v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    assert weights.keys() == expected.keys() and len(weights) == 53 * 5
    assert {name: weights[name].shape for name in SAMPLE} == SAMPLE
    for name, value in expected.items():
        np.testing.assert_array_equal(weights[name], value)
        assert weights[name].dtype == np.float32 and weights[name].flags.writeable


def test_every_numpy_and_python_reads_the_pickle(exported):
    content = (exported[1] / "encoder.pkl").read_bytes()
    named, strings = set(), []
    for operation, argument, _ in pickletools.genops(content):
        if operation.name in ("SHORT_BINUNICODE", "BINUNICODE"):
            strings.append(argument)
        elif operation.name == "STACK_GLOBAL":
            named.add(tuple(strings[-2:]))
        assert operation.proto <= 4
    assert named <= {("numpy", "ndarray"), ("builtins", "bytearray")} and named


def test_the_settings_are_those_of_the_network(exported):
    config = yaml.safe_load((exported[1] / "encoder.yaml").read_text())
    assert config["INPUT"] == {"FORMAT": "RGB"}
    assert config["MODEL"]["PIXEL_MEAN"] == pytest.approx([122.4, 114.75, 102.0], abs=1e-3)
    assert config["MODEL"]["PIXEL_STD"] == pytest.approx([56.1, 58.65, 61.2], abs=1e-3)
    resnets = {"DEPTH": 50, "NUM_GROUPS": 1, "WIDTH_PER_GROUP": 64, "RES2_OUT_CHANNELS": 256}
    assert config["MODEL"]["RESNETS"] == resnets | {"STRIDE_IN_1X1": False}


def test_a_stem_for_small_images_is_refused():
    [written] = format.make(["detectron2"])
    network = resnet.ResNet18(small_images=True)
    with pytest.raises(UserError, match="ResNet18 has the stem for small images; use the formats"):
        written.check(splits.Whole(color.RGB()), [network])
