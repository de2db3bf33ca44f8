"""The process around TensorFlow: its streams, what is set before its import, what it says then."""

import atexit
import contextlib
import errno
import io
import logging
import os
import re
import shutil
import sys
import tempfile

from tqdm import tqdm

from infomin_tf.errors import UserError

_COMMANDS = r"\bbin/(train|evaluate|export|show_views|sweep|audit_views|embed)\b"
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _Stream(io.FileIO):
    """Standard output or error, which continues in silence when its reader or terminal is gone."""

    def write(self, data):
        """All bytes, or as many as `io.FileIO` writes."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)


def open_streams():
    """Standard streams that never end the command.

    Closed ones lead nowhere, and any name of a file can be printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # or the next file that is opened would be taken for this stream
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        given = getattr(sys, name)
        if given is getattr(sys, f"__{name}__"):
            stream = io.TextIOWrapper(
                io.BufferedWriter(_Stream(number, "w", closefd=False)),
                given.encoding if given else "utf-8",
                "backslashreplace",
                line_buffering=name == "stderr" or os.isatty(number),
            )
            setattr(sys, name, stream)


def as_installed(text):
    """A text whose bin/train, bin/evaluate and so on are named as they are here.

    After `pip install` there is no bin/; the commands are infomin-train and so on.
    """
    if os.path.isfile(os.path.join(_CHECKOUT, "bin", "train")):
        return text
    return re.sub(_COMMANDS, lambda found: "infomin-" + found[1].replace("_", "-"), text)


def prepare(folder):
    """What must be set before TensorFlow is imported.

    Args:
        folder: that the command writes to; temporary files go there where the machine has no other
            place for them.

    Raises:
        UserError: there is no place for temporary files.
    """
    _find_temporary_folder(folder)
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # 2 to 4 times faster on many CPUs
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # There is no keras.json, so that numbers depend on no setting of the person's own.
    os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED"):
        os.environ.pop(name, None)


def _find_temporary_folder(folder):
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        try:
            os.makedirs(folder, exist_ok=True)
            made = tempfile.mkdtemp(prefix=".temporary_", dir=folder)
        except OSError:
            raise UserError(
                f"no folder for temporary files is writable, and neither is {folder}; set TMPDIR "
                "to a writable folder"
            ) from error
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        tempfile.tempdir = os.environ["TMPDIR"] = made


class _Messages(logging.Handler):
    """Writes to standard error, above a progress bar that is there."""

    def emit(self, record):
        """One message, "warning: ..."; errors of libraries do not look like our "error: ..."."""
        level = record.levelname.lower()
        kind = level if record.levelno <= logging.WARNING else f"{level} of {record.name}"
        try:
            tqdm.write(f"{kind}: {self.format(record)}", file=sys.stderr)
        except OSError:
            self.handleError(record)


def show_warnings():
    """Makes warnings, also those of libraries, look like the command's other messages."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Messages()])


@contextlib.contextmanager
def quiet_standard_error():
    """Drops what C++ code writes to standard error.

    TensorFlow 2.21 greets there when it is imported, whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
