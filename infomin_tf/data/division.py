"""Which images of a set are to learn from, and which to test on."""

import hashlib
import os

import numpy as np

SPLITS = ("all", "train", "test")
_DIVIDING = 4  # bytes of the hash that divide


def digest(name):
    """bytes that order names in a way that has nothing to do with them."""
    return hashlib.sha256(name.replace(os.sep, "/").encode("utf-8", "surrogateescape")).digest()


def in_split(names, split, test_share, find_groups):
    """Which images are in a split.

    The division is by a hash of each name, so that images keep their side when others are added,
    unless these are near-duplicates of them.
    Near-duplicates (see `near_duplicates.groups`) follow one among them, found by the rest of the
    hash: by the same bytes, groups would be in "test" more often than single images.

    Args:
        names: of all images, M of them.
        split: "all", "train" or "test".
        test_share: share of the images in "test".
        find_groups: function () -> their groups, int [M], called where they are needed.

    Returns:
        bool [M].
    """
    if split == "all" or not 0 < test_share < 1:
        return np.full(len(names), split == "all" or (split == "test") == (test_share == 1))
    digests = [digest(name) for name in names]
    in_test = [
        int.from_bytes(found[:_DIVIDING], "big") < test_share * 256**_DIVIDING for found in digests
    ]
    deciding = {}
    groups = find_groups()
    for place in sorted(range(len(names)), key=lambda place: digests[place][_DIVIDING:]):
        deciding.setdefault(groups[place], place)
    return np.array([in_test[deciding[group]] == (split == "test") for group in groups], bool)
