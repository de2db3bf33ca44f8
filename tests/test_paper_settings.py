"""Every experiment of gin/paper, composed, next to the numbers of the paper and its authors' code.

The numbers here were typed from the paper (sections 3, 4, B and C) and, where it is silent, from
PyContrast, CMC and the code of view learning. Where a file departs from them, its header says so.
"""

import ast
import pathlib

import gin
import pytest

from infomin_tf.configuration import gin_files
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.runs import differences
from infomin_tf.sweeps.sweep import Sweep

GIN = pathlib.Path(__file__).parents[1] / "gin"
pytestmark = pytest.mark.usefixtures("clean_gin")

SGD = {
    "pretrain/SGD.learning_rate": 0.03,
    "pretrain/SGD.momentum": 0.9,
    "pretrain/SGD.nesterov": False,
    "Pretrain.weight_decay": 1e-4,
}
COSINE = {"pretrain/Cosine.floor": 0.001, "pretrain/Cosine.warmup_epochs": 0}
# Section C.2: "60 epochs", "learning rate 30"; PyContrast: the rest.
PROBE = {
    "LinearProbe.epochs": 60,
    "LinearProbe.batch_size": 256,
    "LinearProbe.learning_rates": None,
    "probe/SGD.learning_rate": 30.0,
    "probe/SGD.momentum": 0.9,
    "probe/StepDecay.at_epochs": (30, 40, 50),
    "probe/StepDecay.of_epochs": 60,
    "probe/StepDecay.factor": 0.2,
    "probe/CropAndFlip.area": (0.2, 1.0),
    "CenterCrop.share": 0.875,  # 224 of 256
}
IMAGENET = SGD | COSINE | PROBE | {"view_size": 224, "Pretrain.batch_size": 256}
ONE_WAY = {"Pretrain.both_directions": False, "Pretrain.sum_directions": False}
QUEUE = {"MomentumQueue.size": 65536, "MomentumQueue.momentum": 0.999}
JIGSAW = {
    "families.pirl_jigsaw.size": 255,
    "families.pirl_jigsaw.area": (0.6, 1.0),
    "families.pirl_jigsaw.grid": 3,
    "families.pirl_jigsaw.patch": 64,
    "Pretrain.jigsaw_weight": 0.5,
    "JigsawHead.dimension": 128,
}
INFOMIN_AUG = {
    "families.infomin.area": (0.2, 1.0),
    "families.infomin.jitter": 1.0,
    "families.infomin.blur_probability": 0.5,
    "families.infomin.layers": 2,
    "families.infomin.magnitude": 10.0,
    "families.infomin.grey_probability": 0.2,
    "families.infomin.fill": (124.0, 116.0, 104.0),
}
LINEAR = {"Encoder.head": "@LinearHead()", "LinearHead.dimension": 128}
MLP = {"Encoder.head": "@MlpHead()", "MlpHead.dimension": 128, "MlpHead.hidden": None}
MOCO = IMAGENET | ONE_WAY | QUEUE
INFOMIN = MOCO | JIGSAW | INFOMIN_AUG | MLP | {"MomentumQueue.temperature": 0.15}
FAMILY_A = {"families.moco_v1.jitter": 0.4}
MOCO_LINEAR = MOCO | LINEAR | {"MomentumQueue.temperature": 0.07, "Pretrain.epochs": 100}
MOCO_MLP = MOCO | MLP | {"MomentumQueue.temperature": 0.15, "Pretrain.epochs": 100}
BANK = {"MemoryBank.momentum": 0.5, "MemoryBank.temperature": 0.07}
INSTDIS = IMAGENET | ONE_WAY | FAMILY_A | BANK | LINEAR
INSTDIS |= {"MemoryBank.size": 65536, "families.moco_v1.area": (0.08, 1.0)}
# Sections B.2 and B.5; CMC's code.
CMC = (
    SGD
    | LINEAR
    | {
        "Pretrain.both_directions": True,
        "Pretrain.sum_directions": True,
        "Pretrain.batch_size": 128,
        "Pretrain.epochs": 240,
        "pretrain/StepDecay.at_epochs": (120, 160, 200),
        "pretrain/StepDecay.of_epochs": 240,
        "pretrain/StepDecay.factor": 0.1,
        "MemoryBank.size": 16384,
        "MemoryBank.momentum": 0.5,
    }
)
# The code of view learning: fc7, Adam.
FC7_PROBE = {
    "LinearProbe.epochs": 100,
    "LinearProbe.batch_size": 128,
    "probe/Adam.learning_rate": 1e-3,
    "probe/Adam.beta_1": 0.5,
    "probe/Adam.beta_2": 0.999,
    "probe/StepDecay.at_epochs": (60, 80),
    "probe/StepDecay.of_epochs": 100,
    "probe/StepDecay.factor": 0.2,
    "probe/CropAndFlip.area": (0.3, 1.0),
    "probe/CropAndFlip.ratio": (0.7, 1.4),
    "CenterCrop.share": 0.914,  # 64 of 70
}
HALVES = {"view_size": 64, "MemoryBank.temperature": 0.1, "CropAndFlip.area": (0.2, 1.0)}
STL10 = CMC | FC7_PROBE | HALVES | {"Experiment.pair": "@SharedPair()"}
ALEXNET = {"Encoder.backbone": "@AlexNetHalf()", "AlexNetHalf.width": 1.0}
LEARNED = {
    "LearnViews.epochs": 100,
    "LearnViews.batch_size": 128,
    "InfoNCE.temperature": 0.07,
    "critic/Adam.learning_rate": 2e-4,
    "generator/Adam.learning_rate": 6e-4,
    "critic/Adam.beta_1": 0.5,
    "generator/Adam.beta_1": 0.5,
    "views/StepDecay.at_epochs": (60, 80),
    "views/StepDecay.factor": 0.2,
    "critic/ResNet50.width": 0.5,
    "critic/ResNet50.stem_filters": 64,
    "critic/ResNet50.max_pool": False,
    "critic/ResNet50.zero_init_last": True,
    "LearnViews.pair": "@view_learning/IndependentPair()",
    "view_learning/CropAndFlip.area": (0.2, 1.0),
}
MOVING = {
    "FactorPair.num_frames": 10,
    "FactorPair.target_frame": 20,
    "train/MovingMnist.speed": 0.1,
    "train/MovingMnist.canvas": 64,
    "ConvNet.filters": (8, 16, 32, 64),
    "pretrain/SGD.learning_rate": 0.03,
    "epochs": 200,
}
CONTRASTED = MOVING | {"PretrainSequences.batch_size": 128, "PretrainSequences.units": 64}


