"""Encoders that the tests of formats write, and programs that read them without this package."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
from PIL import Image

from infomin_tf.models import residual, resnet
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.models.image_encoder import ImageEncoder
from infomin_tf.moving_mnist.networks import ConvNet
from infomin_tf.views import color, splits

ROOT = pathlib.Path(__file__).parents[2]
# Runs a program as if neither this package nor gin were there.
ALONE = """
import runpy, sys
sys.modules |= {"infomin_tf": None, "gin": None}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class ShallowResNet(resnet.ResNet):
    """The narrowest network that torchvision has, too."""

    blocks_per_stage, block = (1, 1, 1, 1), residual.BasicBlock


class ShallowResNeXt(resnet.ResNet):
    blocks_per_stage, block = (1, 1, 1, 1), residual.Bottleneck32x4d


def of_network(backbone, resize=36, size=32, split=None):
    """A built encoder of whole RGB images with no weight at its first value."""
    keras.utils.set_random_seed(0)
    split = split or splits.Whole(color.RGB(), (0.48, 0.45, 0.40), (0.22, 0.23, 0.24))
    made = ImageEncoder(FeatureExtractor(split, [backbone]), size, resize)
    made.build()
    numbers = np.random.default_rng(0)
    for variable in made.extractor.backbones[0].variables:
        if len(variable.shape) == 1:
            low, high = (-0.3, 0.3) if variable.name.endswith(("beta", "mean")) else (0.5, 1.0)
            variable.assign(numbers.uniform(low, high, variable.shape))
    return made


def of_halves(split):
    """A built encoder of views of 32 px with a small network for each part of a split."""
    keras.utils.set_random_seed(0)
    made = ImageEncoder(FeatureExtractor(split, [ConvNet((4, 8)) for _ in range(2)]), 32)
    made.build()
    return made


def pictures(folder, shapes=((50, 50), (41, 41))):
    """(paths of PNG files of noise, their pixels uint8 [H, W, 3])."""
    numbers, found = np.random.default_rng(1), []
    for place, shape in enumerate(shapes):
        path = pathlib.Path(folder, f"{place}.png")
        found.append((path, numbers.integers(0, 256, (*shape, 3), np.uint8)))
        Image.fromarray(found[-1][1]).save(path)
    return tuple(zip(*found, strict=True))


def run_alone(program, *arguments, folder):
    """Runs a program in `folder`, in a process without this package and gin; returns its output."""
    words = [sys.executable, "-I", "-c", ALONE, str(program), *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        words, cwd=folder, env=environment | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
