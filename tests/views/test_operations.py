"""Photometric operations against Pillow, tensorflow-addons, colorsys and SciPy."""

import colorsys
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats

from infomin_tf.views.augment import blur, photometric, rand_augment, warp
from infomin_tf.views.augment.rand_augment import Operation

HERE = pathlib.Path(__file__).parent
PILLOW = np.load(HERE / "pil_ops.npz")
ADDONS = np.load(HERE / "tensorflow_addons_0_23.npz")
RNG = np.random.default_rng(2)
FILL = (124.0, 116.0, 104.0)


def floats(oracle):
    return tf.cast(oracle["images_uint8"], tf.float32)


def difference(ours, expected):
    return np.abs(np.asarray(ours) - expected.astype(np.float32)).max()


def level_of(factor):
    return (factor - 0.1) / 0.18


WITH_LEVELS = {
    "autocontrast": (Operation.AUTOCONTRAST, 10.0, 1.0),
    "equalize": (Operation.EQUALIZE, 10.0, 1.0),
    "invert": (Operation.INVERT, 10.0, 1.0),
    "posterize_3bits": (Operation.POSTERIZE, 7.6, 1.0),
    "posterize_4bits": (Operation.POSTERIZE, 10.0, 1.0),
    "solarize_64": (Operation.SOLARIZE, 2.5, 1.0),
    "solarize_256": (Operation.SOLARIZE, 10.0, 1.0),
    "rotate_30_bilinear": (Operation.ROTATE, 10.0, 1.0),
    "rotate_-17_bilinear": (Operation.ROTATE, 17.0 / 3.0, -1.0),
    "shear_x_0.3_bilinear": (Operation.SHEAR_X, 10.0, 1.0),
    "shear_y_-0.2_bilinear": (Operation.SHEAR_Y, 20.0 / 3.0, -1.0),
    "translate_x_0.45_bilinear": (Operation.TRANSLATE_X, 10.0, 1.0),
} | {
    f"{name}_{factor}": (operation, level_of(factor), 1.0)
    for factor in (0.1, 0.7, 1.9)
    for name, operation in (
        ("color", Operation.COLOR),
        ("contrast", Operation.CONTRAST),
        ("brightness", Operation.BRIGHTNESS),
        ("sharpness", Operation.SHARPNESS),
    )
}


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("name", WITH_LEVELS)
def test_rand_augment_operations_are_pillows(name, batch_size):
    """A batch of one takes branches, a larger one computes and selects."""
    operation, level, sign = WITH_LEVELS[name]
    arguments = [tf.fill([batch_size], value) for value in (int(operation), level, sign)]
    batches = np.split(floats(PILLOW), 2 // batch_size)
    ours = [rand_augment.apply_operation(batch, *arguments, FILL) for batch in batches]
    ours = tf.concat(ours, axis=0)
    assert difference(ours, PILLOW[name]) <= 1.5  # Pillow cuts to whole levels, up to three times


def test_solarize_add_and_translate_y_are_as_described():
    images = floats(PILLOW)
    solarized = rand_augment.apply_operation(
        images, tf.fill([2], int(Operation.SOLARIZE_ADD)), tf.fill([2], 10.0), tf.ones([2]), FILL
    )
    expected = np.where(images < 128, np.minimum(images + 110, 255), images)
    assert difference(solarized, expected) == 0.0
    moved = rand_augment.apply_operation(
        images, tf.fill([2], int(Operation.TRANSLATE_Y)), tf.fill([2], 10.0), tf.ones([2]), FILL
    )
    shifted = ndimage.shift(images, (0, -0.45 * 48, 0, 0), order=1)
    assert difference(moved[:, :26], shifted[:, :26]) < 1e-2
    np.testing.assert_array_equal(moved[:, 30:], np.broadcast_to(FILL, (2, 18, 64, 3)))


@pytest.mark.parametrize("factor", [0.1, 0.7, 1.9])
def test_adjustments_are_pillows(factor):
    """Of a jitter the one whose factor is not 1; saturation by itself, too."""
    images, jitter = floats(PILLOW), photometric.ColorJitter(1.0, 1.0, 1.0, 0.0)
    draws = {"hue": tf.zeros(2), "order": tf.range(4)[None].numpy().repeat(2, 0)}
    for place, name in enumerate(("brightness", "contrast", "color")):
        factors = np.ones((2, 3), np.float32)
        factors[:, place] = factor
        chosen = {"factors": tf.constant(factors), "chosen": tf.constant([True, True])}
        ours = jitter.apply(images, draws | chosen)
        assert difference(ours, PILLOW[f"{name}_{factor}"]) <= 1.5, name
    ours = photometric.adjust_saturation(images, tf.fill([2], factor))
    assert difference(ours, PILLOW[f"color_{factor}"]) <= 1.5


def test_greyscale_and_solarize_are_pillows():
    images = floats(PILLOW)
    assert difference(photometric.greyscale(images), PILLOW["grayscale"]) <= 0.6
    solarize = photometric.Solarize(200, probability=1.0)
    ours = solarize.apply(images, solarize.draw(2, [1, 2]))
    assert difference(ours, PILLOW["solarize_200"]) == 0


def test_hue_is_that_of_colorsys():
    pixels = RNG.integers(0, 256, (3, 5, 7, 3)).astype(np.float32)
    pixels[0, 0] = 128.0  # grey
    shifts = np.array([-0.5, 0.13, 0.37], np.float32)
    ours = photometric.adjust_hue(tf.constant(pixels), tf.constant(shifts)).numpy()
    for index in np.ndindex(3, 5, 7):
        h, s, v = colorsys.rgb_to_hsv(*(pixels[index] / 255.0))
        expected = 255.0 * np.array(colorsys.hsv_to_rgb((h + shifts[index[0]]) % 1.0, s, v))
        np.testing.assert_allclose(ours[index], expected, atol=0.02)


def brightness(images, factor):
    return np.clip(images * factor, 0.0, 255.0)


def contrast(images, factor):
    grey = np.mean(np.asarray(images) @ np.float32(photometric.GREY_WEIGHTS))
    return np.clip(images * factor + (1.0 - factor) * grey, 0.0, 255.0)


def test_jitter_applies_the_four_adjustments_in_the_drawn_order():
    images = floats(PILLOW)
    jitter = photometric.ColorJitter(0.8, 0.8, 0.8, 0.2, probability=1.0)
    functions = (brightness, contrast, photometric.adjust_saturation, photometric.adjust_hue)
    for seed in range(12):
        draws = jitter.draw(2, [seed, 1])
        for index in range(2):
            image = images[index : index + 1]
            values = [*draws["factors"][index], draws["hue"][index]]
            for place in draws["order"][index].numpy():
                image = functions[place](image, values[place][None])
            alone = {name: value[index : index + 1] for name, value in draws.items()}
            ours = jitter.apply(images[index : index + 1], alone)
            np.testing.assert_allclose(ours, image, atol=0.05)
            np.testing.assert_allclose(jitter.apply(images, draws)[index], image[0], atol=0.05)
    some = jitter.apply(images, draws | {"chosen": tf.constant([False, True])})
    np.testing.assert_array_equal(some[0], images[0])
    assert np.abs(some[1] - images[1]).max() > 1.0


def test_jitter_draws_as_torchvision_does():
    draws = photometric.ColorJitter(0.8, 0.4, 1.5, 0.2).draw(20000, [1, 2])
    names = ("factors", "hue", "order", "chosen")
    factors, hue, order, changed = (draws[name].numpy() for name in names)
    assert stats.binomtest(int(changed.sum()), 20000, 0.8).pvalue > 1e-3
    ranges = [(0.2, 1.8), (0.6, 1.4), (0.0, 2.5)]
    for column, (low, high) in enumerate(ranges):
        uniform = (factors[changed, column] - low) / (high - low)
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert stats.kstest((hue[changed] + 0.2) / 0.4, "uniform").pvalue > 1e-3
    orders = np.unique(order, axis=0, return_counts=True)[1]
    assert len(orders) == 24 and stats.chisquare(orders).pvalue > 1e-3


def test_jitter_strength_is_that_of_section_3_4():
    jitter = photometric.ColorJitter.of_strength(0.5)
    assert jitter.strengths == (0.4, 0.4, 0.4) and jitter.hue == 0.1
    assert photometric.ColorJitter.of_strength(3.0).hue == 0.5
    with pytest.raises(ValueError, match="hue of at most 0.5"):
        photometric.ColorJitter(1, 1, 1, 0.6)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blur_is_that_of_tensorflow_addons(sigma):
    expected = ADDONS[f"gaussian_filter2d_k11_sigma{sigma}_reflect"]
    ours = blur.gaussian_blur(floats(ADDONS), tf.fill([2], sigma), 11)
    np.testing.assert_allclose(ours, expected, atol=0.01)


def test_blur_takes_a_sigma_an_image_and_is_scipys():
    images = tf.constant(RNG.random((2, 40, 31, 3)) * 255, tf.float32)
    ours = blur.gaussian_blur(images, tf.constant([0.7, 1.9]), 23)
    for image, sigma, result in zip(images, (0.7, 1.9), ours, strict=True):
        expected = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="mirror", radius=11)
        np.testing.assert_allclose(result, expected, atol=0.01)
    with pytest.raises(ValueError, match="odd kernel"):
        blur.gaussian_blur(images, tf.constant([1.0, 1.0]), 8)


