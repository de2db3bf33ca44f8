"""What the point of a sweep was run with, so that no results of something else stand for it."""

import json
import os
import shlex

from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.runs import files, results

_FILE = "command.json"


def write(model_dir, point):
    """Notes in model_dir what a point is run with, without the place of its data."""
    files.write_atomically(os.path.join(model_dir, _FILE), json.dumps(_record(point)))


def check(model_dir, point):
    """Raises UserError for a point that was run with other settings, or views learned anew."""
    path = os.path.join(model_dir, _FILE)
    if not os.path.exists(path):
        return
    known, now = (
        files.read_json(path, "use another --out, or delete the folder it is in"),
        _record(point),
    )
    if known["flags"] != now["flags"]:
        was, is_now = (shlex.join(record["flags"]) for record in (known, now))
        raise UserError(
            f"{model_dir} was run as\n  {was}\nbut is now\n  {is_now}\nuse another --out"
        )
    if known["gin"] != now["gin"]:
        raise UserError(
            f"{model_dir} was run with other contents of {', '.join(known['gin'])} or of files "
            "that these include; use another --out"
        )
    _check_views(model_dir)


def _record(point):
    return {"flags": point.flags(None), "gin": gin_files.digest(point.gin_files)}


def _check_views(model_dir):
    """Of a point whose views are those of another run (`ViewsOfRun`), which may be gone."""
    folder = os.path.join(model_dir, "learn_views")
    source = (results.read(folder) or {}).get("views_of", "")
    copy, there = (os.path.join(place, results.VIEWS) for place in (folder, source))
    if source and os.path.exists(copy) and os.path.exists(there):
        fix = "learn these views again, or delete this file"
        weights = [files.read_json(path, fix).get("weights") for path in (copy, there)]
        if weights[0] != weights[1]:
            raise UserError(
                f"{model_dir} was run with views of {source} that were learned again since; use "
                "another --out, or delete the folders of the points to run them again"
            )
