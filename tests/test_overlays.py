"""What an overlay or a few --gin_param replace or switch off, and what still stops a run."""

import sys

import gin
import numpy as np
import pytest

from infomin_tf import configuration, run_folder
from infomin_tf.errors import UserError
from infomin_tf.experiment import Experiment

HEADER = "from __gin__ import dynamic_registration\n"
SPLIT_VIEWS = ("gin/stl10_semisup_views.gin", "gin/folder_semisup_views.gin")


@pytest.fixture(autouse=True)
def clean(clean_gin, tmp_path, monkeypatch):
    """No earlier bindings, an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def build(*files, bindings=()):
    gin.clear_config()
    gin.config._IMPORTS.clear()
    configuration.parse([configuration.find_file(file) for file in files], list(bindings))
    experiment = configuration.build(Experiment)
    configuration.check_all_used()
    return experiment


REPLACEMENTS = {
    "linear probe off": (["evaluate.Evaluate.linear_probe=None"], ["linear.LinearProbe.epochs"]),
    "backbone": (
        ["encoder.Encoder.backbone = @resnet.ResNet18()"],
        ["alexnet.AlexNetHalf.width"],
    ),
    "colour space": (
        ["splits.ChannelSplit.color_space = @color.Lab()"],
        ["color.YDbDr.mean", "color.YDbDr.std"],
    ),
    "raw views": (
        ["experiment.Experiment.view_learning = None", "splits.ChannelSplit.generator = None"],
        ["learn_views.LearnViews.critic", "critic/encoder.Encoder.head", "bounds.InfoNCE"],
    ),
    "whole images": (
        [
            "experiment.Experiment.view_learning = None",
            "experiment.Experiment.split = @splits.Whole()",
            "splits.Whole.color_space = @color.RGB()",
        ],
        ["splits.ChannelSplit.color_space", "color.YDbDr.mean"],
    ),
    "family": (
        [
            "pairs.IndependentPair.sampler = @families.infomin()",
            "families.infomin.size = %view_size",
        ],
        ["pairs.CropAndFlip.area"],
    ),
    "data": (
        [
            "experiment.Data.unlabelled = @shapes.Shapes()",
            "experiment.Data.train = @shapes.Shapes()",
            "experiment.Data.test = @shapes.Shapes()",
        ],
        ["train/"],
    ),
    "negatives": (["pretrain.Pretrain.negatives = @negatives.InBatch()"], []),
    "schedule": (
        ["pretrain.Pretrain.schedule = @schedules.Constant()"],
        ["pretrain/schedules.StepDecay.at_epochs"],
    ),
    "optimizer": (
        ["pretrain.Pretrain.optimizer = @keras.optimizers.Adam()"],
        ["pretrain/keras.optimizers.SGD.momentum"],
    ),
    "generator": (["splits.ChannelSplit.generator = @generators.GlowGenerator()"], []),
    "no evaluation": (
        ["experiment.Experiment.evaluation = None"],
        ["evaluate.Evaluate.test_view", "linear.LinearProbe.epochs"],
    ),
    "no export": (["experiment.Experiment.export = None"], ["export.Export.view"]),
    "image size": (["view_size = 40"], []),
}


@pytest.mark.parametrize("file", SPLIT_VIEWS)
@pytest.mark.parametrize("change", REPLACEMENTS)
def test_a_few_bindings_replace_a_part(file, change, caplog):
    """What the part had bound is left out, in one line, and the saved configuration says the same once more."""
    bindings, left_out = REPLACEMENTS[change]
    build(file, bindings=bindings)
    lines = [r.getMessage() for r in caplog.records if "left out, as later" in r.getMessage()]
    assert len(lines) <= 1 and all(name in lines[0] for name in left_out)
    saved = configuration.operative_text(0)
    with open("config.gin", "w") as written:
        written.write(saved)
    caplog.clear()
    build("config.gin")
    assert run_folder.compare(saved, configuration.operative_text(0)) == []
    assert not caplog.records


def test_a_part_of_a_saved_run_may_be_switched_off():
    build("gin/folder_semisup_views.gin")
    with open("config.gin", "w") as written:
        written.write(configuration.operative_text(0))
    build("config.gin", bindings=["evaluate.Evaluate.linear_probe = None"])
    assert "LinearProbe" not in configuration.operative_text(0)


def test_another_colour_space_is_standardised_by_its_own_statistics():
    split = build(
        "gin/stl10_raw_views.gin", bindings=["splits.ChannelSplit.color_space = @color.Lab()"]
    )._split
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    split.build((None, 8, 8, 3))
    assert split.mean is None
    split.adapt(images)
    channels = split.standardize(images.astype("float32") / 255).numpy()
    np.testing.assert_allclose(channels.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(channels.std((0, 1, 2)), 1, atol=1e-4)


def test_the_segmentation_probe_stacks_on_learned_views():
    build("gin/folder_semisup_views.gin", "gin/evaluation/nyuv2_segmentation.gin")
    assert "segmentation.SegmentationProbe.epochs = 6" in configuration.operative_text(0)


def test_one_binding_sets_the_size_of_all_views():
    experiment = build("gin/folder_semisup_views.gin", bindings=["view_size = 64"])
    view = experiment._stages[-1].view
    assert experiment._pair.size == view.size == 64 and view.resize == 69


@pytest.mark.parametrize(
    ("own", "bindings", "message"),
    [
        (
            "",
            ["linear.LinearProbe.epochs = 3", "evaluate.Evaluate.linear_probe = None"],
            r"linear.LinearProbe.epochs: nothing uses .* \(bound by --gin_param\)",
        ),
        (
            "from infomin_tf.evaluation import linear\nlinear.LinearProbe.epochs = 3\n",
            ["evaluate.Evaluate.linear_probe = None"],
            r"linear.LinearProbe.epochs: .* \(bound in .*own.gin\)",
        ),
        (
            'include "included.gin"\n',
            [],
            r"pretrian/keras.optimizers.SGD.momentum: .*only used with other scopes .*included.gin",
        ),
    ],
)
def test_what_a_user_binds_in_vain_stops_the_run(own, bindings, message, tmp_path):
    (tmp_path / "own.gin").write_text(HEADER + own)
    typo = "import keras\npretrian/keras.optimizers.SGD.momentum = 0.5\n"
    (tmp_path / "included.gin").write_text(HEADER + typo)
    with pytest.raises(UserError, match=message) as caught:
        build("gin/folder_semisup_views.gin", "own.gin", bindings=bindings)
    assert len(str(caught.value).splitlines()) == 2


def test_a_users_own_included_file_may_be_replaced_in_part(tmp_path):
    text = "from infomin_tf.evaluation import linear\nlinear.LinearProbe.epochs = 3\n"
    (tmp_path / "probe.gin").write_text(HEADER + text)
    root = 'include "gin/folder_semisup_views.gin"\ninclude "probe.gin"\n'
    (tmp_path / "own.gin").write_text(HEADER + root)
    build("own.gin", bindings=["evaluate.Evaluate.linear_probe = None"])


OWN = """from infomin_tf.data.shapes import Shapes
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.families import Family


