"""Bindings whose value is of another kind than the parameter takes, as annotations and defaults tell."""

import inspect
import types
import typing
from collections import abc

import gin

from infomin_tf.explain import behind_macro, written

_LITERALS = (  # bool before int, of which it is one
    ((bool,), "True or False"),
    ((int, float), "a number"),
    ((str,), "a string"),
    ((tuple, list), "a tuple"),
)
# Their defaults are None, and Keras has no annotations.
_NUMBERS_OF_OPTIMIZERS = (
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "gradient_accumulation_steps",
)


def wrong_kinds():
    """A line for each binding whose value does not fit: 'ten' for a number, 3 or a class for an object, and the like."""
    lines = []
    for (scope, selector), bound in gin.config._CONFIG.items():
        parameters = inspect.signature(gin.config._REGISTRY[selector].wrapped).parameters
        for name, value in bound.items():
            if name not in parameters:
                continue
            value, taken = behind_macro(value), _taken(selector, parameters[name])
            if value is not None and taken and not any(_fits(value, kind) for kind in taken):
                words = " or ".join(dict.fromkeys(_words(kind) for kind in taken))
                hint = _hint(value, taken)
                lines.append(f"{written(scope, selector, name)} = {value!r}: takes {words}{hint}")
    return lines


def _taken(selector, parameter):
    """The kinds of value that a parameter takes; () when nothing tells.

    Args:
        selector: complete name of its class or function in gin's registry.
        parameter: inspect.Parameter.
    """
    annotation = parameter.annotation
    if selector.startswith("keras.optimizers.") and parameter.name in _NUMBERS_OF_OPTIMIZERS:
        annotation = float
    if annotation is parameter.empty:
        kind = _literal(parameter.default)
        sizes = selector.startswith("keras") and kind in (int, tuple)  # Keras takes either
        return (int, tuple) if sizes else (kind,) if kind else ()
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if is_union else (annotation,)
    known = all(isinstance(typing.get_origin(kind) or kind, type) for kind in kinds)
    return tuple(kind for kind in kinds if kind is not types.NoneType) if known else ()


def _literal(value):
    """The first type of a literal's kind; None for other values."""
    return next((kinds[0] for kinds, _ in _LITERALS if isinstance(value, kinds)), None)


def _fits(value, kind):
    """Whether a parameter that takes `kind` takes the value, a literal or a gin reference; True when nothing tells."""
    if isinstance(value, gin.config.ConfigurableReference):
        return _reference_fits(value.configurable.wrapped, value.evaluate, kind)
    literal = next((kinds[0] for kinds, _ in _LITERALS if kind in kinds), None)
    return _literal(value) == literal if literal else isinstance(value, _class(kind))


def _reference_fits(target, is_called, kind):
    """Whether @target() (if `is_called`) or @target is of a kind."""
    if not isinstance(target, type):
        return is_called or isinstance(target, _class(kind))
    makes = typing.get_args(kind)[-1:]  # the Layer of Callable[[], Layer]
    if makes:
        return issubclass(target, makes) and not is_called
    return is_called and issubclass(target, _class(kind))


def _class(kind):
    return typing.get_origin(kind) or kind


def _words(kind):
    literal = next((words for kinds, words in _LITERALS if kind in kinds), None)
    makes = typing.get_args(kind)[-1:]
    if literal:
        return literal
    if makes:
        return f"what makes a {makes[0].__name__}, such as @module.Class"
    if kind is abc.Callable:
        return "a function"
    return f"an object of class {kind.__name__} ({kind.__module__.partition('.src')[0]})"


def _hint(value, taken):
    """Which parentheses are missing or too many, when that is the mistake."""
    if not isinstance(value, gin.config.ConfigurableReference):
        return ""
    target, is_called = value.configurable.wrapped, value.evaluate
    if not any(_reference_fits(target, not is_called, kind) for kind in taken):
        return ""
    return "; remove the ()" if is_called else "; add ()"
