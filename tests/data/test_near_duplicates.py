"""Near-duplicates: against correlations of NumPy and thumbnails of Pillow; divisions keep them."""

import numpy as np
import pytest
from PIL import Image

from infomin_tf.data import division, near_duplicates
from infomin_tf.data.array_file import ArrayFile
from infomin_tf.data.image_files import read_thumbnails
from infomin_tf.data.image_folder import ImageFolder

RANDOM = np.random.default_rng(0)


def brute_force(thumbs, correlation):
    """The first of each one's group, by spreading over pairs until nothing changes."""
    near = np.corrcoef(thumbs) >= correlation
    first = np.arange(len(thumbs))
    for _ in first:
        first = np.array([first[row].min() for row in near])
    return first


def families(sizes, noise=0.03):
    """Thumbnails of several images, each with copies that differ by noise, shuffled."""
    seen = [RANDOM.normal(size=256) for _ in sizes]
    copies = [
        image * RANDOM.uniform(0.5, 2) + RANDOM.normal(scale=noise, size=256)
        for image, size in zip(seen, sizes, strict=True)
        for _ in range(size)
    ]
    return RANDOM.permutation(np.array(copies, np.float32))


def test_groups_are_the_components_of_correlated_thumbnails():
    thumbs = families([3, 1, 2, 4] + 40 * [1])
    found = near_duplicates.groups(thumbs)
    np.testing.assert_array_equal(found, brute_force(thumbs, 0.98))
    assert sorted(np.bincount(found)[np.unique(found)])[-4:] == [1, 2, 3, 4]


def test_a_chain_is_one_group():
    angles = np.arange(4) * np.arccos(0.985)  # each is near the next, but not the one after
    basis = RANDOM.normal(size=(256, 2))
    basis = np.linalg.qr(basis - basis.mean(axis=0))[0]
    chain = np.cos(angles)[:, None] * basis[:, 0] + np.sin(angles)[:, None] * basis[:, 1]
    thumbs = np.concatenate([10 * chain, RANDOM.normal(size=(40, 256))])
    np.testing.assert_array_equal(near_duplicates.groups(thumbs)[:4], 4 * [0])


@pytest.mark.parametrize("at_a_time", [1, 200, 2**16])
def test_groups_do_not_depend_on_how_they_are_looked_for(monkeypatch, at_a_time):
    thumbs = families([5, 4, 3] + 60 * [1])
    expected = brute_force(thumbs, 0.98)
    monkeypatch.setattr(near_duplicates, "_PRODUCTS", at_a_time)
    monkeypatch.setattr(near_duplicates, "_CANDIDATES", at_a_time)
    np.testing.assert_array_equal(near_duplicates.groups(thumbs), expected)
    by_a_tree(monkeypatch)
    np.testing.assert_array_equal(near_duplicates.groups(thumbs), expected)


def by_a_tree(monkeypatch):
    """Makes `groups` look for few images as for many."""
    monkeypatch.setattr(near_duplicates, "_MANY", 0)
    monkeypatch.setattr(near_duplicates, "_MOST_CANDIDATES", 2.0)


@pytest.mark.parametrize("excess", [1e-5, -1e-5])
def test_the_tree_misses_no_pair_at_the_limit(monkeypatch, excess):
    """All differences lie in the directions of the tree, so the radius is put to the test."""
    basis = RANDOM.normal(size=(256, 6))
    basis = np.linalg.qr(basis - basis.mean(axis=0))[0]
    first, other = (RANDOM.normal(size=(40, 6)) for _ in range(2))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    other -= np.sum(first * other, axis=1, keepdims=True) * first
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    cosine = 0.98 + excess
    second = cosine * first + np.sqrt(1 - cosine**2) * other
    thumbs = np.concatenate([first, second]) @ basis.T
    expected = brute_force(thumbs, 0.98)
    assert (len(np.unique(expected)) <= 40) == (excess > 0)
    by_a_tree(monkeypatch)
    np.testing.assert_array_equal(near_duplicates.groups(thumbs), expected)


def test_many_images_that_look_alike_are_not_looked_for_by_the_tree(monkeypatch):
    """There nearly all pairs are candidates, and to multiply is faster."""
    monkeypatch.setattr(near_duplicates, "_MANY", 0)
    monkeypatch.setattr(near_duplicates, "_pairs_of_tree", None)
    lamp = 5 * RANDOM.normal(size=256)
    thumbs = np.concatenate([lamp + RANDOM.normal(size=(60, 256)), families([2])])
    np.testing.assert_array_equal(near_duplicates.groups(thumbs), brute_force(thumbs, 0.98))
    with pytest.raises(TypeError):
        near_duplicates.groups(RANDOM.normal(size=(300, 256)))


