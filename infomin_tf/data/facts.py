"""What is known of the images of a set beyond the set itself."""

import dataclasses
import hashlib
import os
import typing

import numpy as np


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a source knows without reading the images.

    Args:
        labels: int [M], -1 where there is none; None where they are not known before the images are read.
        fingerprints: list of `fingerprint`; None where they are not known.
        scales: `deep_images.Scales` of a folder, found in its images; None where there is nothing to find.
        files: paths of the images under a folder, in their order; () for other sets.
        places: (folder of a prepared data set, its parts by `tfds_splits.find_parts`); None for other sets.
    """

    labels: np.ndarray | None = None
    fingerprints: list | None = None
    scales: typing.Any = None
    files: tuple = ()
    places: tuple | None = None

    def replace(self, **changes):
        """The same facts but for some."""
        return dataclasses.replace(self, **changes)

    def place_bytes(self):
        """[the name of the prepared data set's folder], or []."""
        return [os.path.basename(self.places[0]).encode()] if self.places else []


def fingerprint(image):
    """bytes [8] that two images share if their pixels are alike."""
    return hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest()
