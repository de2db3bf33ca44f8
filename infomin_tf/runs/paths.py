"""Paths as people give them: with a ~, and with characters that TensorFlow takes for patterns."""

import contextlib
import os
import tempfile

_PATTERNS = set("[]*?\\")


def expand(path):
    """A path with the home folder in the place of a leading ~, which no shell expands in --model_dir=~/runs; None stays."""
    return path if path is None else os.path.expanduser(os.fspath(path))


@contextlib.contextmanager
def without_patterns(directory):
    """A name of a folder that TensorFlow's readers of checkpoints do not take for a pattern, for as long as it is in use.

    They look for files that match the path, so that of runs/lr=[0.1] nothing would be found.
    """
    if not _PATTERNS & set(directory):
        yield directory
        return
    if _PATTERNS & set(tempfile.gettempdir()):
        number = os.open(directory, os.O_RDONLY)
        try:
            yield f"/proc/self/fd/{number}"  # Linux alone has it
        finally:
            os.close(number)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, "link")
        os.symlink(os.path.abspath(directory), link)
        yield link
