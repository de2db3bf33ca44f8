"""Rows that are kept while a file of features is made, so that a stopped command continues."""

import contextlib
import io
import json
import os
import shutil
import zipfile

import numpy as np

from infomin_tf.embedding.rows import Rows
from infomin_tf.errors import UserError
from infomin_tf.runs import files, run_folder

IMAGES = 1024
_ARGUMENTS = "arguments.json"


class Parts:
    """`Rows` of `IMAGES` images each, the last of fewer, in OUT.unfinished: each whole or missing.

    It can be iterated once all are there, as often as needed.

    Args:
        out: path of the file of features.
        size: number of images.
    """

    def __init__(self, out, size):
        self.directory, self._size = f"{out}.unfinished", size
        self.starts = range(0, size, IMAGES)

    @contextlib.contextmanager
    def claimed(self, arguments, overwrite):
        """A context in which this process alone writes the parts; they stay until `remove`.

        Args:
            arguments: dict name -> text of what the features are of.
            overwrite: whether parts of other arguments are deleted.

        Raises:
            UserError: parts of other arguments, another process, or a folder that cannot be
                written.
        """
        run_folder.make_folder(self.directory)
        path = os.path.join(self.directory, _ARGUMENTS)
        with open(os.path.join(self.directory, "lock"), "a+") as lock:
            run_folder.lock(lock, self.directory, "another --out")
            if os.path.exists(path):
                known = files.read_json(path, f"delete {self.directory}")
                changed = differing(known, arguments)
                if changed and not overwrite:
                    raise UserError(
                        f"{self.directory} holds unfinished features that differ in "
                        f"{', '.join(changed)}; use another --out, or --overwrite to delete them"
                    )
                for start in self.starts if changed else ():
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(self._path(start))
            files.write_atomically(path, json.dumps(arguments, indent=2) + "\n")
            yield

    def _path(self, start):
        return os.path.join(self.directory, f"{start:09d}.npz")

    def images(self, start):
        """Number of images of the part that begins at `start`, with those left out."""
        return min(IMAGES, self._size - start)

    def missing(self):
        """First images of the parts that are not there."""
        return [start for start in self.starts if not os.path.exists(self._path(start))]

    def write(self, start, rows):
        """Keeps a part."""
        with io.BytesIO() as content:
            texts = {name: _texts(getattr(rows, name)) for name in ("paths", "labels", "left_out")}
            np.savez(content, features=rows.features, **texts)
            files.write_atomically(self._path(start), content.getvalue())

    def __iter__(self):
        for start in self.starts:
            path = self._path(start)
            try:
                with np.load(path, allow_pickle=False) as content:
                    texts = (content[name].tolist() for name in ("paths", "labels", "left_out"))
                    paths, labels, left_out = texts
                    yield Rows(paths, labels, content["features"], left_out)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise UserError(
                    f"{path} cannot be read ({error}); delete it, and run the same command again"
                ) from error

    def remove(self):
        """Deletes them, once the file of features is whole."""
        shutil.rmtree(self.directory)


def differing(known, arguments):
    """Names of those arguments in which two dicts differ."""
    return [name for name in arguments if known.get(name) != arguments[name]]


def _texts(values):
    return np.array(values, np.str_) if values else np.zeros(0, "<U1")
