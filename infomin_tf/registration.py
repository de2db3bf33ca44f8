"""Lets Keras know our layers once both are imported, so that it can load files that name them."""

import importlib.abc
import sys


def register():
    """Registers all layers when Keras is loaded, now or later, so that neither loads the other."""
    if "keras" in sys.modules:
        _import_layers()
    else:
        sys.meta_path.insert(0, _WhenKerasIsLoaded())


class _WhenKerasIsLoaded(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        """Keras's own, whose end registers the layers."""
        if name != "keras":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                sys.meta_path.remove(self)
                execute(module)
                _import_layers()

            spec.loader.exec_module = execute_and_register
        return spec


def _import_layers():
    import keras

    if keras.backend.backend() == "tensorflow":
        from infomin_tf.models import (  # noqa: F401
            alexnet,
            decoder,
            encoder,
            features,
            heads,
            image_encoder,
            layers,
            resnet,
        )
        from infomin_tf.moving_mnist import networks  # noqa: F401
        from infomin_tf.views import bands, color, generators, splits  # noqa: F401
