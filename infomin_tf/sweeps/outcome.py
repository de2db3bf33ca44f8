"""What came out of a sweep: rows, means over seeds, and what may be said of the best point."""

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

_PROBES = ("linear probe, pre-trained", "fast linear probe, pre-trained", "kNN, pre-trained")


@dataclasses.dataclass(frozen=True)
class Row:
    """One point.

    Args:
        point: `sweep.Point`.
        numbers: dict name -> value, of all its stages; empty when it has no results.
        protocols: dict name -> how it was measured.
        seconds: wall-clock time of its stages.
        problem: why it has no results; None otherwise.
        command: that makes it.
    """

    point: object
    numbers: dict
    protocols: dict
    seconds: float
    problem: str | None
    command: str


@dataclasses.dataclass(frozen=True)
class Setting:
    """A value on each axis, over its seeds.

    Args:
        labels: of the values.
        name: for files.
        values: dict name of a number -> array over seeds.
    """

    labels: tuple
    name: str
    values: dict

    def mean(self, name):
        """Mean over seeds; nan when the number is missing."""
        return float(np.mean(self.values[name])) if name in self.values else float("nan")

    def spread(self, name):
        """Standard deviation over seeds; nan for one."""
        found = self.values.get(name, ())
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
            if row.numbers:
                groups.setdefault((row.point.labels, row.point.setting), []).append(row)
        self.settings = [_setting(*key, rows) for key, rows in groups.items()]
        names = [name for setting in self.settings for name in setting.values]
        self.names = list(dict.fromkeys(names))
        self.metrics = self.sweep.metrics or [n for n in _PROBES if n in names][:1]
        self.metric = self.metrics[0] if self.metrics else None

    @property
    def best(self):
        """The `Setting` of the highest mean of the metric; None without one."""
        measured = [s for s in self.settings if self.metric in s.values]
        return max(measured, key=lambda s: s.mean(self.metric), default=None)

    def verdict(self):
        """Sentences: which point is best, where in the range it lies, and what it is told apart from."""
        best = self.best
        if best is None and self.metric and self.names:
            measured = ", ".join(self.names)
            return [
                f"{self.metric} was not measured, so no point is called best; measured: {measured}."
            ]
        if best is None:
            return ["No accuracy was measured, so no point is called best."]
        said = [
            f"Best: {' / '.join(best.labels)}, {self.metric} {mean_text(best, self.metric)}.",
            *(self._place(number) for number, axis in enumerate(self.sweep.axes) if axis.ordered),
            self._comparison(best),
        ]
        curve = reverse_u.find(self.settings, self.sweep.information, self.metric)
        if curve:
            said.append(curve.sentence())
        missing = sum(not row.numbers for row in self.rows)
        if missing:
            said.append(
                f"{missing} of {len(self.rows)} points have no results; they may change this."
            )
        return said

    def _place(self, number):
        axis, label = self.sweep.axes[number], self.best.labels[number]
        measured = {s.labels[number] for s in self.settings if self.metric in s.values}
        labels = [known for known in axis.labels if known in measured]
        if label in (labels[0], labels[-1]):
            return (
                f"It lies at the edge of the measured range of {axis.name} ({labels[0]} to {labels[-1]}): the optimum may "
                "lie outside; extend the range."
            )
        return f"It lies inside the measured range of {axis.name}, {labels[0]} to {labels[-1]}."

    def _comparison(self, best):
        """Which settings the best one is told apart from, by a t test with the spread pooled over all settings."""
        others = [s for s in self.settings if s is not best and self.metric in s.values]
        comparison = Comparison(self.settings, self.metric)
        if not others or not comparison.freedom:
            return "With one seed the spread is unknown, so no difference is called real."
        apart, alike = [], []
        for setting in others:
            named = apart if comparison.is_better(best, setting) else alike
            named.append(" / ".join(setting.labels))
        return (
            f"Beyond the seeds' spread (standard deviation {comparison.spread:.2f}, pooled; {CONFIDENCE:.0%} of a t test, not "
            f"corrected for the number of comparisons) it is better than: {', '.join(apart) or 'none'}. Not told apart "
            f"from: {', '.join(alike) or 'none'}."
        )

    def write(self, out):
        """Writes out/sweep.csv and out/sweep.json."""
        axes = [axis.name for axis in self.sweep.axes]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*axes, "seed", *self.names, "seconds", "problem", "command"])
        for row in self.rows:
            numbers = [row.numbers.get(name, "") for name in self.names]
            writer.writerow(
                [
                    *row.point.labels,
                    row.point.seed,
                    *numbers,
                    row.seconds,
                    row.problem or "",
                    row.command,
                ]
            )
        write_atomically(os.path.join(out, "sweep.csv"), text.getvalue())
        content = {
            "title": self.sweep.title,
            "axes": axes,
            "metric": self.metric,
            "verdict": self.verdict(),
            "points": [
                dataclasses.asdict(row)
                | {"point": {"labels": row.point.labels, "seed": row.point.seed}}
                for row in self.rows
            ],
        }
        write_atomically(os.path.join(out, "sweep.json"), json.dumps(content, indent=2) + "\n")

    def table(self, settings=None):
        """(header, rows) of text cells: a row a setting (all, or those given), means over seeds with standard deviations."""
        header = [axis.name for axis in self.sweep.axes] + self.names + ["seeds"]
        rows = [
            [
                *s.labels,
                *(mean_text(s, name) for name in self.names),
                str(max(map(len, s.values.values()))),
            ]
            for s in settings or self.settings
        ]
        return header, rows


def text_table(header, rows):
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean_text(setting, name):
    """Mean over seeds ± standard deviation."""
    if name not in setting.values:
        return ""
    spread = setting.spread(name)
    return f"{setting.mean(name):.2f}" + ("" if np.isnan(spread) else f" ± {spread:.2f}")


def _row(runner, point, problem):
    numbers, protocols, seconds = {}, {}, 0.0
    finished = runner.is_finished(point)
    for stage in ("learn_views", "pretrain", "evaluate") if finished else ():
        content = results.read(os.path.join(runner.model_dir(point), stage))
        if content:
            numbers |= {number["name"]: number["value"] for number in content["numbers"]}
            protocols |= {n["name"]: n.get("protocol", "") for n in content["numbers"]}
            seconds += content.get("wall_time_seconds", 0.0)
    if not finished and problem is None:
        problem = "not run"
    return Row(point, numbers, protocols, round(seconds, 1), problem, runner.command(point))


def _setting(labels, name, rows):
    names = dict.fromkeys(name for row in rows for name in row.numbers)
    values = {n: np.array([row.numbers[n] for row in rows if n in row.numbers]) for n in names}
    return Setting(labels, name, values)
