"""AP of boxes: a case by hand, an independent implementation, and corner cases."""

import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="the extra detection is missing: pycocotools")

CLASSES = ["a", "b"]
RECALLS = np.linspace(0, 1, 101)
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def boxes(corners, names, difficult=()):
    from voc import Boxes

    corners = np.array(corners, np.float32).reshape(-1, 4)
    difficult = np.array(list(difficult) or [False] * len(corners), bool)
    return Boxes("image.png", (100, 100), corners, tuple(names), difficult, 0)


def found(*rows):
    """Of (corners, score, class) per box."""
    corners = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return corners, np.array([row[1] for row in rows]), np.array([row[2] for row in rows], int)


def test_a_case_by_hand():
    """Of two boxes one is hit exactly, then comes a false one, then the other is hit with IoU 0.62.

    So precision is 1 up to recall 0.5, which is 51 of 101 recalls; then 2 / 3 where the threshold
    is 0.50, 0.55 or 0.60, and nothing at the other seven.
    """
    from average_precision import average_precision

    truth = [boxes([[0, 0, 10, 10]], ["a"]), boxes([[0, 0, 10, 10]], ["a"])]
    given = [
        found(([0, 0, 10, 10], 0.9, 0)),
        found(([50, 50, 60, 60], 0.8, 0), ([0, 0, 10, 6.2], 0.7, 0)),
    ]
    low, high = 100 * (51 + 50 * 2 / 3) / 101, 100 * 51 / 101
    result = average_precision(truth, given, CLASSES)
    assert result["AP50"] == pytest.approx(low, abs=0.01)
    assert result["AP75"] == pytest.approx(high, abs=0.01)
    assert result["AP"] == pytest.approx((3 * low + 7 * high) / 10, abs=0.01)
    assert result["per_class"]["a"] == {
        "AP": result["AP"],
        "AP50": result["AP50"],
        "AP75": result["AP75"],
        "boxes": 2,
    }
    assert result["per_class"]["b"] == {"AP": None, "AP50": None, "AP75": None, "boxes": 0}


def overlap(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = np.prod(np.maximum(sides, 0))
    return both / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - both)


def reference(truth, given, label, threshold):
    """AP of a class at one threshold: greedy matching by score, 101 recalls, in plain Python."""
    left = [
        [corners for corners, name in zip(true.corners, true.names, strict=True) if name == label]
        for true in truth
    ]
    count = sum(map(len, left))
    rows = [
        (score, image, corners)
        for image, (all_corners, scores, labels) in enumerate(given)
        for corners, score, place in zip(all_corners, scores, labels, strict=True)
        if CLASSES[place] == label
    ]
    hits = []
    for _, image, corners in sorted(rows, key=lambda row: -row[0]):
        overlaps = [overlap(corners, other) for other in left[image]]
        hits.append(bool(overlaps) and max(overlaps) >= threshold)
        if hits[-1]:
            del left[image][int(np.argmax(overlaps))]
    hits = np.cumsum(hits)
    recall, precision = hits / count, hits / np.arange(1, len(hits) + 1)
    return np.mean([max(precision[recall >= r], default=0) for r in RECALLS])


@pytest.mark.parametrize("seed", range(4))
def test_random_boxes_have_the_ap_of_an_independent_implementation(seed):
    from average_precision import average_precision

    rng = np.random.default_rng(seed)
    truth, given = [], []
    for _ in range(6):
        starts = rng.uniform(0, 60, (8, 2))
        corners = np.concatenate([starts, starts + rng.uniform(8, 30, (8, 2))], axis=1)
        labels = rng.integers(0, 2, 8)
        truth.append(boxes(corners, [CLASSES[place] for place in labels]))
        moved = np.concatenate([corners + rng.normal(0, 1.5, (8, 4)), corners[:4] + 20])
        guessed = np.where(rng.random(12) < 0.8, np.tile(labels, 2)[:12], 1)
        given.append((moved.astype(np.float32), rng.random(12), guessed))
    result = average_precision(truth, given, CLASSES)
    table = {n: [reference(truth, given, n, t) for t in THRESHOLDS] for n in CLASSES}
    for name, values in table.items():
        assert result["per_class"][name]["AP"] == pytest.approx(100 * np.mean(values), abs=0.01)
        assert result["per_class"][name]["AP50"] == pytest.approx(100 * values[0], abs=0.01)
    assert result["AP"] == pytest.approx(100 * np.mean(list(table.values())), abs=0.01)


def test_difficult_boxes_count_neither_way():
    from average_precision import average_precision

    truth = [boxes([[0, 0, 10, 10], [50, 50, 70, 70]], ["a", "a"], [False, True])]
    hit, easy = ([50, 50, 70, 70], 0.9, 0), ([0, 0, 10, 10], 0.5, 0)
    assert average_precision(truth, [found(easy)], CLASSES)["AP"] == 100
    assert average_precision(truth, [found(hit, easy)], CLASSES)["AP"] == 100
    assert average_precision(truth, [found(([50, 0, 70, 20], 0.9, 0), easy)], CLASSES)["AP"] == 50


def test_nothing_found_is_zero_where_there_are_boxes():
    from average_precision import average_precision

    result = average_precision([boxes([[0, 0, 10, 10]], ["b"])], [found()], CLASSES)
    assert result["AP"] == 0 and result["per_class"]["b"]["AP50"] == 0
    assert result["per_class"]["a"]["AP"] is None
