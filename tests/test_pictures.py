"""The picture of channels: a column each, in order, stretched image by image."""

import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.experiment import pictures
from infomin_tf.runs import results
from infomin_tf.views import color, generators, splits

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 20, 16, 3), dtype=np.uint8)


def run(split):
    split.build((None, 20, 16, 3))
    held_out = types.SimpleNamespace(sample=lambda count: IMAGES[:count])
    return types.SimpleNamespace(split=split, held_out=held_out)


def cell(picture, row, column):
    """Of the picture, which has a title of 14 pixels and gaps of 2."""
    top, left = 14 + row * 22, column * 18
    return picture[top : top + 20, left : left + 16]


def stretched(channel):
    return np.round(255.0 * (channel - channel.min()) / (channel.max() - channel.min()))


def learned():
    generator = generators.AdditiveGenerator(num_blocks=2)
    return splits.ChannelSplit(color.YDbDr(), generator, first_channels=(1,))


@pytest.mark.parametrize(
    ("split", "columns"),
    [
        (learned(), 10),
        (splits.ChannelSplit(color.RGB()), 7),
        (splits.FrequencySplit(1.0), 10),
        (splits.Whole(color.RGB()), 7),
    ],
)
def test_a_column_for_each_channel(split, columns):
    found = pictures.channels_picture(run(split), num_images=3)
    assert found.shape == (14 + 3 * 22, columns * 18, 3) and found.dtype == np.uint8
    for row in range(3):
        np.testing.assert_array_equal(cell(found, row, 0), IMAGES[row])
        for place in range(3):
            expected = stretched(IMAGES[row, ..., place].astype(float))
            np.testing.assert_allclose(cell(found, row, 1 + place)[..., 0], expected, atol=1)
    titles = [(found[:14, 18 * place : 18 * place + 16] < 128).any() for place in range(columns)]
    assert all(titles)


def test_the_channels_of_the_colour_space_stand_between():
    made = run(learned())
    found = pictures.channels_picture(made, num_images=2)
    channels = color.YDbDr().from_rgb(tf.constant(IMAGES[:2] / 255.0, tf.float32)).numpy()
    for row in range(2):
        for place in range(3):
            shown = cell(found, row, 4 + place)[..., 0]
            np.testing.assert_allclose(shown, stretched(channels[row, ..., place]), atol=1)


def test_learned_channels_stand_last_by_view():
    made = run(learned())
    found = pictures.channels_picture(made, num_images=4)
    one, others = made.split(tf.constant(IMAGES / 255.0, tf.float32))
    for row in range(4):
        for column, channel in ((7, one[..., 0]), (8, others[..., 0]), (9, others[..., 1])):
            for level in range(3):
                shown = cell(found, row, column)[..., level]
                np.testing.assert_allclose(shown, stretched(channel[row].numpy()), atol=1)


def test_it_is_written_as_a_png(tmp_path):
    made = run(learned())
    pictures.write_channels(made, str(tmp_path))
    with Image.open(tmp_path / results.CHANNELS_PICTURE) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pictures.channels_picture(made))
