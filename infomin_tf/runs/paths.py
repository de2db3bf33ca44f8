"""Paths as people give them: with a ~, and with characters that TensorFlow takes for patterns."""

import contextlib
import os
import tempfile

from infomin_tf.errors import UserError

_PATTERNS = set("[]*?\\")


def expand(path):
    """A path with its leading ~ expanded, as no shell does in --model_dir=~/runs; None stays."""
    return path if path is None else os.path.expanduser(os.fspath(path))


def default_folder(gin_file):
    """Where a command writes unless it is told: runs/<name of its first gin file>."""
    return os.path.join("runs", os.path.splitext(os.path.basename(gin_file))[0])


def check_folder(name, path, is_run):
    """Raises UserError for a URL, or for a run's folder whose name TensorFlow cannot write.

    Args:
        name: of the flag.
        path: its value; None for none.
        is_run: whether a run is written there.
    """
    if "://" in (path or ""):
        raise UserError(
            f"--{name}={path} is a URL; give a folder on this machine, such as one where that "
            "storage is mounted"
        )
    if is_run and any("\udc80" <= letter <= "\udcff" for letter in path or ""):
        raise UserError(
            f"--{name}={ascii(path)} is not UTF-8, so TensorFlow cannot write there; use a folder "
            "with another name"
        )


def check_images(images, labels):
    """Raises UserError for a folder of images, or for their labels, that are not there.

    Args:
        images: value of --images; None for none.
        labels: value of --labels, a folder or a table; None for none.
    """
    if images is not None and not os.path.isdir(images):
        raise UserError(f"--images={images} is not a folder; give one that holds images")
    if labels is not None and not os.path.exists(labels):
        raise UserError(f"--labels={labels} is neither a folder nor a csv file; give one of them")


@contextlib.contextmanager
def without_patterns(directory):
    """A name of a folder that TensorFlow does not take for a pattern, while the context lasts.

    Its readers of checkpoints look for files that match the path, and would find nothing in
    runs/lr=[0.1].
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