def test_images_that_all_look_alike_are_grouped_by_more_or_not_at_all():
    lamp = 20 * RANDOM.normal(size=256)  # shines on all of them
    alike = lamp + RANDOM.normal(size=(50, 256))
    assert np.corrcoef(alike).min() > 0.99
    copies = np.concatenate([alike, alike[:2] + 0.01])
    expected = [*range(50), 0, 1]
    np.testing.assert_array_equal(near_duplicates.groups(copies), expected)
    same = np.tile(RANDOM.normal(size=256), (50, 1))
    np.testing.assert_array_equal(near_duplicates.groups(same), np.arange(50))


def test_images_without_contrast_or_that_cannot_be_read_are_like_no_other(monkeypatch):
    odd = np.concatenate([np.full((n, 256), value) for n, value in ((3, 7.0), (2, np.nan))])
    odd[4, 0] = np.inf
    thumbs = np.concatenate([odd, families([2] + 20 * [1])])
    for _ in range(2):
        assert near_duplicates.groups(thumbs)[:5].tolist() == [*range(5)]
        assert len(np.unique(near_duplicates.groups(thumbs))) == 26
        np.testing.assert_array_equal(near_duplicates.groups(odd), np.arange(5))
        assert near_duplicates.groups(np.zeros((0, 256))).shape == (0,)
        by_a_tree(monkeypatch)


@pytest.mark.parametrize("size", [(32, 48), (30, 50), (16, 16), (9, 5)])
def test_thumbnails_average_areas(size):
    images = RANDOM.integers(0, 256, (2, *size, 3), np.uint8)
    [found, _] = near_duplicates.thumbnails(images)
    grey = images[0].astype(np.float32).mean(-1)
    fine = grey.repeat(16, axis=0).repeat(16, axis=1)  # each pixel as 16 x 16 equal parts
    expected = fine.reshape(16, size[0], 16, size[1]).mean(axis=(1, 3))
    np.testing.assert_allclose(found.reshape(16, 16), expected, rtol=1e-5)
    if size == (32, 48):  # Pillow weighs no fractions of pixels
        reduced = Image.fromarray(grey).resize((16, 16), Image.Resampling.BOX)
        np.testing.assert_allclose(found.reshape(16, 16), reduced, rtol=1e-5)


@pytest.fixture
def photos():
    """(images, number of the scene of each): 60 scenes, a third of them photographed twice."""
    scenes = RANDOM.integers(0, 256, (60, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    numbers = RANDOM.permutation([*range(60), *range(20)])
    noise = RANDOM.integers(-3, 4, (80, 32, 32, 3))
    return np.uint8((scenes[numbers] + noise).clip(0, 255)), numbers


def test_near_duplicates_of_a_folder_stay_on_one_side(photos, tmp_path):
    for place, (image, scene) in enumerate(zip(*photos, strict=True)):
        (tmp_path / f"{scene % 2}").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"{scene % 2}" / f"{place}.png")
    sides = {}
    for split in ("train", "test"):
        loaded = ImageFolder(str(tmp_path), 32, labelled=True, split=split).load()
        names = [int(name.split("/")[1].removesuffix(".png")) for name in loaded.facts.files]
        sides[split] = photos[1][names]
    assert not set(sides["train"]) & set(sides["test"])
    assert len(sides["train"]) + len(sides["test"]) == 80 and len(sides["test"]) > 5
    (tmp_path / "0" / "new.png").write_bytes(b"broken")
    thumbnails, lasts = read_thumbnails(str(tmp_path), ["0/new.png"])
    assert np.isnan(thumbnails).all() and lasts


def test_near_duplicates_of_an_array_stay_on_one_side(photos, tmp_path):
    np.save(tmp_path / "images.npy", photos[0])
    np.save(tmp_path / "labels.npy", photos[1])
    scenes = []
    for split in ("train", "test"):
        paths = (str(tmp_path / f"{name}.npy") for name in ("images", "labels"))
        loaded = ArrayFile(*paths, split=split).load()
        scenes.append({loaded.class_names[label] for label in loaded.labels.numpy()})
    assert not scenes[0] & scenes[1] and len(scenes[0] | scenes[1]) == 60


@pytest.mark.parametrize("size", [2, 5])
def test_groups_follow_one_of_them_and_are_in_the_test_split_as_often_as_single_images(size):
    names = [str(number) for number in range(400 * size)]
    thumbs = np.repeat(RANDOM.normal(size=(400, 256)), size, axis=0)
    groups = near_duplicates.groups(thumbs)
    found = division.in_split(names, "test", 0.25, lambda: groups).reshape(400, size)
    alone = division.in_split(names, "test", 0.25, lambda: np.arange(400 * size))
    assert 0.2 < alone.mean() < 0.3 and 0.2 < found.mean() < 0.3
    digests = [division.digest(name)[4:] for name in names]
    for group in range(400):
        members = range(size * group, size * (group + 1))
        assert set(found[group]) == {alone[min(members, key=digests.__getitem__)]}
    assert division.in_split(names, "all", 0.25, None).all()
    assert not division.in_split(names, "train", 1.0, None).any()
