"""Axes of a sweep: the values that its points have."""

import itertools
import os

from infomin_tf.errors import UserError


class Axis:
    """Values of one gin binding.

    Args:
        binding: such as "families.moco_v2.jitter".
        values: numbers, tuples or strings; a string that starts with @ or % is a gin reference,
            such as "@Lab()".
        labels: of the values in tables and plots; the values themselves when not given.
        name: of the axis; the last two parts of the binding when not given.
        ordered: whether the values are of increasing or decreasing strength, so that the range has
            edges.
    """

    def __init__(
        self,
        binding: str,
        values: tuple,
        labels: tuple | None = None,
        name: str | None = None,
        ordered=True,
    ):
        _check_values(values, labels, f"Axis of {binding}")
        self.name = name or ".".join(binding.split(".")[-2:])
        self.labels = [str(label) for label in labels or values]
        self.ordered = ordered
        self._bindings = [f"{binding} = {_gin_text(value)}" for value in values]

    def arguments(self, place):
        """(gin files that come first, bindings) of the value at a place."""
        return [], [self._bindings[place]]


class FileAxis:
    """Values that are gin files, read before the files of the base experiment.

    Args:
        files: gin files.
        labels: see `Axis`; the files' names when not given.
        name: of the axis.
        ordered: see `Axis`.
    """

    def __init__(
        self, files: tuple[str, ...], labels: tuple | None = None, name="recipe", ordered=True
    ):
        _check_values(files, labels, "FileAxis")
        stems = [os.path.splitext(os.path.basename(file))[0] for file in files]
        self.labels = [str(label) for label in labels or stems]
        self.name, self.ordered, self._files = name, ordered, list(files)

    def arguments(self, place):
        """(gin files that come first, bindings) of the value at a place."""
        return [self._files[place]], []


class BindingsAxis:
    """Values that consist of several gin bindings each.

    Args:
        settings: dict label -> bindings, such as {"off": ("families.infomin.layers = 0",)}.
        name: of the axis.
        ordered: see `Axis`.
    """

    def __init__(self, settings: dict, name: str, ordered=True):
        _check_values(settings, None, f"BindingsAxis {name}")
        for label, bindings in settings.items():
            check_list(bindings, f"BindingsAxis {name}, {label}")
        self.labels, self.name, self.ordered = [str(label) for label in settings], name, ordered
        self._bindings = [list(bindings) for bindings in settings.values()]

    def arguments(self, place):
        """(gin files that come first, bindings) of the value at a place."""
        return [], self._bindings[place]


class Combinations:
    """Chosen combinations of values of several axes, as one axis.

    Args:
        axes: of the other classes.
        settings: one tuple of labels per combination, with one label of every axis.
        base: such a tuple; a combination is named after the values in which it differs from the
            base.
    """

    name, ordered = "setting", False

    def __init__(self, axes: tuple, settings: tuple, base: tuple):
        self.axes, self.settings, self.base = list(axes), list(settings), tuple(base)
        for setting in (*self.settings, self.base):
            if len(setting) != len(self.axes):
                names = ", ".join(axis.name for axis in self.axes)
                raise UserError(f"{setting} must have one label of each axis: {names}")
            parts = zip(axes, setting, strict=True)
            unknown = [f"{axis.name} {label}" for axis, label in parts if label not in axis.labels]
            if unknown:
                raise UserError(f"{', '.join(unknown)}: no such value; give labels of the axes")
        self.labels = [self._label(setting) for setting in self.settings]

    def arguments(self, place):
        """(gin files that come first, bindings) of the combination at a place."""
        parts = zip(self.axes, self.settings[place], strict=True)
        return joined(self.axes, [axis.labels.index(label) for axis, label in parts])

    def _label(self, setting):
        parts = zip(self.axes, setting, self.base, strict=True)
        changed = [f"{axis.name} {label}" for axis, label, usual in parts if label != usual]
        return ", ".join(changed) or "base"


def joined(axes, places):
    """(gin files that come first, bindings) of the values at a place of each axis."""
    parts = [axis.arguments(place) for axis, place in zip(axes, places, strict=True)]
    return tuple(list(itertools.chain(*given)) for given in zip(*parts, strict=True))


def _check_values(values, labels, what):
    if len(values) < 2 or (labels and len(labels) != len(values)):
        raise UserError(
            f"{what} needs at least two values, and as many labels if it has any, not "
            f"{len(values)} values and {len(labels or ())} labels"
        )


def check_list(values, what):
    """Raises UserError for a string or a single value where several are meant."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise UserError(f"{what} must be a tuple, not {values!r}; write ({values!r},)")


def _gin_text(value):
    """A value as a gin file has it."""
    return value if isinstance(value, str) and value[:1] in "@%" else repr(value)
