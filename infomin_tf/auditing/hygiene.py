"""What must not spoil an audit: near-duplicates across its division, and labels in doubt."""

import dataclasses

import numpy as np

from infomin_tf.data import inspection, near_duplicates

_FEW = 5
_TESTED, _LEARNED = ("held_out", "test"), ("unlabelled", "train")


def keep_apart(loaded):
    """Leaves out of what is learned from every image that is equal or nearly equal to a test image.

    A folder's own division has seen to that (`division.in_split`); this is for labels that come
    from another folder.

    Args:
        loaded: dict part -> `ArrayImages`.

    Returns:
        The same with fewer images in "unlabelled" and "train".
    """
    thumbs = {part: near_duplicates.thumbnails(c.images.numpy()) for part, c in loaded.items()}
    groups = near_duplicates.groups(np.concatenate(list(thumbs.values())))
    ends = np.cumsum([len(found) for found in thumbs.values()])[:-1]
    group_of = dict(zip(loaded, np.split(groups, ends), strict=True))
    tested = [part for part in _TESTED if part in loaded]
    near = np.unique(np.concatenate([group_of[part] for part in tested]))
    equal = {found for part in tested for found in loaded[part].fingerprints()}
    kept = dict(loaded)
    for part in set(_LEARNED) & loaded.keys():
        content = loaded[part]
        is_equal = np.array([found in equal for found in content.fingerprints()], bool)
        places = np.flatnonzero(~is_equal & ~np.isin(group_of[part], near))
        if len(places) < content.size:
            kept[part] = content.part(places)
            files = content.facts.files and tuple(content.facts.files[place] for place in places)
            kept[part].facts = dataclasses.replace(content.facts, files=files, fingerprints=None)
    return kept


def doubts(loaded):
    """Sentences on near-duplicates, equal images of different classes, and classes of few images.

    Args:
        loaded: dict part -> `ArrayImages`.
    """
    return [
        *_near_duplicates([loaded[part] for part in ("unlabelled", "held_out")]),
        *inspection.labelled_twice(loaded.get("train"), loaded.get("test")),
        *_few(loaded.get("test")),
    ]


def _near_duplicates(sets):
    thumbs = np.concatenate([near_duplicates.thumbnails(s.images.numpy()) for s in sets])
    groups = near_duplicates.groups(thumbs)
    sizes = np.bincount(groups, minlength=len(groups))
    twins = int(np.sum(sizes[groups] > 1))
    if not twins:
        return []
    return [
        f"{twins} of {len(groups)} images have a near-duplicate (thumbnails of "
        f"{near_duplicates.SIDE} px whose correlation is at least 0.98, more where many look "
        f"alike), the largest group has {sizes.max()}. Each group is on one side of the division "
        "into images to learn from and to test on; otherwise accuracy would be too high."
    ]


def _few(test):
    counts = [] if test is None else inspection.count_classes(test)
    names = () if test is None else test.class_names
    few = [f"{name} ({n})" for name, n in zip(names, counts, strict=True) if 0 < n < _FEW]
    return few and [
        f"Classes of fewer than {_FEW} test images, of which accuracy says little: "
        f"{', '.join(few)}."
    ]
