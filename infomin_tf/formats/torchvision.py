"""Weights for torchvision: its names, and beside them what a program needs to use them."""

import json
import os

from infomin_tf.errors import UserError
from infomin_tf.formats.format import Format
from infomin_tf.models import residual, resnet
from infomin_tf.models.torchvision import torchvision_state
from infomin_tf.views import color, splits


class Torchvision(Format):
    """A folder with encoder.safetensors, torchvision's state dict without fc, and encoder.json.

    encoder.json has the arguments of `torchvision.models.ResNet` (network; small_images and
    max_pool where the stem is another), the number of features, and what is done to an image, RGB
    in [0, 1]: resize (None for not at all), size, mean, std.
    """

    entry = "torchvision"

    def check(self, split, backbones):
        """See `Format`: one ResNet or ResNeXt of full width, for RGB images."""
        check_network("torchvision", split, backbones)

    def write(self, encoder, path):
        """See `Format`."""
        from safetensors import numpy

        os.makedirs(path)
        [backbone] = encoder.extractor.backbones
        with open(os.path.join(path, "encoder.safetensors"), "wb") as file:
            file.write(numpy.save(torchvision_state(backbone)))
        with open(os.path.join(path, "encoder.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(facts(encoder), indent=1) + "\n")


def facts(encoder):
    """What encoder.json holds."""
    [backbone], split = encoder.extractor.backbones, encoder.extractor.split
    block = backbone.block
    kind = "Bottleneck" if issubclass(block, residual.Bottleneck) else "BasicBlock"
    layers = list(backbone.blocks_per_stage)
    return {
        "network": {
            "block": kind,
            "layers": layers,
            "groups": block.groups,
            "width_per_group": block.group_width,
        },
        "small_images": backbone.small_images,
        "max_pool": backbone.max_pool,
        "features": backbone.output_dimension,
        "resize": encoder.resize,
        "size": encoder.size,
        "mean": split.channel_mean.numpy().tolist(),
        "std": split.channel_std.numpy().tolist(),
    }


def check_network(name, split, backbones, like_imagenet=False):
    """Raises UserError unless torchvision's `ResNet` computes what these do.

    Args:
        name: of the format.
        split, backbones: see `Format.check`.
        like_imagenet: whether the stem must be that for large images, too.
    """
    if why := _why_not(split, backbones[0], like_imagenet):
        raise UserError(
            f"the format {name} carries one ResNet or ResNeXt of torchvision's shape for RGB "
            f"images, but {why}; use the formats saved_model, keras, onnx or litert"
        )


def _why_not(split, backbone, like_imagenet):
    """What torchvision's network cannot do, in words; None for nothing."""
    kind, space = type(backbone).__name__, type(split.color_space)
    if type(split) is not splits.Whole:
        generator = " and a view generator" if split.generator is not None else ""
        return f"this encoder has a {type(split).__name__}{generator}"
    if space is not color.RGB:
        return f"this encoder sees {space.__name__}"
    if not isinstance(backbone, resnet.ResNet):
        return f"this network is {kind}"
    if backbone.width != 1:
        return f"{kind}.width is {backbone.width:g} and not 1"
    if backbone.stem_filters not in (None, 64):
        return f"{kind}.stem_filters is {backbone.stem_filters} and not 64"
    if like_imagenet and (backbone.small_images or not backbone.max_pool):
        return f"{kind} has the stem for small images"
    return None
