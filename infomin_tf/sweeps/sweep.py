"""What is swept: one experiment at every value of an axis or two, with several seeds."""

import dataclasses
import itertools
import re

from infomin_tf.errors import UserError
from infomin_tf.runs.results import STAGES
from infomin_tf.settings import ABOVE_ZERO, check, check_seeds
from infomin_tf.sweeps.axes import Axis, BindingsAxis, Combinations, FileAxis, check_list, joined

_INFORMATION = ("i_nce", "i_nce/training")


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
        seeds: every combination of values is run with each of these seeds.
        left_out: combinations that are not run, each a tuple with one label of every axis.
        hours: no new point is started after this many hours; None for no limit.
        metrics: keys of the measurements to compare, such as "knn/pre-trained"; the first says
            which point is best. () for the first probe that was run.
        information: key of what is on the horizontal axis: "i_nce" of held-out images, or
            "i_nce/training", whose N is that of the negatives, so that its ceiling is higher.
        until: the last stage of a point.
        title: title of the report.
        expectation: what the paper found, for the report.
    """

    def __init__(
        self,
        gin_files: tuple[str, ...],
        axes: tuple[Axis | FileAxis | BindingsAxis | Combinations, ...],
        gin_params=(),
        seeds=(0, 1),
        left_out=(),
        hours: float | None = None,
        metrics=(),
        information="i_nce",
        until="evaluate",
        title="Sweep",
        expectation="",
    ):
        if not 1 <= len(axes) <= 2:
            raise UserError(f"Sweep.axes must hold one or two axes, not {len(axes)}")
        given = dict(gin_files=gin_files, gin_params=gin_params, seeds=seeds)
        for name, values in dict(**given, left_out=left_out, metrics=metrics).items():
            check_list(values, f"Sweep.{name}")
        if labels := [metric for metric in metrics if " " in metric]:
            raise UserError(
                "Sweep.metrics must be keys of measurements, such as knn/pre-trained, not "
                f"{labels[0]!r}; docs/sweeps.md lists them"
            )
        if until not in STAGES:
            raise UserError(f"Sweep.until={until!r} is not one of {', '.join(STAGES)}")
        if information not in _INFORMATION:
            raise UserError(
                f"Sweep.information={information!r} is not one of {', '.join(_INFORMATION)}"
            )
        check_seeds(self, seeds=seeds)
        if hours is not None:
            check(self, ABOVE_ZERO, hours=hours)
        self.axes, self.seeds, self.hours = list(axes), list(seeds), hours
        self.metrics, self.information, self.until = list(metrics), information, until
        self.title, self.expectation = title, expectation
        self._gin_files, self._gin_params = list(gin_files), list(gin_params)
        for labels in left_out:
            check_list(labels, "each combination in Sweep.left_out")
        self._left_out = {tuple(map(str, labels)) for labels in left_out}
        known = set(itertools.product(*(axis.labels for axis in axes)))
        if unknown := self._left_out - known:
            raise UserError(f"Sweep.left_out has no such combinations: {sorted(unknown)}")
        if self._left_out == known:
            raise UserError("Sweep.left_out leaves no combination to run")
        names = [point.name for point in self.points()]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise UserError(
                f"several points would be written to one folder ({', '.join(twins[:3])}); give the "
                "values labels, and seeds, that differ in letters, digits, '.' or '+'"
            )

    def points(self):
        """All points, first seeds first, so that a sweep that is cut short has the whole curve."""
        points = []
        for seed in self.seeds:
            for labels in itertools.product(*(axis.labels for axis in self.axes)):
                first, params = joined(self.axes, labels)
                files, params = (*first, *self._gin_files), (*self._gin_params, *params)
                points.append(Point(labels, seed, files, params))
        return [point for point in points if point.labels not in self._left_out]
