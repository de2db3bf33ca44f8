"""The one exception that stands for a mistake a user can mend."""


class UserError(Exception):
    """Something the user gave is wrong; the message says what was received, what is allowed and how to mend it.

    The command line prints the message alone, without a traceback, and exits with status 2.
    """
