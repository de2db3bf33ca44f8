"""infomin_tf: choose, learn and measure views for contrastive learning (InfoMin, Tian 2020)."""

import importlib

from infomin_tf import registration

__version__ = "0.2.0"

registration.register()


_PLACES = {
    "load_encoder": "export",
    "save_encoder": "export",
    "train": "library",
    "embed": "library",
    "audit": "library",
}


def __getattr__(name):
    """Loads what the package offers on first use, so that its import needs no TensorFlow."""
    if name in _PLACES:
        return getattr(importlib.import_module(f"infomin_tf.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'infomin_tf' has no attribute {name!r}")


def __dir__():
    return [*globals(), *_PLACES]
