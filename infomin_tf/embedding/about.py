"""What a finished file of features is of: OUT.json next to it, without which it is not finished."""

import contextlib
import json
import os

from infomin_tf.errors import UserError
from infomin_tf.runs import files

_FIX = "delete it, and make the features again with bin/embed"
_NEEDED = {"arguments", "images", "export", "place"}


def path_of(out):
    """Where it lies."""
    return f"{out}.json"


def read(out):
    """dict, see `write`; None unless the file of features is finished.

    Raises:
        UserError: it is damaged.
    """
    path = path_of(out)
    if not (os.path.isfile(path) and os.path.isfile(out)):
        return None
    content = files.read_json(path, _FIX)
    if not (isinstance(content, dict) and content.keys() >= _NEEDED):
        raise UserError(f"{path} does not say what {out} is of; {_FIX}")
    return content


def forget(out):
    """The file of features is not finished any more, or will be replaced."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path_of(out))


def write(out, arguments, **facts):
    """Says that a file of features is finished.

    Args:
        out: its path.
        arguments: dict name -> text of what the features are of.
        facts: what else is told of them.
    """
    content = {"arguments": arguments, **facts}
    files.write_atomically(path_of(out), json.dumps(content, indent=2) + "\n")
