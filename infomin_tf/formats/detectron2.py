"""Weights for Detectron2: its names in a pickle, and the settings that belong to them."""

import os
import pickle
import re

import numpy as np

from infomin_tf.formats.format import Format
from infomin_tf.formats.torchvision import check_network
from infomin_tf.models.torchvision import torchvision_state

_CONFIG = """\
# What Detectron2 must know of encoder.pkl. Put in front of it, for example,
#   _BASE_: "examples/detection/table2a.yaml"
# and train with MODEL.WEIGHTS encoder.pkl.
MODEL:
  PIXEL_MEAN: {mean}
  PIXEL_STD: {std}
  RESNETS:
    DEPTH: {depth}
    NUM_GROUPS: {groups}
    WIDTH_PER_GROUP: {width}
    RES2_OUT_CHANNELS: {channels}
    STRIDE_IN_1X1: False
INPUT:
  FORMAT: "RGB"
"""


class Detectron2(Format):
    """A folder with encoder.pkl, for MODEL.WEIGHTS, and encoder.yaml, the settings of its network.

    The pickle holds NumPy arrays, which every version of NumPy reads; Detectron2 itself is not
    needed. Its `matching_heuristics` find the weights in an FPN and in C4 heads.
    """

    entry = "detectron2"

    def check(self, split, backbones):
        """See `Format`: one ResNet or ResNeXt of full width, for large RGB images."""
        check_network("detectron2", split, backbones, like_imagenet=True)

    def write(self, encoder, path):
        """See `Format`."""
        os.makedirs(path)
        [backbone], split = encoder.extractor.backbones, encoder.extractor.split
        state = torchvision_state(backbone)
        weights = {
            renamed(name): value
            for name, value in state.items()
            if not name.endswith("num_batches_tracked")
        }
        content = {"model": weights, "__author__": "infomin_tf", "matching_heuristics": True}
        with open(os.path.join(path, "encoder.pkl"), "wb") as file:
            _Pickler(file, protocol=4).dump(content)
        with open(os.path.join(path, "encoder.yaml"), "w", encoding="utf-8") as file:
            file.write(_config(backbone, split))


class _Pickler(pickle.Pickler):
    """Pickles arrays by their constructor: what NumPy 2 does itself, NumPy 1 cannot read."""

    def reducer_override(self, value):
        """See `pickle.Pickler`: an array as `np.ndarray(shape, dtype, its bytes)`."""
        if isinstance(value, np.ndarray):
            return np.ndarray, (value.shape, value.dtype.str, bytearray(value.tobytes()))
        return NotImplemented


def renamed(name):
    """Detectron2's name of one of torchvision's, such as layer1.0.bn3.bias."""
    name = re.sub(r"^layer(\d)", lambda found: f"res{int(found[1]) + 1}", name)
    name = name if name.startswith("res") else f"stem.{name}"
    name = re.sub(r"\bbn(\d)", r"conv\1.norm", name)
    return name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")


def _config(backbone, split):
    block = backbone.block
    first = backbone.blocks[0]
    return _CONFIG.format(
        mean=[round(255 * float(value), 3) for value in split.channel_mean.numpy()],
        std=[round(255 * float(value), 3) for value in split.channel_std.numpy()],
        depth=2 + len(first.residual) * sum(backbone.blocks_per_stage),
        groups=block.groups,
        width=block.group_width,
        channels=first.output_channels,
    )
