"""The outcome of a sweep: rows, means over seeds, and what may be said about the best point."""

import csv
import dataclasses
import io
import json
import os

import numpy as np

from infomin_tf.runs import results
from infomin_tf.runs.files import write_atomically
from infomin_tf.sweeps import reverse_u
from infomin_tf.sweeps.comparison import CONFIDENCE, Comparison
from infomin_tf.sweeps.runner import LEFT_OUT

_PROBES = ("linear_probe/pre-trained", "fast_linear_probe/pre-trained", "knn/pre-trained")


@dataclasses.dataclass(frozen=True)
class Row:
    """One point.

    Args:
        point: `sweep.Point`.
        measurements: dict key -> `Measurement`, of all its stages; empty when it has no results.
        seconds: wall-clock time of its stages.
        seconds_per_step: of all its trainings together, once compiled; 0 where not known.
        problem: why it has no results; None otherwise.
        command: the command that makes it.
    """

    point: object
    measurements: dict
    seconds: float
    problem: str | None
    command: str
    seconds_per_step: float = 0.0

    @property
    def is_left_out(self):
        """Whether there was no time for it."""
        return bool(self.problem) and self.problem.startswith(LEFT_OUT)


@dataclasses.dataclass(frozen=True)
class Setting:
    """A value on each axis, over its seeds.

    Args:
        labels: of the values.
        values: dict key of a measurement -> array over seeds.
    """

    labels: tuple
    values: dict

    def mean(self, key):
        """Mean over seeds; nan when it was not measured."""
        return float(np.mean(self.values[key])) if key in self.values else float("nan")

    def spread(self, key):
        """Standard deviation over seeds; nan for one."""
        found = self.values.get(key, ())
        return float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")


