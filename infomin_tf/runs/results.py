"""results.json: numbers that carry their protocol, data, seed, steps, wall time and versions."""

import contextlib
import dataclasses
import json
import os
import platform
from importlib import metadata

from infomin_tf.errors import UserError
from infomin_tf.runs.files import read_json, write_atomically

FILE_NAME = "results.json"
STAGES = ("learn_views", "pretrain", "evaluate", "export")
CHANNELS_PICTURE = "channels.png"
VIEWS = "views.json"
_PACKAGES = ("infomin_tf", "tensorflow", "keras", "numpy", "scikit-learn")


@dataclasses.dataclass
class Number:
    """One figure and how it came about.

    Args:
        name: what was measured.
        value: float.
        unit: "%", "nats", ...
        protocol: how: data, views, features, probe or estimator, and its settings.
    """

    name: str
    value: float
    unit: str
    protocol: str


def write(directory, numbers, **facts):
    """Writes directory/results.json atomically; its presence says that the stage is finished.

    Args:
        directory: of the stage.
        numbers: list of `Number`.
        **facts: seed, steps, wall_time_seconds, data, ... (JSON values).
    """
    content = {
        "numbers": [dataclasses.asdict(number) for number in numbers],
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
    keys = {field.name for field in dataclasses.fields(Number)}
    numbers = content.get("numbers") if isinstance(content, dict) else None
    if not isinstance(numbers, list) or not all(
        isinstance(n, dict) and keys <= n.keys() for n in numbers
    ):
        raise UserError(f"{path} has no list of numbers, as a run writes it; {fix}")
    return content


def forget(directory):
    """Makes a stage unfinished again, if it was finished."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(directory, FILE_NAME))


def table(results):
    """A text table of the numbers of several stages.

    Args:
        results: dict stage name -> content of its results.json.

    Returns:
        Lines "stage  name  value unit  protocol", aligned.
    """
    rows = [
        (stage, number["name"], f"{_shown(number['value'])} {number['unit']}", number["protocol"])
        for stage, content in results.items()
        for number in content["numbers"]
    ]
    rows.insert(0, ("stage", "number", "value", "protocol"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True))
        + "  "
        + row[3]
        for row in rows
    )


def _shown(value):
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1e}"


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
