"""Weights of our residual networks under torchvision's names: those of others in, ours out."""

from collections.abc import Mapping

import numpy as np

from infomin_tf.errors import UserError, listed, reason
from infomin_tf.models import resnet


def load_torchvision_resnet(backbone, state_dict):
    """Copies torchvision's weights of a ResNet or ResNeXt into ours: all or, after an error, none.

    The backbone then gives what torchvision's network gives before `fc`, for the images that the
    weights were trained on: those of torchvision are RGB in [0, 1], less (0.485, 0.456, 0.406),
    over (0.229, 0.224, 0.225).

    Args:
        backbone: a built `ResNet...` or `ResNeXt...` of infomin_tf.models.resnet.
        state_dict: name -> array or torch tensor, as
            `torchvision.models.resnet50(...).state_dict()` has it, with kernels [filters, C /
            groups, k, k]; `fc.*` and `num_batches_tracked` are ignored. `torch.load(path,
            weights_only=True)` reads one from a file without running code of that file.

    Raises:
        UserError: the names or shapes are not those of this backbone.
    """
    if not isinstance(backbone, resnet.ResNet):
        raise UserError(
            "load_torchvision_resnet fills a network of infomin_tf.models.resnet, not "
            f"{type(backbone).__name__}; give it the backbone itself, such as encoder.backbone"
        )
    if not backbone.built:
        raise UserError(
            "the backbone has no weights yet; call backbone.build((None, 224, 224, 3)) first"
        )
    if not isinstance(state_dict, Mapping):
        raise UserError(
            "load_torchvision_resnet needs a dict of names and arrays, not a "
            f"{type(state_dict).__name__}; call the torch module's state_dict()"
        )
    variables = dict(_named_variables(backbone))
    given = {
        name: value
        for name, value in state_dict.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    kind = type(backbone).__name__
    _check_names(kind, variables, given)
    arrays = {name: _array(given[name]) for name in variables}
    _check_shapes(kind, variables, arrays)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def start_from(path, backbones, shapes):
    """Builds networks with torchvision's weights from a file: all or, after an error, none changed.

    The first convolution of a network whose images have other channels than RGB takes the sum of
    its kernels over red, green and blue, a share for each channel, so that its features of grey
    images are torchvision's.

    Args:
        path: of a .safetensors file, such as export/torchvision/encoder.safetensors.
        backbones: of infomin_tf.models.resnet.
        shapes: of the images of each, (H, W, C).

    Raises:
        UserError: the file cannot be read or is not of such a network.
    """
    state = read_torchvision(path)
    for backbone, shape in zip(backbones, shapes, strict=True):
        if not isinstance(backbone, resnet.ResNet):
            raise UserError(
                f"{path} can start a ResNet or ResNeXt, not {type(backbone).__name__}; bind one as "
                "the backbone, such as Encoder.backbone = @ResNet50()"
            )
        if not backbone.built:
            backbone.build((None, *shape))
        try:
            load_torchvision_resnet(backbone, _for_channels(state, shape[-1]))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


def read_torchvision(path):
    """The state dict, name -> array, of a .safetensors file.

    Raises:
        UserError: there is no such file, it holds something else, or safetensors is not installed.
    """
    try:
        from safetensors import SafetensorError, numpy
    except ImportError as error:
        raise UserError(
            "weights are read by the package safetensors, which is not installed; run pip install "
            "'infomin_tf[torchvision]'"
        ) from error
    try:
        return numpy.load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as weights ({reason(error)}); give a .safetensors file in "
            "single or half precision with torchvision's names. Of a file of torch, "
            "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'NEW.safetensors') "
            "makes one"
        ) from error


def _for_channels(state, channels):
    """The weights for images of so many channels."""
    kernel = state.get("conv1.weight")
    if kernel is None or kernel.ndim != 4 or kernel.shape[1] != 3 or channels == 3:
        return state
    shared = kernel.sum(axis=1, keepdims=True) / channels
    return state | {"conv1.weight": np.repeat(shared, channels, axis=1)}


def torchvision_state(backbone):
    """The weights of a built ResNet or ResNeXt as torchvision's network of the same shape has them.

    Returns:
        dict name -> array, float32 with kernels [filters, C / groups, k, k], int64 for the counters
        `num_batches_tracked`; without `fc.*`.
    """
    state = {}
    for name, variable in _named_variables(backbone):
        value = variable.numpy().astype(np.float32)
        kernel = value.ndim == 4
        state[name] = np.ascontiguousarray(value.transpose(3, 2, 0, 1) if kernel else value)
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = np.array(0, np.int64)
    return state


def _named_variables(backbone):
    """Pairs of torchvision's name and our variable."""
    yield from _part("conv1", "bn1", backbone.stem)
    for stage, blocks in enumerate(backbone.stages, 1):
        for index, block in enumerate(blocks):
            prefix = f"layer{stage}.{index}"
            for number, part in enumerate(block.residual, 1):
                yield from _part(f"{prefix}.conv{number}", f"{prefix}.bn{number}", part)
            if block.shortcut is not None:
                names = (f"{prefix}.downsample.0", f"{prefix}.downsample.1")
                yield from _part(*names, block.shortcut)


def _part(convolution, normalization, part):
    yield f"{convolution}.weight", part.convolution.kernel
    yield f"{normalization}.weight", part.normalization.gamma
    yield f"{normalization}.bias", part.normalization.beta
    yield f"{normalization}.running_mean", part.normalization.moving_mean
    yield f"{normalization}.running_var", part.normalization.moving_variance


def _array(value):
    """A NumPy array in our layout: kernels [k, k, C / groups, filters]."""
    if hasattr(value, "detach"):  # a torch tensor, perhaps on a GPU
        value = value.detach().cpu().numpy()
    value = np.asarray(value)
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value


def _check_names(kind, expected, given):
    missing = [name for name in expected if name not in given]
    unknown = [name for name in given if name not in expected]
    wrong = [f"{verb} {listed(n)}" for verb, n in (("lacks", missing), ("has", unknown)) if n]
    if not wrong:
        return
    fix = f"use the backbone that the weights belong to instead of {kind}"
    nested = [name for name, value in given.items() if isinstance(value, Mapping)]
    if nested:
        fix = f"give what is in it under {' or '.join(map(repr, nested))}"
    wrapped = [name for name in unknown if name.endswith(".layer1.0.conv1.weight")]
    if wrapped:
        prefix = wrapped[0].removesuffix("layer1.0.conv1.weight")
        fix = f"keep only the names that begin with {prefix!r}, and remove that prefix"
    raise UserError(f"the state dict does not fit {kind}: it {' and '.join(wrong)}; {fix}")


def _check_shapes(kind, variables, arrays):
    wrong = [
        f"{name} is {arrays[name].shape}, not {tuple(variable.shape)}"
        for name, variable in variables.items()
        if arrays[name].shape != tuple(variable.shape)
    ]
    if wrong:
        raise UserError(
            f"the state dict does not fit {kind}: {listed(wrong)} (kernels as [k, k, C / groups, "
            "filters]); use a backbone of the same kind, width, small_images and number of "
            "channels"
        )
