"""Settings without sense of views, networks, negatives, sweeps and audits are refused at once."""

import re

import keras
import pytest

from infomin_tf.auditing.audit import Audit
from infomin_tf.data.shapes import Shapes
from infomin_tf.errors import UserError
from infomin_tf.learners import bounds, negatives
from infomin_tf.models import alexnet, heads, resnet
from infomin_tf.moving_mnist import networks
from infomin_tf.moving_mnist.pair import FactorPair
from infomin_tf.moving_mnist.sequences import MovingMnist
from infomin_tf.moving_mnist.stages import PretrainSequences
from infomin_tf.sweeps.sweep import Axis, Sweep
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.views import color, families, generators, pairs, splits
from infomin_tf.views.augment import blur, jigsaw, photometric, rand_augment

NAN, INF = float("nan"), float("inf")


def sweep(**settings):
    return Sweep(**{"gin_files": ("a.gin",), "axes": (Axis("a.b", (1, 2)),)} | settings)


def audit(**settings):
    base = {"axes": (Axis("a.b", (1, 2)),), "base": ("1",), "gin_files": ("a.gin",)}
    return Audit(**base | settings)


def sequences(**settings):
    return PretrainSequences(None, None, keras.optimizers.SGD(0.1), **settings)


def jitter(**settings):
    usual = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    return photometric.ColorJitter(**usual | settings)


