"""Folders of images with label maps that do not fit together, or are none."""

import numpy as np
import pytest

from infomin_tf.data.label_maps import SegmentationFolder
from tests.bad_inputs.cases import Refused, check_refused
from tests.bad_inputs.test_folders import save

refused = Refused()


@refused.by("none is not a readable folder", "bind SegmentationFolder.images")
def no_maps(folder):
    save(folder / "images" / "a.png")
    SegmentationFolder(str(folder / "images"), str(folder / "none")).load()


def segmented(folder, **of_map):
    save(folder / "images" / "a.png", (8, 12, 3))
    save(folder / "maps" / "a.png", **{"shape": (8, 12), "value": 1} | of_map)
    return SegmentationFolder(str(folder / "images"), str(folder / "maps"), (8, 12)).load()


@refused.by("a.png is not a label map with one 8-bit channel", "its pixels must be classes")
def map_of_16_bits(folder):
    segmented(folder, dtype=np.uint16)


@refused.by("a.png has 8x12 pixels, but its image, upright, 12x8", "give it the shape")
def map_that_is_turned(folder):
    segmented(folder, shape=(12, 8))


@refused.by("maps/a.png cannot be read", "fix or remove it")
def map_that_is_cut(folder):
    segmented(folder)
    (folder / "maps" / "a.png").write_bytes((folder / "maps" / "a.png").read_bytes()[:40])
    SegmentationFolder(str(folder / "images"), str(folder / "maps")).load()


@refused.by("maps/a.jpg cannot be read .a JPEG does not keep classes", "save label maps as PNG")
def map_that_is_a_jpeg(folder):
    save(folder / "images" / "a.png")
    save(folder / "maps" / "a.jpg")
    SegmentationFolder(str(folder / "images"), str(folder / "maps")).load()


@refused.by("images/a.jpg and .*images/a.png have the same name", "remove one of them")
def two_images_of_one_name(folder):
    save(folder / "images" / "a.jpg")
    segmented(folder)


@pytest.mark.parametrize("function, pattern", refused)
def test_label_maps_that_are_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


def test_a_deep_picture_to_be_segmented_keeps_its_pixels(tmp_path):
    save(tmp_path / "images" / "a.png", (8, 12), 100 * 257, np.uint16)
    save(tmp_path / "maps" / "a.png", (8, 12), 1)
    source = SegmentationFolder(str(tmp_path / "images"), str(tmp_path / "maps"), (8, 12))
    assert np.all(source.load().images == 100)


def test_a_map_may_be_smaller_than_its_image_and_hidden_files_are_passed_over(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "._a.png").touch()
    loaded = segmented(tmp_path, shape=(4, 6))
    assert loaded.maps.shape == (1, 8, 12) and np.all(loaded.maps == 1)
