"""What an overlay or a few --gin_param replace or switch off, and what still stops a run."""

import sys

import numpy as np
import pytest

from infomin_tf.auditing.audit import Audit
from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.runs import differences
from tests.gin_files import HEADER, build

SPLIT_VIEWS = ("gin/stl10_semisup_views.gin", "gin/folder_semisup_views.gin")


@pytest.fixture(autouse=True)
def clean(clean_gin, tmp_path, monkeypatch):
    """No earlier bindings, an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


REPLACEMENTS = {
    "linear probe off": (["Evaluate.probes=None"], ["LinearProbe.epochs"]),
    "backbone": (
        ["Encoder.backbone = @ResNet18()"],
        ["AlexNetHalf.width"],
    ),
    "colour space": (
        ["ChannelSplit.color_space = @Lab()"],
        ["YDbDr.mean", "YDbDr.std"],
    ),
    "raw views": (
        ["Experiment.view_learning = None", "ChannelSplit.generator = None"],
        ["LearnViews.critic", "critic/Encoder.head", "InfoNCE"],
    ),
    "whole images": (
        [
            "Experiment.view_learning = None",
            "Experiment.pair = @IndependentPair()",
            "IndependentPair.sampler = @CropAndFlip()",
            "Experiment.split = @Whole()",
            "Whole.color_space = @RGB()",
        ],
        ["ChannelSplit.color_space", "YDbDr.mean"],
    ),
    "family": (
        [
            "LearnViews.pair = None",
            "Experiment.pair = @IndependentPair()",
            "IndependentPair.sampler = @families.infomin()",
            "families.infomin.size = %view_size",
        ],
        ["CropAndFlip.area"],
    ),
    "data": (
        [
            "Data.unlabelled = @Shapes()",
            "Data.train = @Shapes()",
            "Data.test = @Shapes()",
        ],
        ["train/"],
    ),
    "negatives": (["Pretrain.negatives = @InBatch()"], []),
    "schedule": (
        ["Pretrain.schedule = @Constant()"],
        ["pretrain/StepDecay.at_epochs"],
    ),
    "optimizer": (
        ["Pretrain.optimizer = @Adam()"],
        ["pretrain/SGD.momentum"],
    ),
    "generator": (["ChannelSplit.generator = @GlowGenerator()"], []),
    "no evaluation": (
        ["Experiment.evaluation = None"],
        ["Evaluate.test_view", "LinearProbe.epochs"],
    ),
    "no export": (["Experiment.export = None"], ["Export.view"]),
    "image size": (["view_size = 40"], []),
}


@pytest.mark.parametrize("file", SPLIT_VIEWS)
@pytest.mark.parametrize("change", REPLACEMENTS)
def test_a_few_bindings_replace_a_part(file, change, caplog):
    """What the part had bound is left out, in one line; so says the saved configuration, too."""
    bindings, left_out = REPLACEMENTS[change]
    build(file, bindings=bindings)
    lines = [r.getMessage() for r in caplog.records if "left out because later" in r.getMessage()]
    assert len(lines) <= 1 and all(name in lines[0] for name in left_out)
    saved = gin_files.operative_text(0)
    with open("config.gin", "w") as written:
        written.write(saved)
    caplog.clear()
    build("config.gin")
    assert differences.compare(saved, gin_files.operative_text(0)) == []
    assert not caplog.records


def test_a_binding_of_every_scope_replaces_one_without_a_scope():
    scopes = ("unlabelled", "train", "test")
    bindings = [f"{scope}/ImageFolder.image_size = 64" for scope in scopes]
    build("gin/folder_semisup_views.gin", bindings=bindings)
    text = gin_files.operative_text(0)
    assert text.count("/ImageFolder.image_size = 64\n") == 3 and " = 96" not in text


def test_a_binding_that_comes_after_those_of_every_scope_is_in_vain(tmp_path):
    lines = [f"{s}/ImageFolder.image_size = 64\n" for s in ("unlabelled", "train", "test")]
    text = HEADER + "" + "".join(lines)
    (tmp_path / "own.gin").write_text(text)
    binding = "ImageFolder.image_size = 32"
    with pytest.raises(UserError, match="every use has a binding of its own.*by --gin_param"):
        build("gin/folder_semisup_views.gin", "own.gin", bindings=[binding])


def test_a_part_of_a_saved_run_may_be_switched_off():
    build("gin/folder_semisup_views.gin")
    with open("config.gin", "w") as written:
        written.write(gin_files.operative_text(0))
    build("config.gin", bindings=["Evaluate.probes = None"])
    assert "LinearProbe" not in gin_files.operative_text(0)


def test_another_colour_space_is_standardised_by_its_own_statistics():
    split = build("gin/stl10_raw_views.gin", bindings=["ChannelSplit.color_space = @Lab()"])._split
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    split.build((None, 8, 8, 3))
    assert split.mean is None
    split.adapt(images)
    channels = split.standardize(images.astype("float32") / 255).numpy()
    np.testing.assert_allclose(channels.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(channels.std((0, 1, 2)), 1, atol=1e-4)


def test_the_segmentation_probe_stacks_on_learned_views():
    build("gin/folder_semisup_views.gin", "gin/evaluation/nyuv2_segmentation.gin")
    assert "SegmentationProbe.epochs = 6" in gin_files.operative_text(0)


def test_one_binding_sets_the_size_of_all_views():
    experiment = build("gin/folder_semisup_views.gin", bindings=["view_size = 64"])
    view = experiment._stages[-1].view
    assert experiment._pair.size == view.size == 64 and view.resize == 69


@pytest.mark.parametrize(
    ("own", "bindings", "message"),
    [
        (
            "",
            ["LinearProbe.epochs = 3", "Evaluate.probes = None"],
            r"LinearProbe.epochs: nothing uses .* \(bound by --gin_param\)",
        ),
        (
            "LinearProbe.epochs = 3\n",
            ["Evaluate.probes = None"],
            r"LinearProbe.epochs: .* \(bound in .*own.gin\)",
        ),
        ("", ["vieuw_size = 64"], r"vieuw_size: nothing uses vieuw_size \(bound by --gin_param\)"),
        (
            'include "included.gin"\n',
            [],
            r"pretrian/SGD.momentum: .*only used with other scopes .*included.gin",
        ),
    ],
)
def test_what_a_user_binds_in_vain_stops_the_run(own, bindings, message, tmp_path):
    (tmp_path / "own.gin").write_text(HEADER + own)
    typo = "import keras\npretrian/SGD.momentum = 0.5\n"
    (tmp_path / "included.gin").write_text(HEADER + typo)
    with pytest.raises(UserError, match=message) as caught:
        build("gin/folder_semisup_views.gin", "own.gin", bindings=bindings)
    assert len(str(caught.value).splitlines()) == 2


def test_a_users_own_included_file_may_be_replaced_in_part(tmp_path):
    text = "LinearProbe.epochs = 3\n"
    (tmp_path / "probe.gin").write_text(HEADER + text)
    root = 'include "gin/folder_semisup_views.gin"\ninclude "probe.gin"\n'
    (tmp_path / "own.gin").write_text(HEADER + root)
    build("own.gin", bindings=["Evaluate.probes = None"])


FEWER = [
    ("crop", "jitter"),
    ("jitter", "blur"),
    ("crop", "split"),
]
KINDS = {"rand_augment": "BindingsAxis", "split": "BindingsAxis"}
BASE = {"crop": "0.2", "jitter": "0.5", "blur": "off", "rand_augment": "off", "split": "none"}


@pytest.mark.parametrize("axes", FEWER)
def test_an_audit_may_leave_axes_out(axes, tmp_path):
    """The base then is the same experiment: no blur, no RandAugment, whole images."""
    objects = ", ".join(f"@{axis}/{KINDS.get(axis, 'Axis')}()" for axis in axes)
    bindings = [
        f"Audit.axes = ({objects})",
        f"Audit.base = {tuple(BASE[axis] for axis in axes)}",
    ]
    gin_files.parse([gin_files.find_file("gin/audit_views.gin")], bindings)
    audit = gin_files.build(Audit)
    gin_files.check_all_used()
    facts = {"classes": 0, "sizes": {"unlabelled": 1500, "held_out": 500}}
    sweep = audit.first_round(str(tmp_path), facts)
    for point in sweep.points()[: len(sweep.axes[0].labels)]:
        experiment = build(*point.gin_files, bindings=point.gin_params)
        if point.labels == ("base",):
            crop, operations = experiment._pair.sampler.crop, experiment._pair.sampler.operations
            assert [type(o).__name__ for o in operations] == ["ColorJitter", "Greyscale"]
            assert crop.area == (0.2, 1.0) and experiment._split.num_parts == 1
