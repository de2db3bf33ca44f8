"""The settings of objects as text: alike for equal ones, other for each that differs."""

import dataclasses
import functools
import pathlib
import threading

import pytest

from infomin_tf.experiment import description


class Holder:
    """Of one setting."""

    def __init__(self, value):
        self.value = value


@dataclasses.dataclass(slots=True)
class Slotted:
    """A setting without a __dict__."""

    value: int


def text(value):
    return description.describe({"data": Holder(value)})


def make(size):
    return size


def of_a_notebook(size):
    """A function that reads a global constant, as cells of a notebook do."""
    space = {"SIZE": size, "make": make}
    exec("def encoder():\n    return make(SIZE)", space)
    return space["encoder"]


PAIRS = [
    (lambda n: pathlib.Path(f"photos{n}")),
    (lambda n: functools.partial(make, n)),
    (lambda n: functools.partial(make, size=n)),
    (lambda n: Slotted(n)),
    (lambda n: range(n)),
    (lambda n: slice(n)),
    (lambda n: of_a_notebook(n)),
    (lambda n: lambda: n),
    (lambda n: {"a": (n, {n})}),
    (lambda n: Holder(Holder(n))),
]


@pytest.mark.parametrize("kind", PAIRS)
def test_equal_settings_are_alike_and_others_differ(kind):
    assert text(kind(2)) == text(kind(2)) != text(kind(3))


def test_what_cannot_be_told_has_no_address():
    assert text(threading.Lock()) == text(threading.Lock())
    assert "0x" not in text(object()) + text(iter([1]))