def together(*parts):
    return {name: value for part in parts for name, value in part.items()}


def at(epochs, **temperature):
    """Epochs of pre-training; the temperature of the negatives that are named."""
    own = {f"{negatives}.temperature": value for negatives, value in temperature.items()}
    return own | {"Pretrain.epochs": epochs}


def keeping(kept):
    names = ("digit", "background", "position")
    return together(CONTRASTED, {f"FactorPair.keep_{name}": name in kept for name in names})


EXPERIMENTS = {
    "table1_infomin": together(INFOMIN, at(200)),
    "table1_moco": together(
        *(MOCO, LINEAR, FAMILY_A, at(200, MomentumQueue=0.07)),
        {"families.moco_v1.area": (0.2, 1.0)},
    ),
    "moco_v2": together(
        *(MOCO, MLP, at(800, MomentumQueue=0.2)),
        {"families.moco_v2.jitter": 0.4, "families.moco_v2.area": (0.2, 1.0)},
        {"families.moco_v2.blur_probability": 0.5},
    ),
    "table1_instdis": together(INSTDIS, at(200)),
    "table1_pirl": together(INSTDIS, JIGSAW, at(800)),
    "table3_pirl_200": together(INSTDIS, JIGSAW, at(200)),
    "table1_simclr": together(
        *(PROBE, MLP, at(1000, NTXent=0.1)),
        {"Pretrain.batch_size": 4096, "view_size": 224},
        {"families.simclr.jitter": 1.0, "families.simclr.area": (0.08, 1.0)},
    ),
    "table1_cmc": together(
        *(CMC, PROBE, at(240, MemoryBank=0.07)),
        {"CropAndFlip.area": (0.08, 1.0), "view_size": 224},
        {"ResNet50.width": 0.5, "ChannelSplit.color_space": "@Lab()"},
    ),
    "cmc_v2": together(
        *(IMAGENET, QUEUE, MLP, at(200, MomentumQueue=0.2)),
        {"Pretrain.sum_directions": True, "ResNet50.width": 0.5},
    ),
    "table_c3_ladder_1_ra_cj_blur": together(MOCO_LINEAR, INFOMIN_AUG),
    "table_c3_ladder_2_jigsaw": together(MOCO_LINEAR, INFOMIN_AUG, JIGSAW),
    "table_c3_ladder_3_mlp": together(INFOMIN, at(100)),
    "table6_resnet50_100": together(INFOMIN, at(100)),
    "table6_resnet50_200": together(INFOMIN, at(200)),
    "table6_resnet50_800": together(INFOMIN, at(800)),
    "table6_resnet101_300": together(INFOMIN, at(300), {"Encoder.backbone": "@ResNet101()"}),
    "table6_resnet152_200": together(INFOMIN, at(200), {"Encoder.backbone": "@ResNet152()"}),
    "table6_resnext101_200": together(INFOMIN, at(200), {"Encoder.backbone": "@ResNeXt101()"}),
    "table6_resnext152_200": together(INFOMIN, at(200), {"Encoder.backbone": "@ResNeXt152()"}),
    "table4_digit": keeping(["digit"]),
    "table4_background": keeping(["background"]),
    "table4_position": keeping(["position"]),
    "table4_background_digit_position": keeping(["background", "digit", "position"]),
    "table4_background_digit": keeping(["background", "digit"]),
    "table4_background_position": keeping(["background", "position"]),
    "table4_digit_position": keeping(["digit", "position"]),
    "table4_supervised": MOVING,
}
PATCHES = together(
    *(SGD, COSINE, LINEAR, FC7_PROBE, at(3000)),
    {"PatchPair.size": "%view_size", "view_size": 64, "Pretrain.batch_size": 128},
    {"MemoryBank.size": 16384, "transfer/LinearProbe.batch_size": 256},
    {"transfer/ShiftAndFlip.pixels": 4, "transfer/LinearProbe.epochs": 100},
)
HALVES_OF_STL10 = together(STL10, ALEXNET)
SPACES = ("@RGB()", "@HSV()", "@YIQ()", "@YUV()", "@YCbCr()", "@YDbDr()", "@Lab()")
BACKBONES = ("@AlexNetHalf()", "@ResNet18()", "@ResNet34()", "@ResNet50()")
JITTER_ALONE = {"families.infomin.blur_probability": 0.0, "families.infomin.layers": 0}
AREAS = {"families.moco_v1.area": [(c, 1.0) for c in (0.8, 0.6, 0.4, 0.2, 0.08, 0.02)]}
STRENGTHS = {"families.infomin.jitter": (0.125, 0.25, 0.5, 1.0, 1.5, 2.5)}
SIGMAS = {"FrequencySplit.sigma": (0.3, 0.5, 0.7, 1.0, 1.5, 2.5)}
# Of a sweep: what all points have, and the values of an axis.
SWEEPS = {
    "fig3_patch_distance": (PATCHES, {"PatchPair.distance": (64, 96, 128, 192, 256, 320, 384)}),
    "fig4_color_spaces": (HALVES_OF_STL10, {"ChannelSplit.color_space": SPACES}),
    "fig5_crop_area": (together(MOCO_LINEAR, FAMILY_A), AREAS),
    "fig13_crop_area_mlp": (together(MOCO_MLP, FAMILY_A), AREAS),
    "fig5_color_jitter": (together(MOCO_LINEAR, JITTER_ALONE), STRENGTHS),
    "fig14_color_jitter_mlp": (together(MOCO_MLP, JITTER_ALONE), STRENGTHS),
    "fig7_view_generators": (
        HALVES_OF_STL10,
        {"AdditiveGenerator.num_blocks": (4,), "AffineGenerator.num_blocks": (4,)},
    ),
    "fig8_backbones": (STL10, {"Encoder.backbone": BACKBONES}),
    "fig9_frequency": (HALVES_OF_STL10, SIGMAS),
    "fig9_frequency_tiny_imagenet": (
        together(HALVES_OF_STL10, {"LinearProbe.epochs": 40}),
        SIGMAS,
    ),
    "fig12_ladder": (
        together(MOCO_LINEAR, {"families.infomin.area": (0.2, 1.0)}),
        {
            "families.infomin.jitter": (0.25, 0.5, 1.0),
            "families.infomin.blur_probability": (0.0, 0.5),
            "families.infomin.layers": (0, 2),
        },
    ),
    "table5": (HALVES_OF_STL10, {"ChannelSplit.color_space": ("@RGB()", "@YDbDr()")}),
    "table4": (MOVING, {"FactorPair.keep_digit": (False, True)}),
}