class Outcome:
    """All that is known of a sweep.

    Args:
        runner: `runner.Runner`.
        problems: dict point -> why it has no results.
    """

    def __init__(self, runner, problems):
        self.runner, self.sweep = runner, runner.sweep
        self.rows = [_row(runner, point, problems.get(point)) for point in self.sweep.points()]
        groups = {}
        for row in self.rows:
            if row.measurements:
                groups.setdefault(row.point.labels, []).append(row.measurements)
        self.settings = [_setting(labels, found) for labels, found in groups.items()]
        # The first of each key, for its words and unit.
        self.measured = {k: m for row in reversed(self.rows) for k, m in row.measurements.items()}
        self.keys = list(dict.fromkeys(key for s in self.settings for key in s.values))
        self.metrics = self.sweep.metrics or [key for key in _PROBES if key in self.keys][:1]
        self.metric = self.metrics[0] if self.metrics else None

    @property
    def best(self):
        """The `Setting` of the highest mean of the metric; None without one."""
        measured = [s for s in self.settings if self.metric in s.values]
        return max(measured, key=lambda s: s.mean(self.metric), default=None)

    def label(self, key):
        """What a key stands for, in words; the key where it was not measured."""
        return self.measured[key].label if key in self.measured else key

    def axis(self, key):
        """The same with the unit, for an axis of a figure and the head of a table."""
        return f"{self.label(key)}, {self.unit(key)}" if self.unit(key) else self.label(key)

    def unit(self, key):
        """Of the measurement; "" for a pure number."""
        return self.measured[key].unit if key in self.measured else ""

    def verdict(self):
        """Sentences: which point is best, where in the range it is, what it differs from."""
        best = self.best
        if best is None:
            if not self.metric or not self.keys:
                return ["No accuracy was measured, so no point is called best."]
            measured = ", ".join(self.keys)
            return [
                f"{self.metric} was not measured, so no point is called best; measured: {measured}."
            ]
        said = [
            f"Best: {' / '.join(best.labels)}, {self.label(self.metric)} "
            f"{mean_text(best, self.metric)} {self.unit(self.metric)}".rstrip()
            + ".",
            *self._ties(best),
            *(self._place(number) for number, axis in enumerate(self.sweep.axes) if axis.ordered),
            self._comparison(best),
        ]
        curve = reverse_u.find(self.settings, self.sweep.information, self.metric)
        if curve:
            said.append(curve.sentence(*map(self.label, (self.sweep.information, self.metric))))
        missing = sum(not row.measurements for row in self.rows)
        if missing:
            said.append(
                f"{missing} of {len(self.rows)} points have no results; they may change this."
            )
        return said

    def _ties(self, best):
        mean = best.mean(self.metric)
        others = (s for s in self.settings if s is not best and s.mean(self.metric) == mean)
        tied = ", ".join(" / ".join(s.labels) for s in others)
        if not tied:
            return []
        return [f"The same mean as the best: {tied}; the order among them says nothing."]

    def _place(self, number):
        axis, label = self.sweep.axes[number], self.best.labels[number]
        measured = {s.labels[number] for s in self.settings if self.metric in s.values}
        labels = [known for known in axis.labels if known in measured]
        first, last = labels[0], labels[-1]
        if label in (first, last):
            return (
                f"It lies at the edge of the measured range of {axis.name} ({first} to {last}): "
                "the optimum may lie outside; extend the range."
            )
        return f"It lies inside the measured range of {axis.name}, {first} to {last}."

    def _comparison(self, best):
        """Which settings the best is significantly better than: a t test, all spreads pooled."""
        others = [s for s in self.settings if s is not best and self.metric in s.values]
        comparison = Comparison(self.settings, self.metric)
        if not others or not comparison.freedom:
            return "With one seed the spread is unknown, so no difference is called significant."
        apart, alike = [], []
        for setting in others:
            named = apart if comparison.is_better(best, setting) else alike
            named.append(" / ".join(setting.labels))
        return (
            f"Beyond the seeds' spread (standard deviation {comparison.spread:.2f}, pooled; "
            f"{CONFIDENCE:.0%} of a t test, not corrected for the number of comparisons) it is "
            f"better than: {', '.join(apart) or 'none'}. "
            f"Not significantly different from: {', '.join(alike) or 'none'}."
        )

    def write(self, out):
        """Writes out/sweep.csv and out/sweep.json."""
        axes = [axis.name for axis in self.sweep.axes]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*axes, "seed", *self.keys, "seconds", "problem", "command"])
        for row in self.rows:
            known = row.measurements
            values = [known[key].value if key in known else "" for key in self.keys]
            cells = [row.point.seed, *values, row.seconds, row.problem, row.command]
            writer.writerow([*row.point.labels, *cells])
        write_atomically(os.path.join(out, "sweep.csv"), text.getvalue())
        content = {
            "title": self.sweep.title,
            "axes": axes,
            "metric": self.metric,
            "verdict": self.verdict(),
            "points": [
                vars(row)
                | {"point": {"labels": row.point.labels, "seed": row.point.seed}}
                | {"measurements": {k: m.saved() for k, m in row.measurements.items()}}
                for row in self.rows
            ],
        }
        write_atomically(os.path.join(out, "sweep.json"), json.dumps(content, indent=2) + "\n")

    def table(self, settings=None):
        """(header, rows) of text cells: a row per setting (all, or those given), of means of the
        metrics and of the information.
        """
        asked = [*self.metrics, self.sweep.information]
        return self.whole_table(settings, [key for key in asked if key in self.keys])

    def whole_table(self, settings=None, keys=None):
        """The same with all that was measured, or with some keys."""
        keys, axes = self.keys if keys is None else keys, [axis.name for axis in self.sweep.axes]
        rows = []
        for setting in settings or self.settings:
            means = [mean_text(setting, key) for key in keys]
            rows.append([*setting.labels, *means, str(max(map(len, setting.values.values())))])
        return [*axes, *map(self.axis, keys), "seeds"], rows


def text_table(header, rows):
    """Markdown, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def mean_text(setting, key):
    """Mean over seeds ± standard deviation."""
    if key not in setting.values:
        return ""
    spread = setting.spread(key)
    return f"{setting.mean(key):.2f}" + ("" if np.isnan(spread) else f" ± {spread:.2f}")


def _row(runner, point, problem):
    measurements, seconds, per_step = {}, 0.0, 0.0
    finished = runner.is_finished(point)
    for stage in ("learn_views", "pretrain", "evaluate") if finished else ():
        content = results.read(os.path.join(runner.model_dir(point), stage))
        if content:
            measurements |= {m["key"]: results.loaded(m) for m in content["measurements"]}
            seconds += content.get("wall_time_seconds", 0.0)
            per_step += 1 / (content.get("steps_per_second") or float("inf"))
    if not finished and problem is None:
        problem = "not run"
    command = runner.command(point)
    return Row(point, measurements, round(seconds, 1), problem, command, per_step)


def _setting(labels, found):
    keys = dict.fromkeys(key for measurements in found for key in measurements)
    values = {key: np.array([m[key].value for m in found if key in m]) for key in keys}
    return Setting(labels, values)
