"""The process around TensorFlow: what is set before it is imported, and what it says then."""

import contextlib
import logging
import os
import sys
import tempfile

from tqdm import tqdm


def prepare():
    """What must be set before TensorFlow is imported."""
    if "tensorflow" in sys.modules and "TF_ENABLE_ONEDNN_OPTS" not in os.environ:
        print(
            "warning: TensorFlow is loaded already; TF_ENABLE_ONEDNN_OPTS=1 (2 to 4 times faster on many CPUs) may "
            "have no effect",
            file=sys.stderr,
        )
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ["KERAS_BACKEND"] = "tensorflow"


class _Messages(logging.Handler):
    """Writes to standard error, above a progress bar that is there."""

    def emit(self, record):
        """One message, such as "warning: ..."; what libraries call errors is no "error: ..." of the command."""
        level = record.levelname.lower()
        kind = level if record.levelno <= logging.WARNING else f"{level} of {record.name}"
        try:
            tqdm.write(f"{kind}: {self.format(record)}", file=sys.stderr)
        except OSError:
            self.handleError(record)


def show_warnings():
    """Lets the warnings of this package and of libraries appear as the command's other messages do."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Messages()])


@contextlib.contextmanager
def quiet_standard_error():
    """Drops what C++ code writes to standard error, unless an exception makes it worth reading.

    TensorFlow 2.21 greets on standard error when it is imported, whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    kept = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            written.seek(0)
            os.write(kept, written.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
