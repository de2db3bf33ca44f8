"""results.json: measurements with their protocol, data, seed, steps, wall time and versions."""

import dataclasses
import json
import os
import pathlib
import platform
import textwrap
from importlib import metadata

from infomin_tf.errors import UserError
from infomin_tf.runs.files import read_json, write_atomically

FILE_NAME = "results.json"
STAGES = ("learn_views", "pretrain", "evaluate", "export")
CHANNELS_PICTURE = "channels.png"
VIEWS = "views.json"
_PACKAGES = ("infomin_tf", "tensorflow", "keras", "numpy", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One figure and how it was measured.

    Args:
        key: its name for programs, such as "knn/pre-trained".
        label: what was measured, in words: "kNN, pre-trained".
        value: float.
        unit: "%", "nats", ...; "" for a pure number.
        protocol: how: data, views, features, probe or estimator, and its settings.
        doubts: reasons why the value may mislead, in words; None among them is ignored.
        seconds: of work behind it; 0 if another measurement or the training counts them.
    """

    key: str
    label: str
    value: float
    unit: str
    protocol: str
    doubts: tuple = ()
    seconds: float = 0.0

    def saved(self):
        """What results.json holds of it, a dict."""
        return {name: getattr(self, name) for name in _SAVED}


_SAVED = ("key", "label", "value", "unit", "protocol")


def loaded(saved):
    """The `Measurement` of what results.json holds."""
    return Measurement(**{name: saved[name] for name in _SAVED})


def write(directory, measurements, **facts):
    """Writes directory/results.json atomically; its presence says that the stage is finished.

    Args:
        directory: of the stage.
        measurements: list of `Measurement`.
        **facts: seed, steps, wall_time_seconds, data, ... (JSON values).
    """
    content = {
        "measurements": [m.saved() for m in measurements],
        **facts,
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in _PACKAGES},
    }
    write_atomically(os.path.join(directory, FILE_NAME), json.dumps(content, indent=2) + "\n")


def read(directory):
    """The content of directory/results.json, or None when the stage is not finished.

    Raises:
        UserError: the file is damaged.
    """
    path, fix = os.path.join(directory, FILE_NAME), "delete that file to run the stage again"
    if not os.path.lexists(path):
        return None
    content = read_json(path, fix)
    found = content.get("measurements") if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(
        isinstance(m, dict) and m.keys() >= set(_SAVED) for m in found
    ):
        if isinstance(content, dict) and "numbers" in content:
            raise UserError(
                f"{path} was written by an earlier version, which called its measurements numbers; "
                "use that version to read it, or another --model_dir"
            )
        raise UserError(f"{path} does not hold the list of measurements that a run writes; {fix}")
    return content


def forget(directory):
    """Makes a stage unfinished again, if it was finished."""
    pathlib.Path(directory, FILE_NAME).unlink(missing_ok=True)


def table(results):
    """A text table of the measurements of several stages, no wider than 100 columns.

    Args:
        results: dict stage name -> content of its results.json.

    Returns:
        Lines "stage  measurement  value unit  [n]", aligned, and the protocols [n] below.
    """
    protocols, rows = {}, [("stage", "measurement", "value", "how")]
    for stage, content in results.items():
        for m in content["measurements"]:
            number = protocols.setdefault(m["protocol"], len(protocols) + 1)
            rows.append((stage, m["label"], f"{_shown(**m)} {m['unit']}", f"[{number}]"))
            stage = ""
    widths = [max(len(row[column]) for row in rows) for column in range(3)] + [0]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for protocol, number in protocols.items():
        start = f"[{number}] "
        lines += textwrap.wrap(protocol, 100, initial_indent=start, subsequent_indent="    ")
    return "\n".join(lines)


def _shown(value, unit, **_):
    if unit in ("", "dimensions") and float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1e}"


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
