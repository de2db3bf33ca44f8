"""Bindings whose values have another type than annotations and defaults say."""

import types
import typing
from collections import abc

import gin

from infomin_tf.configuration.explain import behind_macro, parameters, written

_Reference = gin.config.ConfigurableReference
_WORDS = {
    bool: "True or False",
    float: "a number",
    int: "a whole number",
    str: "a string",
    tuple: "a tuple",
}
_PLURALS = {bool: "True or False", float: "numbers", str: "strings", tuple: "tuples"}
# Their defaults are None, and Keras has no annotations.
_NUMBERS_OF_OPTIMIZERS = (
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "gradient_accumulation_steps",
)


def wrong_kinds():
    """A line for each binding whose value does not fit, such as 'ten' for a number.

    Only what is sure is refused: of what functions return, of classes of other packages and of
    annotations that are none of these here, nothing is known.
    """
    lines = []
    for (scope, selector), bound in gin.config._CONFIG.items():
        known = parameters(selector)
        for name, value in bound.items():
            kinds = _taken(selector, known[name]) if name in known else ()
            meant = behind_macro(value)
            if not kinds or any(_fits(meant, kind) for kind in kinds):
                continue
            shown = f"{value!r}" if meant is value else f"{value!r}, which is {meant!r}"
            words = " or ".join(dict.fromkeys(filter(None, map(_words, kinds))))
            binding = written(scope, selector, name)
            lines.append(f"{binding} = {shown}: must be {words}{_hint(meant, kinds)}")
    return lines


def _taken(selector, parameter):
    """The kinds of value that a parameter takes, types such as tuple[int]; () when nothing tells.

    Args:
        selector: complete name of its class or function in gin's registry.
        parameter: inspect.Parameter.
    """
    target = gin.config._REGISTRY[selector].wrapped
    is_optimizer = getattr(target, "__module__", "").startswith("keras.src.optimizers.")
    if is_optimizer and parameter.name in _NUMBERS_OF_OPTIMIZERS:
        return float, types.NoneType
    if parameter.annotation is parameter.empty:
        return _as_default(selector, parameter.default)
    kinds = _alternatives(parameter.annotation)
    if parameter.default is None:
        kinds += (types.NoneType,)
    return kinds if all(map(_is_known, kinds)) else ()


def _as_default(selector, default):
    """Kinds like that of a default; references and None may stand for any."""
    kind = _literal(default)
    if kind is None:
        return ()
    kinds = (kind, types.NoneType, _Reference)
    if selector.startswith("keras.layers.") and kind in (float, tuple):  # Keras takes either
        return (float, tuple, *kinds)
    elements = {_literal(value) for value in default} if kind is tuple else ()
    if len(elements) == 1 and elements != {None}:
        return (tuple[elements.pop(), ...], *kinds[1:])
    return kinds


def _alternatives(annotation):
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return typing.get_args(annotation) if is_union else (annotation,)


def _is_known(kind):
    """Whether `_fits` can judge by a kind: literals, tuples, functions, classes of packages."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is abc.Callable:
        return arguments[0] == [] and isinstance(arguments[1], type)
    if origin or not isinstance(kind, type) or kind is typing.Any:
        return origin in (tuple, list)
    try:
        issubclass(int, kind)
    except TypeError:  # a protocol that is not for run time
        return False
    return kind.__module__ != "builtins" or _class(kind) in _WORDS or kind is types.NoneType


def _literal(value):
    """Which literal a value is: bool, float for any number, str, tuple for lists, too; or None."""
    kinds = ((bool,), (int, float), (str,), (tuple, list))  # bool before int, of which it is one
    return next((_class(kind[0]) for kind in kinds if isinstance(value, kind)), None)


def _class(kind):
    """The class of a kind without its brackets; float for int, tuple for list."""
    found = typing.get_origin(kind) or kind
    return {int: float, list: tuple}.get(found, found)


def _fits(value, kind):
    """Whether a parameter that takes `kind` takes the value; True when nothing tells."""
    if isinstance(value, _Reference):
        target, is_called = value.configurable.wrapped, value.evaluate
        return kind is _Reference or _reference_fits(target, is_called, kind)
    if kind is int and isinstance(value, float) and not value.is_integer():
        return False
    if _class(kind) not in _WORDS:
        return isinstance(value, _class(kind))
    return _literal(value) is _class(kind) and (
        _class(kind) is not tuple or _elements_fit(value, typing.get_args(kind))
    )


def _elements_fit(values, kinds):
    """Whether the elements fit the kinds in the brackets of a tuple or list."""
    if not kinds:
        return True
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(values)
    return len(values) == len(kinds) and all(
        any(not _is_known(kind) or _fits(value, kind) for kind in _alternatives(annotation))
        for value, annotation in zip(values, kinds, strict=True)
    )


def _reference_fits(target, is_called, kind):
    """Whether @target() (if `is_called`) or @target is of a kind."""
    if not isinstance(target, type):
        return is_called or _class(kind) is abc.Callable
    is_ours = target.__module__.partition(".")[0] in ("infomin_tf", "keras")
    makes = typing.get_args(kind)[-1:] if _class(kind) is abc.Callable else ()
    if makes:
        is_made = issubclass(target, makes)
        return not (is_ours or is_made) if is_called else is_made or not is_ours
    return is_called and (not is_ours or issubclass(target, _class(kind)))


def _words(kind):
    """What a kind is called in a message; None for those that go without saying."""
    found, arguments = _class(kind), [a for a in typing.get_args(kind) if a is not Ellipsis]
    if kind in (types.NoneType, _Reference):
        return None
    if found is tuple and arguments:
        names = [
            _PLURALS.get(_class(k), f"{k.__name__} objects") for k in _alternatives(arguments[0])
        ]
        count = f"{len(arguments)} " if len(arguments) > 1 else ""
        return f"a tuple of {count}{' or '.join(names)}"
    if found is abc.Callable:
        name = arguments[-1].__name__ if arguments else ""
        return f"something that makes a {name}, such as @Class" if name else "a function"
    package = found.__module__.partition(".src")[0]
    return _WORDS.get(kind) or _WORDS.get(found, f"an object of class {found.__name__} ({package})")


def _hint(value, kinds):
    """Which parentheses are missing or too many, when that is the mistake."""
    if not isinstance(value, _Reference):
        return ""
    target, is_called = value.configurable.wrapped, value.evaluate
    if not any(_reference_fits(target, not is_called, kind) for kind in kinds):
        return ""
    return "; remove the ()" if is_called else "; add ()"
