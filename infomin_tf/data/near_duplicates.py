"""Which images of a set are nearly the same, so that no division puts them on two sides."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 16
# Tried in this order, until no group is too large.
_CORRELATIONS = (0.98, 0.99, 0.995, 0.999)
_LARGEST_SHARE = 0.1  # a group of more images says that all look alike, not that they are copies
_PRODUCTS = 2**24  # correlations that are held at a time


def thumbnails(images):
    """Grey thumbnails of images uint8 [M, H, W, 3], float32 [M, SIDE * SIDE], by areas."""
    found = np.empty((len(images), SIDE * SIDE), np.float32)
    for place, image in enumerate(images):
        rows, columns = (_areas(size) for size in image.shape[:2])
        found[place] = (rows @ image.mean(axis=-1) @ columns.T).ravel()
    return found


def groups(thumbs):
    """Numbers of groups of images that are nearly the same.

    Two images are nearly the same if their thumbnails have a correlation of at least 0.98; who is
    nearly the same as one of a group belongs to it. Where a group would have more than a tenth of
    all images (and more than two), they look alike for another reason, such as a lamp that shines
    on all of them: a larger correlation is asked for, at last 0.999, and where that does not help
    either, no images are grouped. Thumbnails without contrast are like no other.

    Args:
        thumbs: [M, D]; nan in those of images that could not be read.

    Returns:
        int [M], the place of the first image of each one's group.
    """
    largest = max(2, int(_LARGEST_SHARE * len(thumbs)))
    normal = _standardised(thumbs)
    for correlation in _CORRELATIONS:
        first = _first_of_component(normal, correlation, largest)
        if first is not None:
            return first
    return np.arange(len(thumbs))


def _areas(size):
    """float32 [SIDE, size] whose rows average equal parts of `size` pixels, fractions included."""
    edges = np.linspace(0, size, SIDE + 1)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(covered, 0) * SIDE / size).astype(np.float32)


def _standardised(thumbs):
    """Rows of mean 0 and length 1, whose products are correlations; 0 without contrast."""
    centred = np.nan_to_num(thumbs) - np.nan_to_num(thumbs).mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(length > 1e-3 * SIDE, centred / np.maximum(length, 1e-12), 0).astype(np.float32)


def _first_of_component(normal, correlation, largest):
    """The first of each image's group, or None as soon as a group has more than `largest`."""
    count = len(normal)
    first, places = np.arange(count), np.arange(count)
    step = max(1, _PRODUCTS // max(1, count))
    for start in range(0, count, step):
        rows, columns = np.nonzero(normal[start : start + step] @ normal[start:].T >= correlation)
        edges = np.append(rows + start, places), np.append(columns + start, first)
        graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(count, count))
        _, component = connected_components(graph, directed=False)
        first = np.unique(component, return_index=True)[1][component]
        if np.bincount(first).max() > largest:
            return None
    return first
