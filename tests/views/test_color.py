"""Colour spaces against scikit-image."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import color as reference

from infomin_tf import graphs
from infomin_tf.views import color


def grid(highest, levels):
    """Colours [1, levels^3, 3] from black on."""
    axes = [np.linspace(0, highest, levels, dtype=np.float32)] * 3
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(1, -1, 3)


# The curves of sRGB and of Lab are straight lines for dark colours.
GRID = np.concatenate([grid(1.0, 12), grid(0.06, 5)], axis=1)
CASES = [
    (color.YDbDr(), reference.rgb2ydbdr, reference.ydbdr2rgb, 1.0),
    (color.YUV(), reference.rgb2yuv, reference.yuv2rgb, 1.0),
    (color.YIQ(), reference.rgb2yiq, reference.yiq2rgb, 1.0),
    (color.YCbCr(), reference.rgb2ycbcr, reference.ycbcr2rgb, 255.0),
    (color.Lab(), reference.rgb2lab, reference.lab2rgb, 100.0),
    (color.HSV(), reference.rgb2hsv, reference.hsv2rgb, 1.0),
]
SPACES = [case[0] for case in CASES] + [color.RGB()]


@pytest.mark.parametrize(("space", "forward", "backward", "scale"), CASES)
def test_equals_scikit_image(space, forward, backward, scale):
    expected = forward(GRID.astype(np.float64))
    np.testing.assert_allclose(space.from_rgb(tf.constant(GRID)), expected, atol=1e-4 * scale)
    np.testing.assert_allclose(
        space.to_rgb(tf.constant(expected, tf.float32)), backward(expected), atol=1e-4
    )


@pytest.mark.parametrize("space", SPACES)
def test_inverse_inverts_and_compiles(space):
    compiled = graphs.compiled(lambda x: space.to_rgb(space.from_rgb(x)), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(GRID)), GRID, atol=1e-4)


@pytest.mark.parametrize("space", SPACES)
def test_stays_within_the_documented_ranges_and_touches_them(space):
    channels = space.from_rgb(tf.constant(GRID)).numpy().reshape(-1, 3)
    low, high = np.array(space.ranges).T
    extent = high - low
    assert np.all(channels.min(0) >= low - 1e-3 * extent)
    assert np.all(channels.max(0) <= high + 1e-3 * extent)
    gap = 0.02 if isinstance(space, color.HSV) else 1e-3  # hue does not reach 1
    assert np.all(channels.max(0) - channels.min(0) >= (1 - gap) * extent)


@pytest.mark.parametrize("space", SPACES)
def test_gradients_are_finite_at_black_grey_and_white(space):
    rgb = tf.constant([[[0.0] * 3, [0.5] * 3, [1.0] * 3, [1.0, 0.0, 0.0]]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(rgb)
        channels = space.from_rgb(rgb)
        back = space.to_rgb(channels)
    assert np.isfinite(tape.gradient(channels, rgb)).all()
    assert np.isfinite(tape.gradient(back, rgb)).all()


def test_channel_statistics_against_numpy():
    images = np.random.default_rng(0).random((300, 6, 5, 3), np.float32)
    mean, std = color.channel_statistics(images, color.YDbDr())
    pixels = reference.rgb2ydbdr(images.astype(np.float64)).reshape(-1, 3)
    np.testing.assert_allclose(mean, pixels.mean(0), atol=1e-5)
    np.testing.assert_allclose(std, pixels.std(0), atol=1e-5)


def test_channel_statistics_of_a_constant_and_of_a_narrow_channel():
    constant = np.full((2, 8, 8, 3), 0.3, np.float32)
    np.testing.assert_array_equal(color.channel_statistics(constant, color.YDbDr())[1], 0.0)
    narrow = constant + 1e-4 * np.random.default_rng(0).random(constant.shape, np.float32)
    pixels = color.YCbCr().from_rgb(tf.constant(narrow)).numpy().reshape(-1, 3).astype(np.float64)
    std = color.channel_statistics(narrow, color.YCbCr())[1]
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-5)


def test_channel_statistics_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 images"):
        color.channel_statistics(np.zeros((0, 8, 8, 3), np.float32), color.RGB())


@pytest.mark.parametrize("space", SPACES)
def test_is_restored_by_keras(space):
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(space))
    assert type(restored) is type(space)
