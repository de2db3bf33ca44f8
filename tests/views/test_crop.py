"""Crops, flips and shifts against Pillow and NumPy, and their distributions."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from infomin_tf import graphs
from infomin_tf.views import pairs
from infomin_tf.views.augment import crop, jpeg
from infomin_tf.views.augment.jigsaw import JigsawPatches

RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 256, (8, 40, 56, 3), dtype=np.uint8)


def smooth_image(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + c) * np.cos(y / 9 - c) for c in range(3)]
    return (127.5 * (1 + np.stack(waves, -1))).astype(np.uint8)


@pytest.mark.parametrize("size", [16, 33, 64])
@pytest.mark.parametrize("box", [(0, 0, 56, 40), (8, 4, 40, 36), (13, 9, 45, 40)])
def test_crop_and_resize_is_pillow_bilinear_with_antialiasing(box, size):
    image = smooth_image(40, 56)
    left, top, right, bottom = box
    expected = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=box)
    boxes = tf.constant([[top, left, bottom - top, right - left]], tf.float32)
    ours = crop.crop_and_resize(image[None], boxes, size)[0]
    assert np.abs(ours - np.asarray(expected, np.float32)).max() <= 1.01  # Pillow rounds twice


def test_crop_of_the_whole_image_at_its_size_is_the_image():
    square = IMAGES[:, :40, :40]
    boxes = tf.tile([[0.0, 0.0, 40.0, 40.0]], [8, 1])
    np.testing.assert_allclose(crop.crop_and_resize(square, boxes, 40), square, atol=1e-3)
    mirrored = crop.crop_and_resize(square, boxes, 40, tf.ones([8], tf.bool))
    np.testing.assert_allclose(mirrored, square[:, :, ::-1], atol=1e-3)


def boxes(num_images, height, width, area, ratio, seed=(3, 5)):
    """top, left, height, width of random boxes, as shares of the image."""
    operation = crop.RandomResizedCrop(64, area, ratio)
    found = operation.boxes(operation.draw(num_images, seed), height, width).numpy()
    return (found / [height, width, height, width]).T


def test_crop_boxes_have_the_stated_distribution():
    top, left, height, width = boxes(20000, 96, 96, (0.2, 1.0), (3 / 4, 4 / 3))
    assert min(top.min(), left.min()) >= 0.0
    assert max((top + height).max(), (left + width).max()) <= 1.0 + 1e-6
    area, ratio = height * width, width / height
    assert area.min() >= 0.2 - 1e-5 and ratio.min() >= 3 / 4 - 1e-5 and ratio.max() <= 4 / 3 + 1e-5
    small = area < 0.5  # here every ratio fits, so the area is uniform
    assert stats.kstest((area[small] - 0.2) / 0.3, "uniform").pvalue > 1e-3
    log_ratio = np.log(ratio[small]) / np.log(4 / 3)
    assert stats.kstest((log_ratio + 1) / 2, "uniform").pvalue > 1e-3
    assert stats.kstest((top / (1 - height))[small], "uniform").pvalue > 1e-3
    assert stats.kstest((left / (1 - width))[small], "uniform").pvalue > 1e-3


def test_crop_boxes_fall_back_to_the_centre_when_nothing_fits():
    found = boxes(4, 10, 100, (1.0, 1.0), (3 / 4, 4 / 3)).T
    share = 10 * 4 / 3 / 100
    np.testing.assert_allclose(found, [[0, 0.5 - share / 2, 1, share]] * 4, atol=1e-6)


def test_crops_of_images_of_any_shape_take_their_own_extent():
    draws = crop.RandomResizedCrop().draw(6, [1, 2])
    operation = crop.RandomResizedCrop()
    together = operation.boxes(draws, tf.constant([40.0] * 3 + [80.0] * 3), 56.0)
    np.testing.assert_allclose(together[3:], operation.boxes(draws, 80, 56)[3:], rtol=1e-6)


def test_crops_flip_half_of_the_images():
    flips = crop.RandomResizedCrop().draw(2000, [7, 7])["flip"].numpy()
    assert stats.binomtest(int(flips.sum()), 2000, 0.5).pvalue > 1e-3


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {"subsampling": 0}),
        ("JPEG", "RGB", {"subsampling": 2, "progressive": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}),
    ],
)
@pytest.mark.parametrize("canvas", [512, 100])
def test_crops_cut_while_decoding_equal_crops_of_the_decoded_image(
    kind, mode, options, canvas, monkeypatch
):
    """Windows that fit the canvas are resized by compiled code, larger ones by a kernel."""
    monkeypatch.setattr(jpeg, "_CANVAS", canvas)
    with io.BytesIO() as file:
        Image.fromarray(smooth_image(150, 200)).convert(mode).save(file, kind, **options)
        encoded = file.getvalue()
    decoded = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    pair, views_of_file = file_views(canvas)
    draws = pair.draw(6, tf.constant([1, 5]))
    expected = pair.apply(decoded[None].repeat(6, 0), draws)
    for index in range(6):
        one = tf.nest.map_structure(lambda x, index=index: x[index : index + 1], draws)
        for x, y in zip(views_of_file(tf.constant(encoded), one), expected, strict=True):
            assert np.abs(x[0] - y[index]).max() < 1.5 / 255


@functools.cache
def file_views(canvas):
    """(a pair with patches, its views of a file by draws of one image); traced once."""
    del canvas  # as jpeg._CANVAS is
    pair = pairs.IndependentPair(pairs.CropAndFlip(32), JigsawPatches(48, patch=12))

    @graphs.compiled
    def views_of_file(encoded, draws):
        return pair.finish(jpeg.decode_crops(encoded, pair.samplers, draws), draws)

    return pair, views_of_file


@pytest.mark.parametrize("size", [32, 200])
@pytest.mark.parametrize("extent", [(512, 512), (1, 1), (1, 512), (300, 40), (300, 400)])
def test_crops_on_the_canvas_of_files_equal_matrix_products(extent, size):
    """Whole images, so the largest scale that a size meets, and a small box, so enlargement."""
    image = np.random.default_rng(3).integers(0, 256, (*extent, 3), np.uint8)
    for box in ([0, 0, *extent], [extent[0] / 3, extent[1] / 4, extent[0] / 2, extent[1] / 3]):
        box = tf.constant(box, tf.float32)
        for flip in ([False], [True]):
            expected = crop.crop_and_resize(image[None], box[None], size, tf.constant(flip))
            ours = jpeg._cut_on_canvas(
                tf.shape(image), jpeg._on_canvas(image), box, tf.constant(flip), size
            )
            np.testing.assert_allclose(ours, expected, atol=0.05)


def test_flipped_crops_are_mirrored():
    boxes_ = np.float32([[3, 5, 20, 30], [0, 0, 40, 56], [10, 2, 25, 25]])
    straight = crop.crop_and_resize(IMAGES[:3], boxes_, 16).numpy()
    flip = tf.constant([True, False, True])
    flipped = crop.crop_and_resize(IMAGES[:3], boxes_, 16, flip).numpy()
    np.testing.assert_allclose(flipped[[0, 2]], straight[[0, 2], :, ::-1], atol=1e-3)
    np.testing.assert_array_equal(flipped[1], straight[1])


def test_shift_is_a_window_of_the_reflected_image():
    offsets = np.array([[y, x] for y in (-4, 0, 3) for x in (-4, -1, 4)][:8])
    for image, (y, x), ours in zip(IMAGES, offsets, crop.shift(IMAGES, offsets), strict=True):
        padded = np.pad(image, [(4, 4), (4, 4), (0, 0)], mode="reflect")
        np.testing.assert_array_equal(ours, padded[4 + y : 44 + y, 4 + x : 60 + x])


def test_shifts_are_uniform_and_have_their_probability():
    offsets = crop.RandomShift(32, 4).draw(9000, [2, 9])["offsets"].numpy()
    still = np.all(offsets == 0, axis=1).sum()
    assert stats.binomtest(int(still), 9000, 0.2 + 0.8 / 81).pvalue > 1e-3
    counts = np.bincount(offsets[np.any(offsets != 0, axis=1), 0] + 4)
    assert stats.chisquare(np.delete(counts, 4)).pvalue > 1e-3


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
    y1, y2 = graphs.compiled(pair)(IMAGES, tf.constant([4, 2]))
    np.testing.assert_allclose([x1, x2], [y1, y2], atol=1e-3)
    assert x1.shape == (8, 32, 32, 3) and np.min(x1) >= 0.0 and np.max(x1) <= 1.0
    assert not np.allclose(x1, x2)
    assert not np.allclose(x1, pair(IMAGES, tf.constant([4, 3]))[0])


def test_center_crop_refuses_to_cut_more_than_there_is():
    with pytest.raises(ValueError, match="size <= resize"):
        pairs.CenterCrop(resize=32, size=64)


TEST_VIEW = graphs.compiled(
    lambda images: crop.resize_and_center_crop(images, 36, 32),
    input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)],
    jit_compile=True,
)


@pytest.mark.parametrize("shape", [(50, 40), (20, 31), (36, 36), (7, 300), (1, 1)])
def test_the_test_view_is_that_of_tensorflow_for_sizes_that_are_known_late(shape):
    images = RNG.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    expected = tf.image.resize(images, [36, 36], antialias=True)[:, 2:34, 2:34]
    for made in (crop.resize_and_center_crop(tf.constant(images), 36, 32), TEST_VIEW(images)):
        np.testing.assert_allclose(made, expected, atol=2e-3)
