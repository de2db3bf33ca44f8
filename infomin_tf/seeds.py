"""Named streams of random numbers: each use of the seed has its own, which no other seed shares.

A sum such as seed + 1 would give one use the numbers that another use has with the next seed.
"""

import hashlib

VERSION = 2
"""Of the names and of the way from a seed to its numbers; 1 was sums. In each checkpoint."""


def stream(seed, name):
    """The seed of a named stream.

    Args:
        seed: integer of at least 0: of the run, or of a stream that is divided further.
        name: what the numbers are for.

    Returns:
        int in [0, 2^31), which Keras, TensorFlow's stateless functions and scikit-learn take.
    """
    digest = hashlib.sha256(f"{int(seed)}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
