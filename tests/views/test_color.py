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
UNIT = ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0))
# The colour space, its conversion and the inverse in scikit-image, (low, high) of its channels.
CASES = [
    (
        color.YDbDr(),
        reference.rgb2ydbdr,
        reference.ydbdr2rgb,
        ((0.0, 1.0), (-1.333, 1.333), (-1.333, 1.333)),
    ),
    (
        color.YUV(),
        reference.rgb2yuv,
        reference.yuv2rgb,
        ((0.0, 1.0), (-0.43601035, 0.43601035), (-0.61497538, 0.61497538)),
    ),
    (
        color.YIQ(),
        reference.rgb2yiq,
        reference.yiq2rgb,
        ((0.0, 1.0), (-0.59590059, 0.59590059), (-0.52273617, 0.52273617)),
    ),
    (
        color.YCbCr(),
        reference.rgb2ycbcr,
        reference.ycbcr2rgb,
        ((16.0, 235.0), (16.0, 240.0), (16.0, 240.0)),
    ),
    (
        color.Lab(),
        reference.rgb2lab,
        reference.lab2rgb,
        ((0.0, 100.0), (-86.183, 98.2343), (-107.8602, 94.4780)),
    ),
    (color.HSV(), reference.rgb2hsv, reference.hsv2rgb, UNIT),
    (color.RGB(), np.asarray, np.asarray, UNIT),
]
SPACES = [case[0] for case in CASES]


@pytest.mark.filterwarnings("ignore:.*negative Z values")  # of black, by rounding
@pytest.mark.parametrize(("space", "forward", "backward", "ranges"), CASES)
def test_equals_scikit_image_whose_inverse_inverts_and_compiles(space, forward, backward, ranges):
    expected = forward(GRID.astype(np.float64))
    scale = max(1.0, np.ptp(ranges) / 3)
    np.testing.assert_allclose(space.from_rgb(tf.constant(GRID)), expected, atol=1e-4 * scale)
    compiled = graphs.compiled(space.from_rgb, jit_compile=True)(tf.constant(GRID)).numpy()
    np.testing.assert_allclose(backward(compiled.astype(np.float64)), GRID, atol=1e-4)


@pytest.mark.parametrize(("space", "ranges"), [(case[0], case[-1]) for case in CASES])
def test_stays_within_the_documented_ranges_and_touches_them(space, ranges):
    channels = space.from_rgb(tf.constant(GRID)).numpy().reshape(-1, 3)
    low, high = np.array(ranges).T
    extent = high - low
    assert np.all(channels.min(0) >= low - 1e-3 * extent)
    assert np.all(channels.max(0) <= high + 1e-3 * extent)
    gap = 0.02 if isinstance(space, color.HSV) else 1e-3  # hue does not reach 1
    assert np.all(channels.max(0) - channels.min(0) >= (1 - gap) * extent)


@pytest.mark.parametrize("space", SPACES)
def test_gradients_are_finite_at_black_grey_and_white(space):
    rgb = tf.constant([[[0.0] * 3, [0.5] * 3, [1.0] * 3, [1.0, 0.0, 0.0]]])
    with tf.GradientTape() as tape:
        tape.watch(rgb)
        channels = space.from_rgb(rgb)
    assert np.isfinite(tape.gradient(channels, rgb)).all()


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
