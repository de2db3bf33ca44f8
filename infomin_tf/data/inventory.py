"""What was found in the files of a large folder of images, kept for the next start.

To open a folder every file is decoded once, which takes minutes for a million. What was read is
kept in the user's cache folder, $XDG_CACHE_HOME/infomin_tf or ~/.cache/infomin_tf, by path, size
and time of the last change of each file or its inode; so is which images are nearly the same. A
cache that is missing, damaged or of another version is as good as none, and so is one that cannot
be written.
"""

import contextlib
import hashlib
import io
import os
import time

import numpy as np
import PIL

from infomin_tf.errors import UserError
from infomin_tf.runs.files import UNFINISHED, delete, write_atomically
from infomin_tf.runs.paths import expand

_VERSION = 2  # of the format, and of how images are read and compared
_MANY = 1000  # images; to compare fewer takes a moment
_SETTLED = 2 * 10**9  # nanoseconds; a file changed later than that may change again unseen


class Inventory:
    """What is known of the files of a folder that have not changed since.

    Args:
        directory: the folder.
        image_size: side in pixels to which images are read.
        paths: of all images, relative to the folder.
    """

    def __init__(self, directory, image_size, paths):
        self._directory, self._paths, self._began = directory, paths, time.time_ns()
        self._file = _file(directory, image_size)
        self._scales, known = _read(self._file)
        known = {path: known[path] for path in paths if path in known} if known else {}
        self._known = {path: row for path, row in known.items() if row[:2] == self._status(path)}

    def without_plain(self):
        """Paths of all images, except those that are known to be plain JPEGs."""
        return [path for path in self._paths if path not in self._known or not self._known[path][3]]

    def of(self, scales):
        """dict path -> (fingerprint, whether TensorFlow reads the file as Pillow does).

        Args:
            scales: `deep_images.Scales` of the folder now; plain JPEGs do not depend on them.
        """
        alike = repr(scales) == self._scales
        return {p: (row[2], row[3]) for p, row in self._known.items() if alike or row[3]}

    def keep(self, found, scales):
        """Adds files to what is known, and writes it.

        Args:
            found: dict path -> as in `of`, of files that can be read.
            scales: as in `of`.
        """
        known = {path: self._known[path] for path in self.of(scales)}
        for path in found.keys() - known.keys():
            status = self._status(path)
            if status and status[1] < self._began - _SETTLED:
                known[path] = (*status, *found[path])
        if known != self._known:
            _write_arrays(self._file, **_packed(repr(scales), known))

    def groups(self, scales, find):
        """`near_duplicates.groups` of all images, as kept while none of them changes.

        Args:
            scales: as in `of`.
            find: function () -> (the groups, whether the next start would find the same).
        """
        if len(self._paths) < _MANY:
            return find()[0]
        file = _file(self._directory, "groups")
        known, settled = hashlib.blake2b(repr(scales).encode(), digest_size=16), True
        for path in self._paths:
            status = self._status(path)
            known.update(os.fsencode(f"{path}\0{status}\0"))
            settled &= status is None or status[1] < self._began - _SETTLED
        kept = _read_arrays(file, "digest", "groups")
        if kept and str(kept[0]) == known.hexdigest():
            return kept[1]
        found, lasts = find()
        if settled and lasts:
            _write_arrays(file, digest=np.array(known.hexdigest()), groups=found)
        return found

    def _status(self, path):
        """(size, time of the last change), or None."""
        try:
            status = os.stat(os.path.join(self._directory, path))
        except OSError:
            return None
        # A file that is put in the place of another may keep its time; the inode's cannot be set.
        return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns)


def _file(directory, kind):
    """Path of the file of what is known of a folder, of a kind."""
    usual = os.environ.get("XDG_CACHE_HOME", ""), expand(os.path.join("~", ".cache"))
    cache = next(filter(os.path.isabs, usual), os.devnull)  # who has no home keeps nothing
    name = _digest(f"{_VERSION} {PIL.__version__} {kind} {os.path.realpath(directory)}")
    return os.path.join(cache, "infomin_tf", "folders", f"{name}.npz")


def _digest(text):
    return hashlib.blake2b(os.fsencode(text), digest_size=16).hexdigest()


def _write_arrays(path, **arrays):
    """Writes a .npz file if that is possible."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    with contextlib.suppress(UserError, OSError):
        write_atomically(path, content.getvalue())
        _remove_unfinished(os.path.dirname(path))


def _read_arrays(path, *names):
    """The arrays of a .npz file; [] where there is no such file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except Exception:  # np.load fails in many ways
        return []


def _remove_unfinished(folder):
    """Removes what processes left that were killed while they wrote, a day ago or earlier."""
    for entry in os.scandir(folder):
        if entry.name.startswith(UNFINISHED) and time.time() - entry.stat().st_mtime > 86400:
            delete(entry.path)


def _packed(scales, known):
    """dict name -> array of rows (size, changed, fingerprint, plain) by path."""
    sizes, changed, fingerprints, plain = zip(*known.values(), strict=True) if known else ((),) * 4
    return {
        "scales": np.array(scales),
        "paths": np.frombuffer(b"\0".join(map(os.fsencode, known)), np.uint8),
        "sizes": np.array(sizes, np.int64),
        "changed": np.array(changed, np.int64),
        "fingerprints": np.frombuffer(b"".join(fingerprints), np.uint8),
        "plain": np.array(plain, bool),
    }


def _read(path):
    """(scales, dict path -> row) of `_packed`; ("", {}) where there is no such file."""
    names = "scales", "paths", "sizes", "changed", "fingerprints", "plain"
    try:
        scales, paths, sizes, changed, fingerprints, plain = _read_arrays(path, *names)
        paths = os.fsdecode(paths.tobytes()).split("\0")
        fingerprints = map(bytes, fingerprints.reshape(len(paths), -1))
        rows = zip(sizes.tolist(), changed.tolist(), fingerprints, plain.tolist(), strict=True)
        return str(scales), dict(zip(paths, rows, strict=True))
    except ValueError:  # nothing, or what does not fit together
        return "", {}
