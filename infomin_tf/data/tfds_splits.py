"""Which images of a prepared data set a split expression stands for."""

import itertools

import tensorflow_datasets as tfds

from infomin_tf.errors import UserError


def find_parts(builder, name, split):
    """The images of a split expression.

    Args:
        builder: of TFDS, prepared.
        name: of the data set, for messages.
        split: expression, such as "train[:10%]+test".

    Returns:
        List of (name of a split, first image, image after the last), in the expression's order.

    Raises:
        UserError: no such split, a part without images, or parts that overlap.
    """
    try:
        wanted = tfds.core.splits.ReadInstruction.from_spec(split)
        parts = [_part(builder, part) for part in wanted.to_absolute(builder.info.splits)]
    except (KeyError, ValueError, AssertionError) as error:
        raise _no_split(builder, name, split, str(error).strip("'\"").splitlines()[0]) from error
    for part in parts:
        if part[1] >= part[2]:
            why = "ends before it begins" if part[1] > part[2] else "is empty"
            raise _no_split(builder, name, split, f"{_shown(part)} {why}")
    for one, other in itertools.combinations(parts, 2):
        if twice := _overlap(one, other):
            raise UserError(
                f"Tfds.split={split!r} uses {twice} images twice: {_shown(one)} and "
                f"{_shown(other)} overlap; name each image once (Repeat uses all of them several "
                "times)"
            )
    return parts


def count_shared(parts, others):
    """Number of images that two lists of `find_parts`, of one data set, have in common."""
    return sum(_overlap(one, other) for one in parts for other in others)


def find_stretch(places, others):
    """Where the images of one set begin in another that has all of them, in the same order.

    Args:
        places, others: `Facts.places` of the sets.

    Returns:
        int, or None where they do not lie together there.
    """
    if not places or not others or places[0] != others[0]:
        return None
    starts = [_start_in(others[1], part) for part in places[1]]
    ends = [None if s is None else s + p[2] - p[1] for s, p in zip(starts, places[1], strict=True)]
    return starts[0] if None not in starts and starts[1:] == ends[:-1] else None


def _start_in(parts, wanted):
    """Number of images before those of `wanted` in parts of which one holds it; or None."""
    before = 0
    for part in parts:
        if _overlap(part, wanted) == wanted[2] - wanted[1]:
            return before + wanted[1] - part[1]
        before += part[2] - part[1]
    return None


def expression(parts, start, stop):
    """The split expression of images start to stop of those of `find_parts`."""
    found = []
    for name, first, end in parts:
        low, high = max(start, 0), min(stop, end - first)
        if low < high:
            found.append(f"{name}[{first + low}:{first + high}]")
        start, stop = start - (end - first), stop - (end - first)
    return "+".join(found)


def _part(builder, part):
    size = builder.info.splits[part.splitname].num_examples
    return part.splitname, part.from_ or 0, size if part.to is None else part.to


def _overlap(one, other):
    same = one[0] == other[0]
    return max(0, min(one[2], other[2]) - max(one[1], other[1])) if same else 0


def _shown(part):
    return f"{part[0]}[{part[1]}:{part[2]}]"


def _no_split(builder, name, split, why):
    return UserError(
        f"Tfds.split={split!r} is not a split of {name} with examples in it ({why}); it has "
        f"{', '.join(builder.info.splits)}, combined as in 'train+test' or 'train[:10%]'"
    )
