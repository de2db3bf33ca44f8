"""Pairs: patches at an exact offset, one view for both parts, and the way through the pipeline."""

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data import pipeline
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order
from infomin_tf.errors import UserError
from infomin_tf.views import color, generators, pairs, picture, splits
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.jigsaw import JigsawPatches
from infomin_tf.views.augment.patches import RandomPatch
from infomin_tf.views.augment.photometric import ColorJitter, Greyscale
from infomin_tf.views.families import Family


def coordinate_images(count, height, width):
    """Pixels that tell their own place: channels are y and x (and the image's number)."""
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [np.stack([y, x, np.full_like(y, index)], axis=-1) for index in range(count)]
    ).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(60, 60), (48, 90), (31, 200)])
@pytest.mark.parametrize(("size", "distance"), [(8, 0), (8, 16), (12, 19)])
def test_patches_lie_exactly_d_apart(height, width, size, distance):
    images = coordinate_images(40, height, width)
    first, second = pairs.PatchPair(size, distance)(images, tf.constant([3, 4]))
    corner = np.round(first[:, 0, 0].numpy() * 255)
    np.testing.assert_array_equal(
        np.round(second[:, 0, 0, :2].numpy() * 255), corner[:, :2] + distance
    )
    for patches in (first, second):  # whole pixels, each from its own image
        values = np.round(patches.numpy() * 255)
        expected = values[:, :1, :1, :2] + np.moveaxis(np.mgrid[:size, :size], 0, -1)
        np.testing.assert_array_equal(values[..., :2], expected)
        assert (values[..., 2] == np.arange(40)[:, None, None]).all()


def test_places_are_uniform_and_reach_every_border():
    images = coordinate_images(1, 20, 24).repeat(4000, axis=0)
    first, _ = pairs.PatchPair(4, 10)(images, tf.constant([0, 1]))
    corner = np.round(first[:, 0, 0, :2].numpy() * 255).astype(int)
    for axis, free in ((0, 20 - 14 + 1), (1, 24 - 14 + 1)):
        counts = np.bincount(corner[:, axis], minlength=free)
        assert len(counts) == free
        np.testing.assert_allclose(counts, 4000 / free, rtol=0.2)


def test_images_without_room_are_refused():
    with pytest.raises(UserError, match="need images of at least 40 px, but these are 30x60"):
        pairs.PatchPair(8, 32)(coordinate_images(1, 30, 60), tf.constant([0, 0]))


def test_flat_places_are_left_out_when_asked_for():
    """Left half flat, right half noise: with a threshold both patches of a pair touch the noise."""
    generator = np.random.default_rng(0)
    images = np.full((60, 40, 40, 3), 128, np.uint8)
    images[:, :, 20:] = generator.integers(0, 256, (60, 40, 20, 3))
    for threshold, low, high in ((0.0, 0.3, 0.7), (0.2, 0.95, 1.0)):
        views = pairs.PatchPair(6, 3, min_std=threshold)(images, tf.constant([5, 6]))
        noisy = np.minimum(*[x.numpy().std(axis=(1, 2, 3)) for x in views]) > 0.2
        assert low <= noisy.mean() <= high
    flat = np.full((4, 40, 40, 3), 128, np.uint8)  # nothing will do: a place is taken all the same
    assert pairs.PatchPair(6, 3, min_std=0.2)(flat, tf.constant([5, 6]))[0].shape == (4, 6, 6, 3)


def test_patches_take_operations_and_a_colour_split():
    images = np.random.default_rng(1).integers(0, 256, (4, 50, 50, 3), dtype=np.uint8)
    pair = pairs.PatchPair(16, 20, operations=[ColorJitter.of_strength(1.0)])
    plain, changed = pairs.PatchPair(16, 20)(images, (1, 2)), pair(images, (1, 2))
    assert np.abs(plain[0] - changed[0]).max() > 0.02
    split = splits.ChannelSplit(color.Lab(), generators.AdditiveGenerator())
    split.build((None, 16, 16, 3))
    assert [part.shape for part in split(changed[0])] == [(4, 16, 16, 1), (4, 16, 16, 2)]


def test_patches_of_the_pipeline_are_those_of_the_pair_and_compile():
    images = ArrayImages("coordinates", coordinate_images(16, 40, 40), np.arange(16))
    pair = pairs.PatchPair(8, 16)
    (first, second), labels = next(iter(pipeline.training_batches(images, Order(8, 0), pair)))
    offset = np.round((second - first)[..., :2].numpy() * 255)
    assert (offset == 16).all()
    np.testing.assert_array_equal(np.round(first[:, 0, 0, 2].numpy() * 255), labels)
    draws = pair.draw(8, tf.constant([1, 2]))
    compiled = graphs.compiled(lambda x: pair.apply(x, draws, dense=True), jit_compile=True)
    batch = images.images[:8]
    for a, b in zip(compiled(batch), pair.apply(batch, draws), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


class TwoFamilies(pairs.IndependentPair):
    """A pair of one's own: a crop, and a crop in grey."""

    @property
    def samplers(self):
        return (self.sampler, OTHER_FAMILY)


OTHER_FAMILY = Family(RandomResizedCrop(8), [Greyscale(1.0)])


def test_an_earlier_view_stands_for_the_other_only_where_both_are_drawn_alike():
    """As a memory bank takes it (InstDis); patches, and two families, differ in more than draws."""
    family = pairs.CropAndFlip(8)
    assert pairs.IndependentPair(family).views_are_alike
    assert pairs.SharedPair(family).views_are_alike
    assert pairs.IndependentPair(family, JigsawPatches(24, grid=2, patch=12)).views_are_alike
    for pair in (pairs.PatchPair(8, 4), TwoFamilies(family)):
        assert not pair.views_are_alike
        with pytest.raises(UserError, match="both_directions = True, which keeps a bank for each"):
            pair.of_one_view()


@pytest.mark.parametrize("bad", [{"size": 0}, {"distance": -1}, {"min_std": 0.7}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=f"RandomPatch.{next(iter(bad))} must be"):
        RandomPatch(**bad)


def test_a_shared_pair_gives_one_view_to_both_parts():
    images = np.random.default_rng(1).integers(0, 256, (64, 40, 40, 3), dtype=np.uint8)
    pair = pairs.SharedPair(Family(RandomResizedCrop(24), [Greyscale(0.5)]))
    first, second = pair(images, (1, 2))
    assert first is second
    assert np.abs(first - pair(images, (1, 3))[0]).max() > 0.1
    picture.check_changes(pair, images)
    assert picture.view_grid(pair, images, num_images=2, num_views=3).shape == (52, 104, 3)


def test_a_picture_shows_both_halves_of_patch_pairs():
    grid = picture.view_grid(pairs.PatchPair(8, 16), coordinate_images(2, 40, 40), num_views=4)
    rows, columns = (10 * np.arange(2)), (10 * np.arange(5))
    corners = grid[rows[:, None], columns].astype(int)
    np.testing.assert_array_equal(corners[:, 2, :2] - corners[:, 1, :2], 16)
    np.testing.assert_array_equal(corners[:, 4, :2] - corners[:, 3, :2], 16)
