"""The one exception that stands for a mistake a user can fix, and warnings that are given once."""

import functools
import os
import re

from absl import logging


class UserError(Exception):
    """Something the user gave is wrong.

    The message says what was received, what is allowed and how to fix it. The command line prints
    it alone, without a traceback, and exits with status 2.
    """


def reason(error):
    """What an OSError, or TensorFlow's error of a file, says, without the names of operations."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    first = re.sub(r"\{\{.*?\}\} | \[Op:\w+\].*| \[\[\{\{.*", "", first)
    of_reading = r"^Error in user-defined function .*?: Iterator::[\w:]+: (\w+Error: )?"
    return re.sub(of_reading, "", first)


def listed(texts, most=5, joint=", "):
    """The first of some texts in a line, and how many more there are."""
    more = len(texts) - most
    return joint.join(texts[:most]) + (f" and {more} more" if more > 0 else "")


@functools.cache
def warn_once(message):
    """Logs a warning, once in a process: several sources may read one folder."""
    logging.warning("%s", os.fsencode(message).decode(errors="backslashreplace"))