def composed(files, bindings=()):
    """dict binding -> value of an experiment, defaults included."""
    gin.clear_config()
    gin.config._IMPORTS.clear()
    gin_files.parse([gin_files.find_file(file) for file in files], list(bindings))
    gin_files.build(Experiment)
    texts = differences.bindings_of(gin_files.operative_text(0))
    return {name: _value(text) for name, text in texts.items()}


def _value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):  # a reference
        return text


def differing(found, expected):
    return {n: (found.get(n, "not there"), v) for n, v in expected.items() if found.get(n) != v}


def test_no_experiment_is_left_out():
    names = {path.stem for path in (GIN / "paper").glob("*.gin")} - {"imagenet"}
    assert names == EXPERIMENTS.keys() | SWEEPS.keys()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_the_numbers_of_the_paper(name):
    assert not differing(composed([f"gin/paper/{name}.gin"]), EXPERIMENTS[name])


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_has_the_numbers_of_the_paper(name):
    gin_files.parse([gin_files.find_file(f"gin/paper/{name}.gin")], [])
    sweep = gin_files.build(Sweep)
    points = [point for point in sweep.points() if point.seed == sweep.seeds[0]]
    shared, axes = SWEEPS[name]
    found = [composed(point.gin_files, point.gin_params) for point in points]
    assert not [wrong for point in found if (wrong := differing(point, shared))]
    for binding, values in axes.items():
        there = {str(point[binding]) for point in found if binding in point}
        assert there == {str(value) for value in values}, binding


@pytest.mark.parametrize("kind, weights", [("unsup", (1, 0)), ("sup", (0, 1)), ("semisup", (1, 1))])
def test_the_rows_of_table_5_have_the_numbers_of_the_paper(kind, weights):
    found = composed([f"gin/stl10_{kind}_views.gin"])
    own = {
        "LearnViews.unsupervised_weight": weights[0],
        "LearnViews.supervised_weight": weights[1],
        "AdditiveGenerator.num_blocks": 4,
        "YDbDr.mean": (0.434, -0.049, -0.028),
        "YDbDr.std": (0.5, 1.169, 1.321),
    }
    if kind != "unsup":
        own |= {"LearnViews.labelled_batch_size": 64, "classifier/ResNet18.width": 0.5}
    assert not differing(found, STL10 | ALEXNET | LEARNED | own)
