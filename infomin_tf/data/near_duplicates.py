"""Which images of a set are nearly the same, so that no division puts them on two sides."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

SIDE = 16
# Tried in this order, until no group is too large.
_CORRELATIONS = (0.98, 0.99, 0.995, 0.999)
_LARGEST_SHARE = 0.1  # a group of more images says that all look alike, not that they are copies
_DIRECTIONS = 8  # in which candidates are looked for
_PAIRS = 2**16  # candidates that are compared at a time


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
    found, largest = np.arange(len(thumbs)), max(2, int(_LARGEST_SHARE * len(thumbs)))
    normal = _standardised(thumbs)
    places = np.flatnonzero(normal.any(axis=1))
    if len(places) < len(normal):
        normal = normal[places]
    tree = KDTree(_projected(normal))
    for correlation in _CORRELATIONS:
        first = _first_of_component(normal, tree, correlation, largest)
        if first is not None:
            found[places] = places[first]
            break
    return found


def _areas(size):
    """float32 [SIDE, size] whose rows average equal parts of `size` pixels, fractions included."""
    edges = np.linspace(0, size, SIDE + 1)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(covered, 0) * SIDE / size).astype(np.float32)


def _standardised(thumbs):
    """Rows of mean 0 and length 1, whose products are correlations; 0 without contrast."""
    rows = np.nan_to_num(thumbs).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(length, 1e-12)
    rows[length[:, 0] <= 1e-3 * SIDE] = 0
    return rows


def _projected(normal):
    """The rows in their principal directions, where no two are farther apart than before."""
    directions = np.linalg.eigh(np.float64(normal.T @ normal))[1][:, -_DIRECTIONS:]
    return normal @ directions.astype(np.float32)


def _first_of_component(normal, tree, correlation, largest):
    """The first of each image's group, or None as soon as a group has more than `largest`.

    Args:
        normal: of `_standardised`.
        tree: of their projections.
        correlation, largest: that two images of a group have, and its size.
    """
    # |a - b|^2 = 2 - 2 correlation, and a little for rounding.
    radius = np.sqrt(2 - 2 * correlation) + 1e-4
    counts = tree.query_ball_point(tree.data, radius, return_length=True, workers=-1)
    first = places = np.arange(len(normal))
    parts = np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS)) + 1
    for part in np.split(places, parts) if len(places) else ():
        near = tree.query_ball_point(tree.data[part], radius, workers=-1)
        rows, columns = np.repeat(part, counts[part]), np.concatenate(near).astype(int)
        apart = first[rows] != first[columns]
        rows, columns = rows[apart], columns[apart]
        alike = np.einsum("md,md->m", normal[rows], normal[columns]) >= correlation
        if not alike.any():
            continue
        edges = np.append(rows[alike], places), np.append(columns[alike], first)
        graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(len(first), len(first)))
        _, component = connected_components(graph, directed=False)
        first = np.unique(component, return_index=True)[1][component]
        if np.bincount(first).max() > largest:
            return None
    return first