def mild(size=48):
    return Family(RandomResizedCrop(size, (0.9, 1.0)))


class Mine:
    def load(self, data_dir):
        return Shapes().load(data_dir)
"""


def test_own_python_beside_the_gin_file_is_found_and_found_again_in_a_saved_run(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own_views_1.py").write_text(OWN)
    overlay = (
        "from infomin_tf import experiment\nfrom infomin_tf.views import pairs\nimport own_views_1\n"
        "pairs.IndependentPair.sampler = @own_views_1.mild()\n"
        "experiment.Data.unlabelled = @own_views_1.Mine()\nexperiment.Data.train = @own_views_1.Mine()\n"
        "experiment.Data.test = @own_views_1.Mine()\n"
    )
    (tmp_path / "sub" / "own.gin").write_text(HEADER + overlay)
    build("gin/folder_semisup_views.gin", "sub/own.gin")
    (tmp_path / "run").mkdir()
    text = configuration.operative_text(0)
    (tmp_path / "run" / "config.gin").write_text(text)
    sys.path.remove(str(tmp_path / "sub"))
    assert build("run/config.gin")._pair.sampler.crop.area == (0.9, 1.0)
    assert str(tmp_path / "sub") in sys.path


def test_own_python_in_the_working_directory_is_found_by_a_binding(tmp_path):
    (tmp_path / "own_views_2.py").write_text(OWN)
    bindings = ["import own_views_2", "pairs.IndependentPair.sampler = @own_views_2.mild()"]
    assert build("gin/folder_semisup_views.gin", bindings=bindings)._pair.sampler.size == 48


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent_1", None, "(?s)No module named 'absent_1'.*put absent_1.py there"),
        (
            "broken_1",
            "x = 1\nimport absent_2\n",
            r"(?s)No module named 'absent_2' in .*broken_1.py, line 2; mend that module.*own.gin",
        ),
        ("broken_2", "\nprint(y)\n", "NameError: name 'y' is not defined in .*broken_2.py, line 2"),
        ("broken_3", "\n\nint('x')\n", "ValueError: .* in .*broken_3.py, line 3"),
    ],
)
def test_a_mistake_in_own_python_is_named_with_its_place(name, text, message, tmp_path):
    if text:
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "own.gin").write_text(HEADER + f"import {name}\n")
    with pytest.raises(UserError, match=message):
        build("own.gin")


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("encoder.Encoder.backbone = @resnet.ResNet19()", "nearest valid name: ResNet18"),
        ("encoder.Encoder.backbone = @rsnet.ResNet18()", "nearest valid name: resnet"),
        ("pairs.IndependentPair.num_views = 3", "valid names: jigsaw, on_device, sampler"),
    ],
)
def test_hints_are_near(binding, message):
    with pytest.raises(UserError, match=message):
        build("gin/folder_semisup_views.gin", bindings=[binding])


def test_a_file_without_an_import_line_is_told_which_helps(tmp_path):
    overlay = "encoder.Encoder.backbone = @resnet.ResNet18()\n"
    (tmp_path / "own.gin").write_text(HEADER + "from infomin_tf.models import encoder\n" + overlay)
    with pytest.raises(UserError, match="add the line: from infomin_tf.models import resnet"):
        build("gin/folder_semisup_views.gin", "own.gin")
