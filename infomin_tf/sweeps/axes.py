"""Axes of a sweep: the values that its points have."""

import itertools
import os

from infomin_tf.errors import UserError


class Values:
    """What the axes have in common.

    Args:
        name: of the axis.
        ordered: whether the values are of increasing or decreasing strength, so that the range has
            edges.
        labels: of the values in tables and plots.
        arguments: (gin files that come first, bindings) of each value.
    """

    def __init__(self, name, ordered, labels, arguments):
        self.name, self.ordered = name, ordered
        self.labels, self._arguments = [str(label) for label in labels], list(arguments)

    def arguments(self, label):
        """(gin files that come first, bindings) of the value with a label."""
        return self._arguments[self.labels.index(label)]

    def bindings(self, label):
        """Those of the value with a label."""
        return self.arguments(label)[1]


class Axis(Values):
    """Values of one gin binding.

    Args:
        binding: such as "families.moco_v2.jitter".
        values: numbers, tuples or strings; a string that starts with @ or % is a gin reference,
            such as "@Lab()".
        labels: of the values; the values themselves when not given.
        name: of the axis; the last two parts of the binding when not given.
        ordered: see `Values`.
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
        name = name or ".".join(binding.split(".")[-2:])
        bindings = [([], [f"{binding} = {_gin_text(value)}"]) for value in values]
        super().__init__(name, ordered, labels or values, bindings)


class FileAxis(Values):
    """Values that are gin files, read before the files of the base experiment.

    Args:
        files: gin files.
        labels: of the values; the files' names when not given.
        name, ordered: see `Values`.
    """

    def __init__(
        self, files: tuple[str, ...], labels: tuple | None = None, name="recipe", ordered=True
    ):
        _check_values(files, labels, "FileAxis")
        stems = [os.path.splitext(os.path.basename(file))[0] for file in files]
        super().__init__(name, ordered, labels or stems, [([file], []) for file in files])


class BindingsAxis(Values):
    """Values that consist of several gin bindings each.

    Args:
        settings: dict label -> bindings, such as {"off": ("families.infomin.layers = 0",)}.
        name, ordered: see `Values`.
    """

    def __init__(self, settings: dict, name: str, ordered=True):
        _check_values(settings, None, f"BindingsAxis {name}")
        for label, bindings in settings.items():
            check_list(bindings, f"BindingsAxis {name}, {label}")
        values = [([], list(bindings)) for bindings in settings.values()]
        super().__init__(name, ordered, settings, values)


class Combinations(Values):
    """Chosen combinations of values of several axes, as one axis.

    Args:
        axes: of the other classes.
        settings: one tuple of labels per combination, with one label of every axis.
        base: such a tuple; a combination is named after the values in which it differs from the
            base.

    Attributes:
        settings: dict label -> tuple of labels.
    """

    def __init__(self, axes: tuple, settings: tuple, base: tuple):
        for setting in (*settings, base):
            if len(setting) != len(axes):
                names = ", ".join(axis.name for axis in axes)
                raise UserError(f"{setting} must have one label of each axis: {names}")
            parts = zip(axes, setting, strict=True)
            unknown = [f"{axis.name} {label}" for axis, label in parts if label not in axis.labels]
            if unknown:
                raise UserError(f"{', '.join(unknown)}: no such value; give labels of the axes")
        self.axes, self.base = list(axes), tuple(base)
        self.settings = {self._label(setting): setting for setting in settings}
        values = [joined(axes, setting) for setting in self.settings.values()]
        super().__init__("setting", False, self.settings, values)

    def _label(self, setting):
        parts = zip(self.axes, setting, self.base, strict=True)
        changed = [f"{axis.name} {label}" for axis, label, usual in parts if label != usual]
        return ", ".join(changed) or "base"


def joined(axes, labels):
    """(gin files that come first, bindings) of the values with a label on each axis."""
    parts = [axis.arguments(label) for axis, label in zip(axes, labels, strict=True)]
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
