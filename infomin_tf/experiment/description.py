"""The settings of objects as a gin configuration, for runs from Python, which have no gin file."""

import hashlib
import json
import numbers
import types

import keras
import numpy as np
import tensorflow as tf

_PLAIN = bool | numbers.Number | str | bytes
_OF_KERAS = {"name", "build_config", "trainable", "shared_object_id"}


def describe(parts):
    """The settings of an experiment, alike in every process.

    They hold no addresses, no order of sets and no numbered names. Objects are described by their
    attributes, Keras's by their configuration, functions by what they compute.

    Args:
        parts: dict parameter of `Experiment` -> object.

    Returns:
        Lines "scope/Class.attribute = value", the scope being the way to the object.
    """
    walk = _Walk()
    for name, part in parts.items():
        walk.lines[f"Experiment.{name}"] = walk.text(part, name)
    lines = [f"{name} = {value}" for name, value in sorted(walk.lines.items())]
    return "\n".join([*lines, ""])


class _Walk:
    """Collects a line for each attribute of each object on the way."""

    def __init__(self):
        self.lines, self._above = {}, []

    def text(self, value, scope):
        """The value in a line."""
        if value is None or isinstance(value, _PLAIN):
            return repr(value)
        if any(value is other for other in self._above):
            return "..."
        self._above.append(value)
        found = self._text(value, scope)
        self._above.pop()
        return found

    def _text(self, value, scope):
        if isinstance(value, dict):
            items = sorted(value.items(), key=lambda item: str(item[0]))
            texts = [f"{k!r}: {self.text(v, f'{scope}/{k}')}" for k, v in items]
            return "{" + ", ".join(texts) + "}"
        if isinstance(value, set | frozenset):
            return "{" + ", ".join(sorted(self.text(v, scope) for v in value)) + "}"
        if isinstance(value, list | tuple):
            texts = [self.text(v, f"{scope}/{i}") for i, v in enumerate(value)]
            return "(" + ", ".join(texts) + ")"
        if isinstance(value, np.ndarray | tf.Tensor | tf.Variable):
            return _array(np.asarray(value))
        if isinstance(value, keras.Layer | keras.optimizers.Optimizer):
            return _of_keras(value)
        if isinstance(value, types.FunctionType):
            return self._function(value, scope)
        if isinstance(value, types.MethodType):
            return f"{self.text(value.__self__, scope)}.{value.__name__}"
        if isinstance(value, type | types.BuiltinFunctionType | types.ModuleType):
            return f"@{value.__name__}"
        return self._object(value, scope)

    def _object(self, value, scope):
        kind = type(value)
        module = kind.__module__.split(".")
        name = kind.__name__ if module[0] == "infomin_tf" else f"{module[-1]}.{kind.__name__}"
        attributes = getattr(value, "__dict__", {})
        if module[0] in ("tensorflow", "keras"):
            attributes = {}
        elif not attributes:
            return f"@{scope}/{name}({self._arguments(value, scope)})"
        for attribute, inner in attributes.items():
            line = f"{scope}/{name}.{attribute.lstrip('_')}"
            self.lines[line] = self.text(inner, f"{scope}/{attribute.lstrip('_')}")
        return f"@{scope}/{name}()"

    def _arguments(self, value, scope):
        """What an object without attributes, such as a path, is made of, as pickle tells."""
        try:
            _, arguments, state = (*value.__reduce_ex__(4), None)[:3]
        except Exception:  # what pickle cannot write tells nothing; own classes may raise anything
            return ""
        parts = [self.text(part, scope) for part in arguments if part is not type(value)]
        return ", ".join(parts + ([] if state is None else [self.text(state, scope)]))

    def _function(self, function, scope):
        code = hashlib.blake2b(_code(function.__code__).encode(), digest_size=6).hexdigest()
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
        used = (function.__globals__.get(name) for name in function.__code__.co_names)
        inner = [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        inner += [v for v in used if isinstance(v, _PLAIN | tuple)]  # constants of a notebook
        texts = ", ".join(self.text(v, f"{scope}/{i}") for i, v in enumerate(inner))
        return f"{function.__qualname__.replace('<locals>.', '')} {code} ({texts})"


def _code(code):
    """What a function computes, without places in a file."""
    constants = []
    for value in code.co_consts:
        if isinstance(value, frozenset):
            value = sorted(value, key=repr)
        constants.append(_code(value) if isinstance(value, types.CodeType) else repr(value))
    return repr((code.co_code, constants, code.co_names, code.co_varnames))


def _is_full(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _array(values):
    digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()
    return f"{values.dtype}{list(values.shape)} {digest}"


def _of_keras(value):
    """The configuration of a layer or optimizer, without names that are counted."""
    try:
        config = keras.saving.serialize_keras_object(value)
    except (NotImplementedError, TypeError, ValueError):
        config = {}
    content = json.dumps(_without_names(config), sort_keys=True, default=lambda o: type(o).__name__)
    return f"{type(value).__name__} {content}"


def _without_names(config):
    if isinstance(config, dict):
        return {k: _without_names(v) for k, v in config.items() if k not in _OF_KERAS}
    return [_without_names(v) for v in config] if isinstance(config, list | tuple) else config
