"""Which numbers a setting may have, and one message for those that make no sense."""

import math
import numbers
import typing


class Range(typing.NamedTuple):
    """Numbers that make sense, in words for a message and as a test."""

    words: str
    holds: typing.Callable[[float], bool]


ANY = Range("a number", lambda value: True)
ABOVE_ZERO = Range("a number above 0", lambda value: value > 0)
FROM_ZERO = Range("0 or more", lambda value: value >= 0)
GREY_LEVEL = Range("a grey level in [0, 255]", lambda value: 0 <= value <= 255)
WHOLE_GREY_LEVEL = Range("a whole grey level in [0, 255]", lambda value: value in range(256))
SHARE = Range("a number in [0, 1]", lambda value: 0 <= value <= 1)
BELOW_ONE = Range("a number of at least 0 and below 1", lambda value: 0 <= value < 1)
SEED = Range(
    "a whole number of at least 0 and below 2147483648",
    lambda value: 0 <= value < 2**31 and value == int(value),
)
COUNT = Range("a whole number of at least 1", lambda value: value >= 1 and value == int(value))


def check(owner, allowed, **settings):
    """Raises ValueError for a setting that is not a finite number, or is outside a range.

    Args:
        owner: the object, class or name that takes the settings, for the message.
        allowed: `Range`.
        settings: name -> value.
    """
    for name, value in settings.items():
        is_number = isinstance(value, numbers.Real) and math.isfinite(value)
        if not is_number or not allowed.holds(value):
            raise ValueError(f"{called(owner)}.{name} must be {allowed.words}, not {value!r}")


def check_interval(owner, allowed, **settings):
    """Raises ValueError unless each setting is (low, high) in a range, low <= high; see `check`."""
    for name, value in settings.items():
        is_pair = isinstance(value, tuple | list) and len(value) == 2
        are_numbers = is_pair and all(isinstance(v, numbers.Real) for v in value)
        inside = are_numbers and all(math.isfinite(v) and allowed.holds(v) for v in value)
        if not inside or value[0] > value[1]:
            raise ValueError(
                f"{called(owner)}.{name} must be (low, high) with low <= high, each "
                f"{allowed.words}, not {value!r}"
            )


def check_seeds(owner, **settings):
    """Raises ValueError unless each setting is one seed or more, each once; see `check`."""
    for name, seeds in settings.items():
        if not seeds:
            raise ValueError(
                f"{called(owner)}.{name} must hold at least one seed, such as (0, 1), not ()"
            )
        for seed in seeds:
            check(f"each of {called(owner)}", SEED, **{name: seed})
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{called(owner)}.{name} must hold each seed once, not {seeds}")


def check_constants(owner, mean, std):
    """Raises ValueError unless mean and std are both None, or numbers, those of std above 0.

    Args:
        owner: what takes them, for the message.
        mean, std: of each channel.
    """
    if (mean is None) != (std is None):
        raise ValueError(
            f"{called(owner)}: give both mean and std, or neither; got mean={mean}, std={std}"
        )
    for number in mean or ():
        check(f"each of {called(owner)}", ANY, mean=number)
    for number in std or ():
        check(f"each of {called(owner)}", ABOVE_ZERO, std=number)


def called(owner):
    """The name of an object's class, or a name as it is."""
    return owner if isinstance(owner, str) else type(owner).__name__