def test_blur_draws_and_kernel_of_the_authors_code():
    sigma = blur.GaussianBlur().draw(8000, [4, 4])["sigma"].numpy()
    assert stats.binomtest(int((sigma > 0).sum()), 8000, 0.5).pvalue > 1e-3
    assert stats.kstest((sigma[sigma > 0] - 0.1) / 1.9, "uniform").pvalue > 1e-3
    spot = np.zeros((1, 224, 224, 1), np.float32)
    spot[0, 112, 112] = 1.0
    spread = blur.GaussianBlur().apply(tf.constant(spot), {"sigma": tf.constant([50.0])})
    assert np.count_nonzero(spread[0, 112]) == 23


@pytest.mark.parametrize("sigma", [0.01, 3 / 5.8, 0.52, 6 / 5.8, 1.1, 1.56, 2.0])
def test_blur_of_one_image_leaves_out_only_taps_that_do_not_matter(sigma):
    """An image by itself takes a branch with as many taps as its sigma needs."""
    images = tf.constant(RNG.random((1, 48, 40, 3)) * 255, tf.float32)
    operation = blur.GaussianBlur(kernel_share=0.5)
    ours = operation.apply(images, {"sigma": tf.constant([sigma])})
    expected = ndimage.gaussian_filter(images[0], (sigma, sigma, 0), mode="mirror", radius=12)
    np.testing.assert_allclose(ours[0], expected, atol=5e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.9])
