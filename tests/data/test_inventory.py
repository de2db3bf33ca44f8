"""A large folder is read again only where its files have changed."""

import os
import time

import numpy as np
import pytest
from PIL import Image

from infomin_tf.data import image_files, image_folder, inventory
from infomin_tf.data.image_folder import ImageFolder

NAMES = ("a.jpg", "b.png", "c.jpg", "déjà vu.png")
LONG_AGO = 10**9


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of images, taken as of long ago; the user's cache is elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(inventory, "_SETTLED", -(10**12))
    for index, name in enumerate(NAMES):
        save(tmp_path / "photos" / name, 40 * index)
    return tmp_path / "photos"


def save(path, grey, kind=np.uint8, age=LONG_AGO):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((9, 7), grey, kind)).save(path)
    os.utime(path, (age, age))


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that are read, until the list is cleared."""
    found, try_file = [], ImageFolder.try_file
    counted = lambda *arguments: (found.append(arguments[1]), try_file(*arguments))[1]
    monkeypatch.setattr(ImageFolder, "try_file", counted)
    return found


def load(folder, side=8, **settings):
    return ImageFolder(str(folder), side, memory_limit_gib=0.0, **settings).load()


def cached(folder):
    [path] = (folder.parent / "cache").rglob("*.npz")
    return path


def check_alike(images, expected):
    assert images.facts.files == expected.facts.files
    assert images.fingerprints() == expected.fingerprints()
    for ours, others in zip(images.in_order(3), expected.in_order(3), strict=True):
        np.testing.assert_array_equal(ours[0], others[0])
    for found, other in zip(images.records(), expected.records(), strict=True):
        assert found["plain"] == other["plain"]


def test_nothing_is_read_twice(folder, opened):
    first = load(folder)
    assert sorted(opened) == sorted(NAMES)
    opened.clear()
    again = load(folder)
    assert not opened
    check_alike(again, first)
    assert len(set(again.fingerprints())) == len(NAMES)
    load(folder, side=9)
    assert sorted(opened) == sorted(NAMES)


def test_what_has_changed_is_read_again(folder, opened):
    load(folder)
    opened.clear()
    save(folder / "b.png", 200, age=LONG_AGO + 1)
    save(folder / "new.jpg", 100)
    (folder / "c.jpg").unlink()
    changed = load(folder)
    assert sorted(opened) == ["b.png", "new.jpg"]
    opened.clear()
    check_alike(load(folder), changed)
    assert not opened
    cached(folder).unlink()
    check_alike(load(folder), changed)


def test_files_that_have_just_changed_are_not_trusted(folder, opened, monkeypatch):
    monkeypatch.setattr(inventory, "_SETTLED", 3600 * 10**9)  # nor on a machine that is slow
    load(folder)
    opened.clear()
    load(folder)
    assert sorted(opened) == sorted(NAMES)


def test_a_file_in_the_place_of_another_is_read_though_size_and_time_are_the_same(folder, opened):
    load(folder)
    opened.clear()
    time.sleep(0.05)  # more than a tick of the file system's clock
    save(folder / "new.png", 200)
    assert (folder / "new.png").stat().st_size == (folder / "b.png").stat().st_size
    (folder / "new.png").replace(folder / "b.png")
    assert (folder / "b.png").stat().st_mtime == LONG_AGO
    load(folder)
    assert opened == ["b.png"]


def test_other_scales_of_deep_images_leave_plain_jpegs_known(folder, opened):
    save(folder / "deep.png", 900, np.uint16)
    load(folder, white=1000.0)
    opened.clear()
    other = load(folder, white=2000.0)
    assert sorted(opened) == ["b.png", "deep.png", "déjà vu.png"]
    assert other.fingerprints() != load(folder, white=1000.0).fingerprints()


def test_a_damaged_image_is_named_at_every_start(folder, caplog):
    (folder / "d.jpg").write_bytes(b"\xff\xd8 no more")
    os.utime(folder / "d.jpg", (LONG_AGO, LONG_AGO))
    for _ in range(2):
        caplog.clear()
        assert load(folder, max_corrupt_share=0.5).size == len(NAMES)
        assert "1 of 5 images" in caplog.text and "d.jpg" in caplog.text


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], None])
def test_a_cache_that_cannot_be_used_is_as_good_as_none(folder, opened, monkeypatch, damage):
    first = load(folder)
    opened.clear()
    if damage:
        cached(folder).write_bytes(damage(cached(folder).read_bytes()))
    else:
        monkeypatch.setattr(inventory, "_VERSION", 0)
    check_alike(load(folder), first)
    assert sorted(opened) == sorted(NAMES)
    opened.clear()
    load(folder)
    assert not opened


def test_a_cache_that_cannot_be_written_stops_nothing(folder, opened, monkeypatch):
    monkeypatch.chdir(folder)
    places = {"XDG_CACHE_HOME": str(folder / "a.jpg"), "HOME": "no home"}
    for name, place in places.items():
        monkeypatch.setenv(name, place)
        opened.clear()
        assert load(folder).size == load(folder).size == len(NAMES)
        assert len(opened) == 2 * len(NAMES)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert sorted(os.listdir()) == sorted(NAMES)


def test_what_a_kill_left_is_removed_once_nobody_can_be_writing_it(folder):
    load(folder)
    left, fresh = (cached(folder).with_name(f".unfinished_{name}") for name in "ab")
    for unfinished in (left, fresh):
        unfinished.mkdir()
        (unfinished / "part").write_bytes(b"half")
    os.utime(left, (LONG_AGO, LONG_AGO))
    save(folder / "new.jpg", 100)
    load(folder)
    assert fresh.exists() and not left.exists()


def test_sets_in_memory_leave_no_cache(folder):
    ImageFolder(str(folder), 8).load()
    assert not (folder.parent / "cache").exists()


@pytest.fixture
def looked(folder, monkeypatch):
    """How often thumbnails were read; the folder is a large one with a pair of twins."""
    for name in ("twin 1.png", "twin 2.png"):
        save(folder / name, np.arange(63).reshape(9, 7))
    found, read = [], image_folder.read_thumbnails
    counted = lambda *arguments: (found.append(arguments[1]), read(*arguments))[1]
    monkeypatch.setattr(image_folder, "read_thumbnails", counted)
    monkeypatch.setattr(inventory, "_MANY", 1)
    return found


def groups(folder, **settings):
    """dict file -> the first file of its group, as a start finds it."""
    found = []

    def in_split(names, split, test_share, find_groups):
        found.extend(zip(names, find_groups(), strict=True))
        return np.ones(len(names), bool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_folder.division, "in_split", in_split)
        load(folder, **settings)
    return {name: found[first][0] for name, first in found}


def test_near_duplicates_are_looked_for_once_while_no_file_changes(folder, looked):
    found = groups(folder)
    assert [name for name, first in found.items() if name != first] == ["twin 2.png"]
    assert groups(folder) == found and len(looked) == 1
    for path in (folder.parent / "cache").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:99])
    assert groups(folder) == found and len(looked) == 2


def test_near_duplicates_are_looked_for_again_when_a_file_changes(folder, looked):
    groups(folder)
    time.sleep(0.05)  # more than a tick of the file system's clock
    save(folder / "other.png", np.arange(63)[::-1].reshape(9, 7))
    (folder / "other.png").replace(folder / "twin 2.png")
    assert groups(folder)["twin 2.png"] == "twin 2.png" and len(looked) == 2
    (folder / "twin 1.png").rename(folder / "a new name.png")
    assert "a new name.png" in groups(folder) and len(looked) == 3
    (folder / "a new name.png").unlink()
    assert len(groups(folder)) == len(NAMES) + 1 and len(looked) == 4


def test_near_duplicates_depend_on_the_scale_of_deep_images(folder, looked):
    ramp = np.arange(63, dtype=np.uint16).reshape(9, 7)
    save(folder / "deep 1.png", 200 + ramp, np.uint16)
    save(folder / "deep 2.png", 20 * ramp, np.uint16)
    clipped = groups(folder, white=5.0)
    assert clipped["deep 1.png"] == "deep 1.png"  # all white
    assert groups(folder, white=2000.0) != clipped and len(looked) == 2


def test_a_link_to_nowhere_does_not_hinder_keeping(folder, looked):
    (folder / "lost.png").symlink_to("nowhere")
    for _ in range(2):
        load(folder, split="train", test_share=0.1, max_corrupt_share=0.5)
    assert len(looked) == 1


def test_what_failed_for_a_passing_reason_is_not_kept(folder, looked, monkeypatch):
    read = image_files.read_image
    image_files._known_thumbnail.cache_clear()
    full = lambda *_: (_ for _ in ()).throw(OSError(24, "Too many open files"))
    monkeypatch.setattr(image_files, "read_image", full)
    assert groups(folder)["twin 2.png"] == "twin 2.png"
    monkeypatch.setattr(image_files, "read_image", read)
    assert groups(folder)["twin 2.png"] == "twin 1.png" and len(looked) == 2


def test_near_duplicates_among_files_that_have_just_changed_are_not_kept(
    folder, looked, monkeypatch
):
    monkeypatch.setattr(inventory, "_SETTLED", 3600 * 10**9)
    for _ in range(2):
        groups(folder)
    assert len(looked) == 2 and not (folder.parent / "cache").exists()
