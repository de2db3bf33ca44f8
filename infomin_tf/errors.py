"""The one exception that stands for a mistake a user can mend."""

import re


class UserError(Exception):
    """Something the user gave is wrong; the message says what was received, what is allowed and how to mend it.

    The command line prints the message alone, without a traceback, and exits with status 2.
    """


def reason(error):
    """What an OSError, or TensorFlow's error of a file, says in a line, without the names of operations."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"\{\{.*?\}\} | \[Op:\w+\].*| \[\[\{\{.*", "", first)