def test_sharpness_is_that_of_tensorflow_addons(factor):
    ours = rand_augment.adjust_sharpness(floats(ADDONS), tf.fill([2], factor))
    assert difference(ours, ADDONS[f"sharpness_{factor}"]) <= 1.5


@pytest.mark.parametrize("degrees", [-30, 15])
def test_rotation_is_that_of_tensorflow_addons_inside(degrees):
    matrices = warp.rotation(tf.fill([2], float(degrees)), 48, 64)
    ours = warp.affine_warp(floats(ADDONS), matrices, (124.0,) * 3)
    expected = ADDONS[f"rotate_bilinear_{degrees}deg"]
    assert difference(ours[:, 16:32, 16:48], expected[:, 16:32, 16:48]) < 0.01


def test_translation_is_that_of_tensorflow_addons_inside():
    for dx, dy in ((5.0, -3.0), (4.5, 2.25)):
        matrices = tf.tile([[1.0, 0.0, -dx, 0.0, 1.0, -dy]], [2, 1])
        ours = warp.affine_warp(floats(ADDONS), matrices, (124.0,) * 3)
        expected = ADDONS[f"translate_bilinear_dx{dx:g}_dy{dy:g}"]
        assert difference(ours[:, 4:44, 6:63], expected[:, 4:44, 6:63]) < 0.01


def test_rand_augment_draws_as_the_authors_code():
    draws = rand_augment.RandAugment(layers=3).draw(10000, [9, 9])
    operation, level, sign = (draws[name].numpy() for name in ("operation", "level", "sign"))
    applied = operation != Operation.IDENTITY
    assert operation.shape == (10000, 3)
    assert stats.binomtest(int(applied.sum()), 30000, 0.5).pvalue > 1e-3
    assert stats.chisquare(np.bincount(operation[applied], minlength=15)).pvalue > 1e-3
    assert stats.binomtest(int((level == 10.0).sum()), 30000, 0.5).pvalue > 1e-3
    assert stats.kstest(10.0 - level[level < 10.0], stats.halfnorm(scale=0.5).cdf).pvalue > 1e-3
    assert stats.binomtest(int((sign > 0).sum()), 30000, 0.5).pvalue > 1e-3


def test_rand_augment_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="magnitude in"):
        rand_augment.RandAugment(magnitude=11.0)
