"""Files that are either complete or absent, however a process ends."""

import contextlib
import json
import os
import shutil
import tempfile
import uuid

from infomin_tf.errors import UserError

UNFINISHED = ".unfinished_"


def read_json(path, fix):
    """The content of a JSON file; UserError with the fix when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); {fix}") from error


def write_atomically(path, content):
    """Writes a file of text or bytes; readers never see part of it, not even after a kill.

    Raises:
        UserError: it cannot be written; a file that was there before stays as it is.
    """
    directory = os.path.dirname(path) or os.curdir
    try:
        os.makedirs(directory, exist_ok=True)
        with unfinished_folder(directory) as folder:
            unfinished = os.path.join(folder, os.path.basename(path))
            with open(unfinished, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); make room or make it writable, then run "
            "the same command to continue"
        ) from error


def write_first(path, content):
    """Writes a file of text whole, unless another process, on whatever machine, is faster."""
    mine = f"{path}.{uuid.uuid4().hex}"
    write_atomically(mine, content)
    try:
        os.link(mine, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        os.replace(mine, path)
    with contextlib.suppress(FileNotFoundError):
        os.remove(mine)


def unfinished_folder(directory):
    """A context with a folder in `directory` whose files are moved once they are complete.

    It is deleted at the end or, where the process is killed, when a run next writes to `directory`.
    """
    return tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=directory)


def delete(path):
    """Removes a file, a link, or a folder with all that is in it; nothing where nothing is."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)
