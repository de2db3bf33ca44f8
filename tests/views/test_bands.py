"""Frequency bands against SciPy's Gaussian filter; grey images have channels to split."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.views import bands, color, generators, splits, variance

IMAGES = np.random.default_rng(0).uniform(size=(2, 24, 20, 3)).astype(np.float32)
GREY = np.repeat(IMAGES[..., :1], 3, axis=-1)


def filtered(image, sigma):
    """Of one luminance [H, W] in SciPy; its "mirror" does not repeat the edge."""
    radius = min(4 * int(sigma), 19)
    return ndimage.gaussian_filter(image, sigma, mode="mirror", radius=radius)


@pytest.mark.parametrize("fine", [1.0, 2.0])
def test_bands_are_differences_of_scipys_gaussians(fine):
    found = bands.Bands(fine).from_rgb(tf.constant(IMAGES)).numpy()
    for image, channels in zip(IMAGES, found, strict=True):
        luminance = image.astype(np.float64) @ (0.299, 0.587, 0.114)
        small, large = filtered(luminance, fine), filtered(luminance, 3 * fine)
        expected = np.stack([large, small - large, luminance - small], axis=-1)
        np.testing.assert_allclose(channels, expected, atol=1e-5)


def test_the_sum_is_the_grey_image_compiled_too():
    space = bands.Bands()
    found = graphs.compiled(space.from_rgb, jit_compile=True)(tf.constant(GREY))
    np.testing.assert_allclose(np.sum(found, axis=-1), GREY[..., 0], atol=1e-5)


def test_it_is_kept_with_a_model():
    made = splits.ChannelSplit(bands.Bands(1.5), generators.AdditiveGenerator())
    again = splits.ChannelSplit.from_config(made.get_config())
    assert again.color_space.get_config() == {"mean": None, "std": None, "fine": 1.5}
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(made.color_space)
    )
    assert isinstance(restored, bands.Bands) and restored.fine == 1.5


@pytest.mark.parametrize("fine", [0.0, -1.0, float("nan")])
def test_a_blur_without_width_is_refused(fine):
    with pytest.raises(ValueError, match=r"Bands.fine must be a number above 0"):
        bands.Bands(fine)


def test_grey_images_are_split_by_bands_where_colours_are_refused():
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(30, 24, 24)), (0, 1, 1))
    grey = np.repeat(np.uint8(np.clip(128 + 150 * smooth, 0, 255))[..., np.newaxis], 3, axis=-1)
    images = types.SimpleNamespace(name="steel", sample=lambda count: grey[:count])
    with pytest.raises(UserError, match="the images are grey"):
        variance.adapt(_split(color.YDbDr()), [], images)
    split = _split(bands.Bands())
    variance.adapt(split, [], images)
    channels = split.standardize(tf.constant(grey / 255.0, tf.float32)).numpy().reshape(-1, 3)
    np.testing.assert_allclose(channels.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(channels.std(0), 1.0, atol=1e-3)


def test_a_band_of_nothing_but_rounding_is_refused():
    noise = np.random.default_rng(2).normal(size=(40, 96, 96))
    smooth = ndimage.gaussian_filter(noise, (0, 20, 20))
    levels = 128 + 40 * smooth / smooth.std()
    grey = np.repeat(np.uint8(np.clip(np.round(levels), 0, 255))[..., np.newaxis], 3, axis=-1)
    images = types.SimpleNamespace(name="fog", sample=lambda count: grey[:count])
    split = splits.ChannelSplit(bands.Bands())
    split.build((None, 96, 96, 3))
    with pytest.raises(UserError, match="fog: .*high .*less than the rounding") as refused:
        variance.adapt(split, [], images)
    assert "bands.gin" not in str(refused.value)


def _split(space):
    split = splits.ChannelSplit(space, generators.AdditiveGenerator())
    split.build((None, 24, 24, 3))
    return split