# What makes a part, its settings, and what the message says.
WITHOUT_SENSE = [
    (blur.GaussianBlur, {"sigma": (2.0, 0.1)}, "GaussianBlur.sigma must be (low, high)"),
    (blur.GaussianBlur, {"sigma": (0.0, 1.0)}, "GaussianBlur.sigma must be (low, high)"),
    (blur.GaussianBlur, {"sigma": (1.0,)}, "GaussianBlur.sigma must be (low, high)"),
    (
        blur.GaussianBlur,
        {"kernel_share": 0.0},
        "GaussianBlur.kernel_share must be a number above 0",
    ),
    (blur.GaussianBlur, {"kernel_share": 2.0}, "GaussianBlur.kernel_share must be a number in"),
    (jigsaw.JigsawPatches, {"grid": 0}, "JigsawPatches.grid must be a whole number of at least 1"),
    (jigsaw.JigsawPatches, {"patch": 0}, "JigsawPatches.patch must be a whole number"),
    (jitter, {"brightness": -0.1}, "strengths of at least 0"),
    (jitter, {"contrast": NAN}, "strengths of at least 0"),
    (jitter, {"hue": 0.6}, "hue of at most 0.5"),
    (photometric.Greyscale, {"probability": 1.1}, "a probability must be in [0, 1]"),
    (photometric.Solarize, {"threshold": 300.0}, "Solarize.threshold must be a grey level"),
    (
        rand_augment.RandAugment,
        {"magnitude_std": -1.0},
        "RandAugment.magnitude_std must be 0 or more",
    ),
    (
        rand_augment.RandAugment,
        {"operations": ()},
        "RandAugment.operations must hold at least one operation",
    ),
    (rand_augment.RandAugment, {"magnitude": 11.0}, "a magnitude in [0, 10]"),
    (families.infomin, {"jitter": -1.0}, "strengths of at least 0"),
    (families.infomin, {"layers": -1}, "layers >= 1"),
    (families.infomin, {"blur_probability": -0.5}, "a probability must be in [0, 1]"),
    (families.infomin, {"area": (0.8, 0.2)}, "0 < low <= high <= 1"),
    (pairs.CropAndFlip, {"ratio": (1.0, INF)}, "ratio (low, high) with 0 < low <= high"),
    (pairs.CropAndFlip, {"ratio": (2.0, 1.0)}, "ratio (low, high) with 0 < low <= high"),
    (pairs.CenterCrop, {"share": 0.0}, "CenterCrop.share must be a number above 0 and at most 1"),
    (pairs.CenterCrop, {"share": 1.5}, "CenterCrop.share must be a number above 0 and at most 1"),
    (FactorPair, {"size": 0}, "FactorPair.size must be a whole number of at least 1"),
    (generators.AdditiveGenerator, {"num_blocks": 0}, "num_blocks must be at least 1"),
    (color.Lab, {"mean": (0.0, 0.0, 0.0)}, "Lab: give both mean and std, or neither"),
    (
        color.Lab,
        {"mean": (0.0,) * 3, "std": (1.0, 0.0, 1.0)},
        "each of Lab.std must be a number above 0",
    ),
    (splits.Whole, {"color_space": color.RGB(), "std": (1.0,) * 3}, "Whole: give both mean and"),
    (splits.Sequence, {"color_space": color.RGB()}, "bind RGB.mean and std"),
    (alexnet.AlexNetHalf, {"width": NAN}, "width > 0"),
    (alexnet.AlexNetHalf, {"units": 0}, "AlexNetHalf.units must be a whole number of at least 1"),
    (resnet.ResNet18, {"width": 0.0}, "ResNet18.width must be a number above 0, not 0.0"),
    (resnet.ResNet50, {"width": -1.0}, "ResNet50.width must be a number above 0"),
    (resnet.ResNet18, {"normalization_splits": 0}, "ResNet18.normalization_splits must be a whole"),
    (heads.LinearHead, {"dimension": 0}, "LinearHead.dimension must be a whole number"),
    (heads.MlpHead, {"hidden": 0}, "MlpHead.hidden must be a whole number of at least 1, not 0"),
    (heads.JigsawHead, {"patch_head": None, "num_patches": 0}, "JigsawHead.num_patches must be"),
    (networks.ConvNet, {"filters": ()}, "ConvNet.filters must hold at least one number"),
    (networks.ConvNet, {"filters": (8, 0)}, "each of ConvNet.filters must be a whole number"),
    (sequences, {"units": 0}, "PretrainSequences.units must be a whole number"),
    (negatives.InBatch, {"temperature": NAN}, "must be a number above 0"),
    (negatives.MomentumQueue, {"temperature": NAN}, "temperature must be a number above 0"),
    (
        negatives.MomentumQueue,
        {"momentum": 1.0},
        "momentum must be a number of at least 0 and below 1",
    ),
    (negatives.MemoryBank, {"size": 0}, "size must be a whole number of at least 1"),
    (bounds.InfoNCE, {"temperature": 0.0}, "must be above 0"),
    (bounds.SMILE, {"clip": -1.0}, "above 0"),
    (
        TrainingLoop,
        {"checkpoint_minutes": -1.0},
        "TrainingLoop.checkpoint_minutes must be 0 or more",
    ),
    (Shapes, {"seed": -1}, "Shapes.seed must be a whole number of at least 0"),
    (Shapes, {"size": 0}, "Shapes.size must be a whole number of at least 1"),
    (MovingMnist, {"digits": None, "backgrounds": None, "canvas": 0}, "MovingMnist.canvas must be"),
    (sweep, {"seeds": ()}, "Sweep.seeds must hold at least one seed"),
    (
        sweep,
        {"seeds": (0, -1)},
        "each of Sweep.seeds must be a whole number of at least 0 and below 2147483648, not -1",
    ),
    (
        sweep,
        {"seeds": (2**31,)},
        "each of Sweep.seeds must be a whole number of at least 0 and below 2147483648",
    ),
    (
        sweep,
        {"until": "evaluation"},
        "Sweep.until='evaluation' is not one of learn_views, pretrain,",
    ),
    (sweep, {"seeds": (1, 1)}, "Sweep.seeds must hold each seed once, not (1, 1)"),
    (audit, {"seeds": (0, 1, 2, 2)}, "Audit.seeds must hold each seed once"),
    (audit, {"axes": (), "base": ()}, "Audit.axes must hold at least one axis"),
    (sweep, {"hours": 0}, "Sweep.hours must be a number above 0"),
    (audit, {"first_steps": 0}, "Audit.first_steps must be a whole number of at least 1"),
    (audit, {"image_size": -1}, "Audit.image_size must be a whole number"),
    (audit, {"seeds": (0, 1, 2)}, "Audit.seeds must hold at least 4 seeds"),
    (audit, {"max_corrupt_share": 2.0}, "Audit.max_corrupt_share must be a number in [0, 1]"),
]


@pytest.mark.parametrize(("make", "settings", "message"), WITHOUT_SENSE)
def test_settings_without_sense_are_refused(make, settings, message):
    with pytest.raises((ValueError, UserError), match=re.escape(message)):
        make(**settings)
