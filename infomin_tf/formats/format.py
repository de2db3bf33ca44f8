"""What a format of an exported encoder is, and which there are; needs no TensorFlow."""

import importlib
import importlib.util

from infomin_tf.errors import UserError

# Name -> module and class; the package that it needs, from the extra of setup.py of that name.
_FORMATS = {
    "saved_model": ("saved_model.SavedModel", None),
    "keras": ("keras_file.KerasFile", None),
    "torchvision": ("torchvision.Torchvision", "safetensors"),
    "detectron2": ("detectron2.Detectron2", None),
    "onnx": ("onnx.Onnx", "tf2onnx"),
    "litert": ("litert.LiteRT", None),
}
NAMES = tuple(_FORMATS)
DEFAULT = ("saved_model", "keras")


class Format:
    """One way to write an encoder to disk.

    Attributes:
        entry: name of its file or folder in an export.
    """

    entry = ""

    def check(self, split, backbones):
        """Raises UserError, which says why, unless the format can carry such an encoder.

        Args:
            split: layer image -> parts, of `infomin_tf.views.splits`.
            backbones: a network per part, built or not.
        """

    def write(self, encoder, path):
        """Writes a built `ImageEncoder` to `path`, whose name is `entry` and where nothing is."""
        raise NotImplementedError


def check_installed(names):
    """Raises UserError for an unknown name, or one whose package is not installed."""
    unknown = [name for name in names if name not in _FORMATS]
    if unknown or not names:
        found = ", ".join(map(repr, unknown)) or "none"
        raise UserError(f"the formats of an export are {', '.join(NAMES)}, not {found}")
    for name in names:
        package = _FORMATS[name][1]
        if package and importlib.util.find_spec(package) is None:
            raise UserError(
                f"the format {name} needs the package {package}, which is not installed; run pip "
                f"install 'infomin_tf[{name}]', in a checkout .venv/bin/pip install -e '.[{name}]'"
            )


def make(names):
    """List of the `Format` of each name, which may be one name alone; see `check_installed`."""
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    check_installed(names)
    return [_class(name)() for name in names]


def others(formats):
    """Entries of all formats but these."""
    every = {_class(name).entry for name in NAMES}
    return sorted(every - {each.entry for each in formats})


def _class(name):
    module, kind = _FORMATS[name][0].split(".")
    return getattr(importlib.import_module(f"infomin_tf.formats.{module}"), kind)
