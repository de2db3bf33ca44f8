"""How the files of bin/ start: with .venv, where the running Python lacks what the package needs.

Any Python since 3.6 can read this file.
"""

import contextlib
import importlib.util
import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_NEEDED = (
    "absl",
    "gin",
    "keras",
    "matplotlib",
    "numpy",
    "PIL",
    "scipy",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "tensorflow_datasets",
    "tqdm",
)


def run(command):
    """Runs a command such as "train", or ends with status 2 and a sentence where nothing can."""
    lacking = _lacking()
    if lacking:
        _run_in_environment()
        sys.stderr.write(
            f"error: this Python ({sys.executable}) lacks {lacking}; run `make quickstart` in "
            f"{_ROOT}, which makes .venv there, or activate an environment with the package\n"
        )
        sys.exit(2)
    from infomin_tf.command_line import main

    getattr(main, command + "_main")()


def _lacking():
    """What the running Python lacks, or an empty text."""
    if sys.version_info < (3, 11):  # noqa: UP036
        return "version 3.11"
    return ", ".join(name for name in _NEEDED if not _is_there(name))


def _is_there(name):
    found = importlib.util.find_spec(name)
    return bool(found and found.origin)  # the checkout's folder gin/ is no package


def _run_in_environment():
    """Continues as the Python of .venv; returns where there is none, or it is the running one."""
    environment = os.path.join(_ROOT, ".venv")
    python = os.path.join(environment, "bin", "python")
    if os.path.isfile(python) and os.path.realpath(sys.prefix) != os.path.realpath(environment):
        with contextlib.suppress(OSError):
            os.execv(python, [python] + sys.argv)
