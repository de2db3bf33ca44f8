"""Which images of a set are nearly the same, so that no division puts them on two sides."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

SIDE = 16
# Tried in this order, until no group is too large.
_CORRELATIONS = (0.98, 0.99, 0.995, 0.999)
_LARGEST_SHARE = 0.1  # a group of more images says that all look alike, not that they are copies
_PRODUCTS = 2**24  # correlations that are held at a time
_MANY = 2**14  # images; of more, candidates are looked for
_DIRECTIONS = 8
_CANDIDATES = 2**16  # pairs that are compared at a time
_MOST_CANDIDATES = 0.01  # of all pairs; to multiply all is faster than to compare more of them
_SAMPLE = 500  # images that tell their share


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
        first = _first_of_component(len(normal), _pairs(normal, correlation), largest)
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
    rows = np.array(thumbs, np.float32)
    rows[~np.isfinite(rows).all(axis=1)] = 0
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(length, 1e-12)
    rows[length[:, 0] <= 1e-3 * SIDE] = 0
    return rows


def _pairs(normal, correlation):
    """Yields (rows, columns), places of pairs of at least a correlation, some of them twice.

    Few images are all compared. Of many a tree finds candidates, unless that would be too many: two
    vectors of length 1 have a distance of sqrt(2 - 2 correlation), and in some directions less.
    """
    if len(normal) > _MANY:
        radius = np.sqrt(2 - 2 * correlation) + 1e-4
        places = np.flatnonzero(normal.any(axis=1))
        tree = KDTree(_in_principal_directions(normal)[places])
        some = tree.data[:: max(1, len(places) // _SAMPLE)]
        counts = tree.query_ball_point(some, radius, return_length=True, workers=-1)
        if counts.sum() < _MOST_CANDIDATES * len(counts) * len(places):
            yield from _pairs_of_tree(normal, correlation, tree, radius, places)
            return
    step = max(1, _PRODUCTS // max(1, len(normal)))
    for start in range(0, len(normal), step):
        products = normal[start : start + step] @ normal[start:].T
        rows, columns = np.nonzero(products >= correlation)
        yield rows + start, columns + start


def _pairs_of_tree(normal, correlation, tree, radius, places):
    """`_pairs` among the points of a tree, which are the rows at some places."""
    counts = tree.query_ball_point(tree.data, radius, return_length=True, workers=-1)
    parts = np.flatnonzero(np.diff(np.cumsum(counts) // _CANDIDATES)) + 1
    for part in np.split(np.arange(len(places)), parts):
        near = tree.query_ball_point(tree.data[part], radius, workers=-1)
        rows = places[np.repeat(part, counts[part])]
        columns = places[np.concatenate(near).astype(int)]
        rows, columns = rows[rows < columns], columns[rows < columns]
        alike = np.einsum("md,md->m", normal[rows], normal[columns]) >= correlation
        yield rows[alike], columns[alike]


def _in_principal_directions(normal):
    """float32 [M, _DIRECTIONS], in which the distances of rows are at most their own."""
    mean = normal.mean(axis=0, dtype=np.float64)
    covariance = normal.T @ normal / len(normal) - np.outer(mean, mean)
    directions = np.linalg.eigh(covariance)[1][:, -_DIRECTIONS:]
    return normal @ directions.astype(np.float32)


def _first_of_component(count, pairs, largest):
    """The first of each image's group, or None as soon as a group has more than `largest`.

    Args:
        count: M.
        pairs: of `_pairs`.
        largest: number of images of a group.
    """
    first = places = np.arange(count)
    for rows, columns in pairs:
        if not len(rows):
            continue
        edges = np.append(rows, places), np.append(columns, first)
        graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(count, count))
        _, component = connected_components(graph, directed=False)
        first = np.unique(component, return_index=True)[1][component]
        if np.bincount(first).max() > largest:
            return None
    return first
