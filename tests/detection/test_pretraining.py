"""The two pre-trainings that docs/detection.md compares."""

import gin
import pytest

from infomin_tf.models.resnet import ResNet18
from tests.gin_files import build

FOLDER = "examples/detection"


@pytest.mark.usefixtures("clean_gin")
def test_they_differ_in_the_operations_on_views_alone():
    lines, operations = {}, {}
    for name in ("infomin", "raw"):
        experiment = build(f"{FOLDER}/pretrain_{name}.gin")
        family = experiment._pair.samplers[0]
        operations[name] = [type(operation).__name__ for operation in family.operations]
        lines[name] = set(gin.config_str().splitlines())
        assert experiment.stage_names == ("pretrain", "export")
    assert operations == {"infomin": ["ColorJitter", "Greyscale"], "raw": []}
    different = lines["infomin"] ^ lines["raw"]
    assert different and all(line.startswith("families.infomin.") for line in different)


@pytest.mark.usefixtures("clean_gin")
def test_the_network_has_the_strides_of_a_pyramid():
    build(f"{FOLDER}/pretrain_infomin.gin")
    network = gin.get_configurable(ResNet18)()
    assert not network.small_images and network.max_pool and network.width == 0.5
