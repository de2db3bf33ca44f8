"""How a case of an input that is refused is written: a function that makes it, and the message."""

import re

import pytest

from infomin_tf.errors import UserError


class Refused(list):
    """Functions of an empty folder that make a bad input there and hand it to the package."""

    def by(self, wrong, fix):
        """Registers a function with regexes that its message must match: what is wrong, the fix."""

        def register(function):
            self.append(pytest.param(function, f"({wrong}).*({fix})", id=function.__name__))
            return function

        return register


def check_refused(function, pattern, tmp_path):
    """One `UserError`, whose message matches."""
    with pytest.raises(UserError) as caught:
        function(tmp_path)
    said = " ".join(str(caught.value).split())
    assert re.search(pattern, said), said
