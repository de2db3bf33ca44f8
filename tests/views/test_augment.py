"""Sampling operations against Pillow and NumPy, and their distributions."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from infomin_tf.views import augment, pairs

RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 256, (8, 40, 56, 3), dtype=np.uint8)


def smooth_image(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + c) * np.cos(y / 9 - c) for c in range(3)]
    return (127.5 * (1 + np.stack(waves, -1))).astype(np.uint8)


@pytest.mark.parametrize("box", [(0, 0, 56, 40), (8, 4, 40, 36), (13, 9, 45, 40)])
def test_crop_and_resize_is_pillow_bilinear_when_enlarging(box):
    image = smooth_image(40, 56)
    left, top, right, bottom = box
    expected = Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR, box=box)
    relative = np.array([[top / 40, left / 56, bottom / 40, right / 56]], np.float32)
    ours = augment.crop_and_resize(image[None], tf.constant(relative), 64)[0]
    assert np.abs(ours - np.asarray(expected, np.float32)).max() <= 1.01  # Pillow rounds twice


def test_crop_of_the_whole_image_at_its_size_is_the_image():
    square = IMAGES[:, :40, :40]
    boxes = tf.tile([[0.0, 0.0, 1.0, 1.0]], [8, 1])
    np.testing.assert_allclose(augment.crop_and_resize(square, boxes, 40), square, atol=1e-3)


def test_crop_boxes_have_the_stated_distribution():
    boxes = augment.random_crop_boxes(20000, (96, 96), [3, 5], (0.2, 1.0), (3 / 4, 4 / 3)).numpy()
    top, left, bottom, right = boxes.T
    assert boxes.min() >= 0.0 and boxes.max() <= 1.0 + 1e-6
    area, ratio = (bottom - top) * (right - left), (right - left) / (bottom - top)
    assert area.min() >= 0.2 - 1e-5 and ratio.min() >= 3 / 4 - 1e-5 and ratio.max() <= 4 / 3 + 1e-5
    small = area < 0.5  # here every ratio fits, so the area is uniform
    assert stats.kstest((area[small] - 0.2) / 0.3, "uniform").pvalue > 1e-3
    log_ratio = np.log(ratio[small]) / np.log(4 / 3)
    assert stats.kstest((log_ratio + 1) / 2, "uniform").pvalue > 1e-3
    assert stats.kstest((top / (1 - bottom + top))[small], "uniform").pvalue > 1e-3


def test_crop_boxes_fall_back_to_the_centre_when_nothing_fits():
    boxes = augment.random_crop_boxes(4, (10, 100), [0, 1], (1.0, 1.0), (3 / 4, 4 / 3)).numpy()
    half = 10 * 4 / 3 / 100 / 2
    np.testing.assert_allclose(boxes, [[0, 0.5 - half, 1, 0.5 + half]] * 4, atol=1e-6)


def test_flip_mirrors_half_of_the_images():
    many = np.repeat(IMAGES[:1, :4, :4], 2000, axis=0)
    flipped = augment.random_flip(many, [7, 7]).numpy()
    mirrored = np.all(flipped == many[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(mirrored | np.all(flipped == many, axis=(1, 2, 3)))
    assert stats.binomtest(int(mirrored.sum()), 2000, 0.5).pvalue > 1e-3


def test_shift_is_a_window_of_the_reflected_image():
    shifted = augment.random_shift(IMAGES, [2, 9], pixels=4).numpy()
    for image, ours in zip(IMAGES, shifted, strict=True):
        padded = np.pad(image, [(4, 4), (4, 4), (0, 0)], mode="reflect")
        windows = [padded[r : r + 40, c : c + 56] for r in range(9) for c in range(9)]
        assert any(np.array_equal(ours, window) for window in windows)


def test_center_crop_is_pillow_resize_then_crop():
    image = smooth_image(96, 96)
    expected = (
        Image.fromarray(image).resize((70, 70), Image.Resampling.BILINEAR).crop((3, 3, 67, 67))
    )
    ours = pairs.CenterCrop(70, 64)(image[None])[0].numpy() * 255
    assert np.abs(ours - np.asarray(expected, np.float32)).max() <= 2.0


@pytest.mark.parametrize("sampler", [pairs.CropAndFlip(32), pairs.ShiftAndFlip(32)])
def test_pairs_are_stateless_independent_and_trace(sampler):
    pair = pairs.IndependentPair(sampler)
    x1, x2 = pair(IMAGES, tf.constant([4, 2]))
    y1, y2 = tf.function(pair)(IMAGES, tf.constant([4, 2]))
    np.testing.assert_allclose([x1, x2], [y1, y2], atol=1e-3)
    assert x1.shape == (8, 32, 32, 3) and np.min(x1) >= 0.0 and np.max(x1) <= 1.0
    assert not np.allclose(x1, x2)
    assert not np.allclose(x1, pair(IMAGES, tf.constant([4, 3]))[0])


def test_center_crop_refuses_to_cut_more_than_there_is():
    with pytest.raises(ValueError, match="size <= resize"):
        pairs.CenterCrop(resize=32, size=64)
