"""The recommended setting as a gin file that is ready to train on a person's images."""

import itertools
import os
import re
import shlex
import textwrap

from infomin_tf.auditing import places
from infomin_tf.configuration import gin_files

_HEADER = """# Recommended by bin/audit_views for {images}: {label}.
{evidence}
# Here the network is four times as wide as in the audit's own files, the views have 64 px, and
# training takes 100 epochs. Larger networks and longer training usually tolerate stronger views, so
# try stronger ones too. The sigma of a frequency split is twice the audit's, because the audit's
# views had 32 px; the sigma of blur is the same. A quarter of the images is kept for testing, as in
# the audit; without ImageFolder.split all images are used for learning.{overlap}
#   bin/train {flag}
"""
_OVERLAP = """
# The labels come from another folder. If it holds copies of the images, some test images are used
# for learning here, without their labels (the audit itself leaves them out)."""
_WIDTH = re.compile(r"^ResNet18\.width = .*$", re.MULTILINE)
_SCALED = re.compile(r"(?<=ResNet18\.width = )([\d.]+)|(?<=FrequencySplit\.sigma = )([\d.]+)")


def gin_text(path, label, files, bindings, arguments, evidence):
    """A gin file that trains on the person's own folder.

    Args:
        path: where the file will lie.
        label: of the recommended setting.
        files: gin files of the audited experiment.
        bindings: of the setting.
        arguments: dict "images", "labels", "image_size", "test_share", "batch_size" of
            `preparation.prepare`.
        evidence: sentences that support the recommendation.
    """
    sources = places.sources(arguments["images"], arguments["labels"])
    said = "\n".join("\n# ".join(textwrap.wrap(f"# {sentence}", 98)) for sentence in evidence)
    header = _HEADER.format(
        images=arguments["images"].replace("\n", " "),
        label=label,
        evidence=said,
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
        *(_SCALED.sub(_scale, binding) for binding in (*_widths(files), *bindings)),
        "view_size = 64",
        f"Pretrain.batch_size = {arguments['batch_size']}",
        "Pretrain.epochs = 100",
    ]
    return "\n".join(lines) + "\n"


def _scale(found):
    """Four times the width, twice the sigma."""
    return repr(4 * float(found[1]) if found[1] else 2 * float(found[2]))


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
