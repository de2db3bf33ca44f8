"""What is swept: one experiment at every value of an axis or two, with several seeds."""

import dataclasses
import itertools
import os
import re

from infomin_tf.errors import UserError
from infomin_tf.options import STAGES
from infomin_tf.settings import ABOVE_ZERO, check, check_seeds

_INFORMATION = ("I_NCE", "I_NCE of training")


class Axis:
    """Values of one gin binding.

    Args:
        binding: such as "families.moco_v2.jitter".
        values: numbers, tuples or strings; a string that starts with @ or % is a gin reference, such as "@color.Lab()".
        labels: of the values in tables and plots; the values themselves when not given.
        name: of the axis; the last two parts of the binding when not given.
        ordered: whether the values are of increasing or decreasing strength, so that the range has edges.
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
        self,
        files: tuple[str, ...],
        labels: tuple | None = None,
        name="recipe",
        ordered=True,
    ):
        _check_values(files, labels, "FileAxis")
        stems = [os.path.splitext(os.path.basename(file))[0] for file in files]
        self.labels = [str(label) for label in labels or stems]
        self.name, self.ordered, self._files = name, ordered, list(files)

    def arguments(self, place):
        """(gin files that come first, bindings) of the value at a place."""
        return [self._files[place]], []


class BindingsAxis:
    """Values that take several gin bindings each.

    Args:
        settings: dict label -> bindings, such as {"off": ("families.infomin.layers = 0",)}.
        name: of the axis.
        ordered: see `Axis`.
    """

    def __init__(self, settings: dict, name: str, ordered=True):
        _check_values(settings, None, f"BindingsAxis {name}")
        for label, bindings in settings.items():
            _check_list(bindings, f"BindingsAxis {name}, {label}")
        self.labels, self.name, self.ordered = [str(label) for label in settings], name, ordered
        self._bindings = [list(bindings) for bindings in settings.values()]

    def arguments(self, place):
        """(gin files that come first, bindings) of the value at a place."""
        return [], self._bindings[place]


class Combinations:
    """Chosen combinations of values of several axes, as one axis.

    Args:
        axes: of the other classes.
        settings: a tuple of labels each, one of every axis.
        base: such a tuple; a combination is called by what it has in other values.
    """

    name, ordered = "setting", False

    def __init__(self, axes: tuple, settings: tuple, base: tuple):
        self.axes, self.settings, self.base = list(axes), list(settings), tuple(base)
        for setting in (*self.settings, self.base):
            if len(setting) != len(self.axes):
                names = ", ".join(axis.name for axis in self.axes)
                raise UserError(f"{setting} must have one label of each axis: {names}")
            unknown = [
                f"{a.name} {b}" for a, b in zip(axes, setting, strict=True) if b not in a.labels
            ]
            if unknown:
                raise UserError(f"{', '.join(unknown)}: no such value; give labels of the axes")
        self.labels = [self._label(setting) for setting in self.settings]

    def arguments(self, place):
        """(gin files that come first, bindings) of the combination at a place."""
        parts = [
            a.arguments(a.labels.index(b))
            for a, b in zip(self.axes, self.settings[place], strict=True)
        ]
        return [file for files, _ in parts for file in files], [
            b for _, params in parts for b in params
        ]

    def _label(self, setting):
        named = zip(self.axes, setting, self.base, strict=True)
        return (
            ", ".join(f"{axis.name} {label}" for axis, label, usual in named if label != usual)
            or "base"
        )


@dataclasses.dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Args:
        labels: of its value on each axis.
        seed: of the run.
        gin_files, gin_params: what the run is given.
    """

    labels: tuple
    seed: int
    gin_files: tuple
    gin_params: tuple

    @property
    def setting(self):
        """A name that is good for a file, without the seed."""
        return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", label).strip("-") for label in self.labels)

    @property
    def name(self):
        """A name that is good for a file."""
        return f"{self.setting}_seed{self.seed}"

    def flags(self, data_dir):
        """Flags of bin/train and bin/show_views."""
        flags = [f"--gin_file={file}" for file in self.gin_files]
        flags += [f"--gin_param={param}" for param in self.gin_params]
        return flags + [f"--seed={self.seed}"] + ([f"--data_dir={data_dir}"] if data_dir else [])


class Sweep:
    """What is swept.

    Args:
        gin_files: of the base experiment, as bin/train takes them.
        axes: one or two of `Axis`, `FileAxis`, `BindingsAxis`, `Combinations`.
        gin_params: bindings that all points share.
        seeds: each value is run with each.
        hours: no new point is started after so many; None for no limit.
        metrics: names of the numbers to compare, such as "kNN, pre-trained"; the first says which point is best. () for the
            first probe that was run.
        information: name of the number on the horizontal axis: "I_NCE" of held-out images, or "I_NCE of training", whose N is
            that of the negatives and whose ceiling is therefore higher.
        until: the last stage of a point.
        title: of the report.
        expectation: what the paper found, for the report.
    """

    def __init__(
        self,
        gin_files: tuple[str, ...],
        axes: tuple[Axis | FileAxis | BindingsAxis | Combinations, ...],
        gin_params=(),
        seeds=(0, 1),
        hours: float | None = None,
        metrics=(),
        information="I_NCE",
        until="evaluate",
        title="Sweep",
        expectation="",
    ):
        if not 1 <= len(axes) <= 2:
            raise UserError(f"Sweep.axes takes one axis or two, not {len(axes)}")
        given = {
            "gin_files": gin_files,
            "gin_params": gin_params,
            "seeds": seeds,
            "metrics": metrics,
        }
        for name, values in given.items():
            _check_list(values, f"Sweep.{name}")
        if until not in STAGES:
            raise UserError(f"Sweep.until={until!r} is none of {', '.join(STAGES)}")
        if information not in _INFORMATION:
            raise UserError(
                f"Sweep.information={information!r} is none of {', '.join(_INFORMATION)}"
            )
        check_seeds(self, seeds=seeds)
        if hours is not None:
            check(self, ABOVE_ZERO, hours=hours)
        self.axes, self.seeds, self.hours = list(axes), list(seeds), hours
        self.metrics, self.information, self.until = list(metrics), information, until
        self.title, self.expectation = title, expectation
        self._gin_files, self._gin_params = list(gin_files), list(gin_params)
        names = [point.name for point in self.points()]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise UserError(
                f"several points would be written to one folder ({', '.join(twins[:3])}); give the values labels, and seeds, "
                "that differ in letters, digits, '.' or '+'"
            )

    def points(self):
        """All points, first seeds first, so that a sweep that is cut short has the whole curve."""
        places = list(itertools.product(*[range(len(axis.labels)) for axis in self.axes]))
        return [self._point(place, seed) for seed in self.seeds for place in places]

    def _point(self, places, seed):
        parts = [axis.arguments(place) for axis, place in zip(self.axes, places, strict=True)]
        first = [file for files, _ in parts for file in files]
        params = [param for _, bindings in parts for param in bindings]
        labels = tuple(axis.labels[place] for axis, place in zip(self.axes, places, strict=True))
        return Point(labels, seed, (*first, *self._gin_files), (*self._gin_params, *params))


def _check_values(values, labels, what):
    if len(values) < 2 or (labels and len(labels) != len(values)):
        raise UserError(
            f"{what} needs two values or more, and as many labels, if any; it has {len(values)} values and "
            f"{len(labels or ())} labels"
        )


def _check_list(values, what):
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise UserError(f"{what} takes a tuple, not {values!r}; write ({values!r},)")


def _gin_text(value):
    """A value as a gin file has it."""
    return value if isinstance(value, str) and value[:1] in "@%" else repr(value)
