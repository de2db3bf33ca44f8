"""Splits: every partition of channels, low and high frequencies; each recombines."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from infomin_tf import graphs
from infomin_tf.views import color, generators, splits

IMAGES = np.random.default_rng(0).random((3, 20, 24, 3)).astype(np.float32)
PARTITIONS = [p for n in (1, 2) for p in itertools.permutations(range(3), n)]


@pytest.mark.parametrize("first", PARTITIONS)
@pytest.mark.parametrize(
    "space", [color.RGB, color.YDbDr, color.YUV, color.YIQ, color.YCbCr, color.Lab, color.HSV]
)
def test_any_channels_of_any_space_are_split(space, first):
    split = splits.ChannelSplit(space(), first_channels=first)
    split.build((None, 20, 24, 3))
    parts = split(IMAGES)
    channels = space().from_rgb(tf.constant(IMAGES)).numpy()
    np.testing.assert_array_equal(parts[0], channels[..., list(first)])
    others = [channel for channel in range(3) if channel not in first]
    np.testing.assert_array_equal(parts[1], channels[..., others])
    assert [tuple(part.shape[1:]) for part in parts] == split.part_shapes((20, 24, 3))


@pytest.mark.parametrize(
    ("split", "shapes"),
    [
        (splits.Whole(color.YDbDr()), [(20, 24, 3)]),
        (splits.ChannelSplit(color.YDbDr()), [(20, 24, 1), (20, 24, 2)]),
        (splits.FrequencySplit(), [(20, 24, 3), (20, 24, 3)]),
    ],
)
def test_a_split_tells_how_many_parts_it_makes_and_of_which_shapes(split, shapes):
    split.build((None, 20, 24, 3))
    parts = split(IMAGES)
    assert [tuple(part.shape[1:]) for part in parts] == split.part_shapes((20, 24, 3)) == shapes
    assert split.num_parts == len(shapes)


def test_luminance_is_split_off_and_the_blur_has_sigma_1_unless_told_otherwise():
    for usual, told in (
        (splits.ChannelSplit(color.YUV()), splits.ChannelSplit(color.YUV(), first_channels=(0,))),
        (splits.FrequencySplit(), splits.FrequencySplit(1.0, color.RGB())),
    ):
        for split in (usual, told):
            split.build((None, 20, 24, 3))
        for ours, expected in zip(usual(IMAGES), told(IMAGES), strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_a_split_builds_its_generator_once_and_divides_what_it_makes():
    generator = generators.AdditiveGenerator(num_blocks=2)
    split = splits.ChannelSplit(color.YDbDr(), generator)
    split.build((None, 20, 24, 3))
    assert generator.built and generator.lone_channels == (0,)
    weights = list(generator.weights)
    splits.ChannelSplit(color.YDbDr(), generator).build((None, 20, 24, 3))
    assert all(a is b for a, b in zip(generator.weights, weights, strict=True))
    expected = generator(color.YDbDr().from_rgb(tf.constant(IMAGES)))
    np.testing.assert_allclose(np.concatenate(split(IMAGES), axis=-1), expected, atol=1e-6)


def test_a_part_is_made_by_those_blocks_alone_that_its_channels_need():
    split = splits.ChannelSplit(color.RGB(), generators.AdditiveGenerator(), (0.5,) * 3, (0.2,) * 3)
    split.build((None, 20, 24, 3))
    last = split.generator.blocks[-1]
    assert last.lone == 0
    for part, needs_last in enumerate((True, False)):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(split(IMAGES)[part])
        gradients = tape.gradient(value, split.trainable_variables)
        own = {id(weight) for weight in last.weights}
        for weight, gradient in zip(split.trainable_variables, gradients, strict=True):
            assert (gradient is not None) == (needs_last or id(weight) not in own)


def test_a_sequence_and_an_image_are_standardised_alike():
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    split = splits.Sequence(color.RGB(mean, std))
    assert split.num_parts == 2
    assert split.part_shapes((20, 24, 3)) == [(None, 20, 24, 3), (20, 24, 3)]
    single = split.of_images()
    assert type(single) is splits.Whole
    single.build((None, 20, 24, 3))
    np.testing.assert_allclose(single(IMAGES)[0], (IMAGES - mean) / std, rtol=1e-5, atol=1e-5)


def test_constants_that_are_not_given_are_measured():
    """Over all pixels of the images, as NumPy has them; a constant channel becomes 0."""
    images = np.random.default_rng(1).integers(0, 256, (5, 20, 24, 3), np.uint8)
    images[..., 2] = 51
    split = splits.Whole(color.RGB())
    split.build((None, 20, 24, 3))
    split.adapt(images)
    pixels = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(split.channel_mean, pixels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(split.channel_std, np.maximum(pixels.std(axis=0), 1e-6), rtol=1e-5)
    standard = split(tf.constant(images / 255, tf.float32))[0].numpy().reshape(-1, 3)
    np.testing.assert_allclose(standard.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(standard.std(axis=0), (1.0, 1.0, 0.0), atol=1e-4)


def test_constants_of_the_split_come_before_those_of_its_space_and_are_kept():
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    space = color.RGB((0.5,) * 3, (0.2,) * 3)
    for split, own in (
        (splits.Whole(space, mean, std), (mean, std)),
        (splits.Whole(space), (space.mean, space.std)),
    ):
        split.build((None, 20, 24, 3))
        split.adapt(np.zeros((2, 20, 24, 3), np.uint8))
        expected = (IMAGES - np.array(own[0])) / np.array(own[1])
        np.testing.assert_allclose(split(IMAGES)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [splits.Whole, splits.Sequence, splits.ChannelSplit, splits.FrequencySplit]
)
def test_saved_models_do_not_name_the_module_of_a_split(kind):
    assert keras.saving.get_registered_name(kind) == f"infomin_tf>{kind.__name__}"


@pytest.mark.parametrize("bad", [(), (0, 1, 2), (3,), (1, 1)])
def test_a_partition_leaves_nothing_empty_and_takes_nothing_twice(bad):
    with pytest.raises(ValueError, match="first_channels must be one or two of 0, 1 and 2"):
        splits.ChannelSplit(color.RGB(), first_channels=bad)


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.0, 2.5])
def test_low_frequencies_are_scipys_blur_and_both_recombine(sigma):
    split = splits.FrequencySplit(sigma)
    split.build((None, 20, 24, 3))
    low, high = split(IMAGES)
    # SciPy's "mirror" reflects without repeating the edge.
    expected = ndimage.gaussian_filter(
        IMAGES.astype(np.float64),
        (0, sigma, sigma, 0),
        mode="mirror",
        radius=max(1, int(np.ceil(4 * sigma))),
    )
    np.testing.assert_allclose(low, expected, atol=2e-6)
    np.testing.assert_allclose(low + high, IMAGES, atol=1e-6)


def test_a_frequency_split_standardises_first_and_has_its_settings_saved():
    split = splits.FrequencySplit(0.7, color.YDbDr(), mean=(0.5, 0.0, 0.0), std=(0.2, 0.3, 0.4))
    split.build((None, 20, 24, 3))
    parts = split(IMAGES)
    np.testing.assert_allclose(sum(parts), split.standardize(IMAGES), atol=2e-6)
    config = keras.saving.serialize_keras_object(split)
    copy = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(copy(IMAGES)[1], parts[1])
    with pytest.raises(ValueError, match="FrequencySplit.sigma must be a number above 0"):
        splits.FrequencySplit(0.0)


def test_a_split_of_channels_has_its_partition_saved():
    split = splits.ChannelSplit(color.HSV(), first_channels=(2, 0))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(split))
    assert copy.first_channels == (2, 0)


def test_a_frequency_split_compiles_and_has_gradients():
    split = splits.FrequencySplit(1.0)
    split.build((None, 20, 24, 3))
    np.testing.assert_allclose(
        graphs.compiled(split, jit_compile=True)(IMAGES)[0], split(IMAGES)[0], atol=1e-5
    )
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(tf.square(split(x)[1]))
    assert np.abs(tape.gradient(value, x)).max() > 0


@pytest.mark.parametrize("shape", [(2, 6, 9, 3), (2, 4, 6, 9, 3)])
def test_images_and_sequences_of_any_size_are_standardised_by_channel(shape):
    images = np.random.default_rng(0).random(shape, np.float32)
    mean, std = np.float32([0.5, 0.4, 0.3]), np.float32([0.3, 0.2, 0.1])
    split = splits.Whole(color.RGB(), tuple(mean), tuple(std))
    split.build(shape)
    of_any_size = tf.TensorSpec([*[None] * (len(shape) - 1), 3])
    compiled = graphs.compiled(split.standardize, input_signature=[of_any_size])
    for function in (split.standardize, compiled):
        np.testing.assert_array_equal(function(tf.constant(images)), (images - mean) / std)
