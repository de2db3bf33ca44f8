"""What is known of the images of a set beyond the set itself."""

import dataclasses
import hashlib
import typing

import numpy as np


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a source knows without reading the images.

    Args:
        labels: int [M], -1 where there is none; None where only the images tell.
        fingerprints: list of `fingerprint`; None if they are not known.
        scales: `deep_images.Scales` of a folder, found in its images; None for nothing to find.
        files: paths of the images under a folder, in their order; () for other sets.
        places: (folder of a prepared data set, its parts by `tfds_splits.find_parts`), or None.
    """

    labels: np.ndarray | None = None
    fingerprints: list | None = None
    scales: typing.Any = None
    files: tuple = ()
    places: tuple | None = None


def fingerprint(image):
    """bytes [8] that two images share if their pixels are alike."""
    return hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest()
