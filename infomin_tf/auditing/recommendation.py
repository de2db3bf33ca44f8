"""The recommended setting as a gin file that is ready to train on a person's images."""

import itertools
import os
import re
import shlex
import textwrap
import typing

from infomin_tf import environment
from infomin_tf.auditing import places
from infomin_tf.configuration import gin_files

_HEADER = """# Recommended by bin/audit_views for {images}: {label}.
{evidence}
# Training takes about {minutes:.0f} minutes on the machine of the audit, by the speed of its
# runs (on a GPU less): {steps} steps, {width} times the audit's width, views of {view} px. With
# more time, larger networks, larger views (view_size) and more steps usually gain, and tolerate
# stronger views. The sigma of a frequency split grows with the views; that of blur does not. A
# quarter of the images is kept for testing, as in the audit; without ImageFolder.split all are
# used for learning.{overlap}
#   {program} {flag}
"""
_OVERLAP = """
# The labels come from another folder. If it holds copies of the images, some test images are used
# for learning here, without their labels (the audit itself leaves them out)."""
_WIDTH = re.compile(r"^ResNet18\.width = .*$", re.MULTILINE)
_SCALED = re.compile(r"(?<=ResNet18\.width = )([\d.]+)|(?<=FrequencySplit\.sigma = )([\d.]+)")
_AUDIT_VIEW = 32
_SIZES = ((4, 64), (2, 64), (2, 48), (1, 48), (1, 32))  # times the audit's width, px of views
_LONGER, _MINUTES = 20, 60


class Size(typing.NamedTuple):
    """How large a recommended training is.

    Args:
        width: times that of the audit.
        view: side in pixels.
        steps: of training.
        minutes: that it takes.
    """

    width: int
    view: int
    steps: int
    minutes: float


def size_for(seconds_per_step, steps):
    """The largest `Size` that takes an hour at most, 20 times as long as the audit's runs.

    A step takes as much longer as there are more multiplications, which is an upper bound where
    small networks leave a device idle.

    Args:
        seconds_per_step: of the audit, 0 where not known.
        steps: of its runs.
    """
    steps = _LONGER * steps
    for width, view in _SIZES:
        minutes = seconds_per_step * width**2 * (view / _AUDIT_VIEW) ** 2 * steps / 60
        if minutes <= _MINUTES:
            return Size(width, view, steps, minutes)
    return Size(width, view, int(60 * _MINUTES / seconds_per_step), _MINUTES)


def gin_text(path, label, files, bindings, facts, evidence, size):
    """A gin file that trains on the person's own folder.

    Args:
        path: where the file will lie.
        label: of the recommended setting.
        files: gin files of the audited experiment.
        bindings: of the setting.
        facts: of `preparation.prepare`.
        evidence: sentences that support the recommendation.
        size: `Size`.
    """
    arguments = facts["arguments"]
    epochs = size.steps / max(1, facts["sizes"]["unlabelled"] // arguments["batch_size"])
    sources = places.sources(arguments["images"], arguments["labels"])
    said = "\n".join("\n# ".join(textwrap.wrap(f"# {sentence}", 98)) for sentence in evidence)
    header = _HEADER.format(
        images=arguments["images"].replace("\n", " "),
        label=label,
        program=environment.as_installed("bin/train"),
        evidence=said,
        **size._replace(minutes=max(1, size.minutes))._asdict(),
        flag=shlex.quote(f"--gin_file={path}").replace("\n", "\n# "),
        overlap=_OVERLAP if _has_other_folder(arguments) else "",
    )
    lines = [
        header,
        *(f'include "{file}"' for file in files),
        "",
        f"ImageFolder.image_size = {arguments['image_size']}",
        f"ImageFolder.test_share = {arguments['test_share']}",
        *itertools.chain(*(places.bindings(part, **made) for part, made in sources.items())),
        "",
        *(_scaled(binding, size) for binding in (*_widths(files), *bindings)),
        f"view_size = {size.view}",
        f"Pretrain.batch_size = {arguments['batch_size']}",
        f"Pretrain.epochs = {max(1, round(epochs))}",
        *([f"LearnViews.epochs = {max(1, round(epochs / _LONGER))}"] if learns(bindings) else ()),
    ]
    return "\n".join(lines) + "\n"


def _scaled(binding, size):
    """A binding with a larger width, or with a sigma of larger views."""

    def scale(found):
        if found[1]:
            return repr(size.width * float(found[1]))
        return repr(size.view / _AUDIT_VIEW * float(found[2]))

    return _SCALED.sub(scale, binding)


def learns(bindings):
    """Whether bindings switch view learning on."""
    return any("view_learning = @" in binding for binding in bindings)


def _widths(files):
    """The lines of the files that bind a network's width, each once."""
    found = {}
    for file in files:
        with open(gin_files.find_file(file), encoding="utf-8-sig") as content:
            found |= dict.fromkeys(_WIDTH.findall(content.read()))
    return list(found)


def _has_other_folder(arguments):
    labels = arguments["labels"]
    return bool(labels) and os.path.isdir(labels) and labels != arguments["images"]
