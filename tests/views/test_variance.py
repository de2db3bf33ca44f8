"""Channels without variance stop a split; the fill of warps is the data's own mean."""

import numpy as np
import pytest

from infomin_tf.data.shapes import Shapes
from infomin_tf.errors import UserError
from infomin_tf.views import color, families, generators, pairs, splits
from infomin_tf.views.augment.colors import are_grey, mean_color
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.rand_augment import Operation, RandAugment
from infomin_tf.views.variance import check_variance

SHAPES = Shapes("test", 24).load().images.numpy()
GREY = np.repeat(SHAPES[..., 1:2], 3, axis=-1)
SEPIA = np.round(GREY * (1.0, 0.85, 0.6)).astype(np.uint8)
GREEN_ALONE = SHAPES * np.array([0, 1, 0], np.uint8)
FLAT = np.broadcast_to(SHAPES[:, :1, :1], SHAPES.shape)
LUMINANCE_CHROMA = [color.YDbDr, color.Lab, color.YIQ, color.YUV, color.YCbCr]


def check(split, images):
    split.build((None, 64, 64, 3))
    split.adapt(images)
    check_variance(split, images, "set")


@pytest.mark.parametrize("space", [color.RGB, color.HSV, *LUMINANCE_CHROMA])
def test_coloured_images_pass(space):
    for split in (
        splits.ChannelSplit(space()),
        splits.ChannelSplit(space(), first_channels=(0, 2)),
        splits.Whole(space()),
        splits.FrequencySplit(1.0, space()),
    ):
        check(split, SHAPES)


@pytest.mark.parametrize("space", LUMINANCE_CHROMA)
def test_chroma_of_grey_images_stops_every_split(space):
    for split in (
        splits.ChannelSplit(space()),
        splits.ChannelSplit(space(), mean=(0.4, 0.0, 0.0), std=(0.2, 0.1, 0.1)),
        splits.Whole(space()),
        splits.FrequencySplit(1.0, space()),
    ):
        with pytest.raises(UserError, match="less than the rounding of pixels to 8 bits.*are grey"):
            check(split, GREY)


def test_the_message_names_channels_and_the_mend():
    with pytest.raises(UserError, match="^set: a and b of ChannelSplit in Lab vary .* Whole"):
        check(splits.ChannelSplit(color.Lab(), generators.AffineGenerator()), GREY)
    with pytest.raises(UserError, match="H and S of Whole in HSV"):
        check(splits.Whole(color.HSV()), GREY)
    with pytest.raises(UserError, match="R and B of Whole in RGB"):
        check(splits.Whole(color.RGB()), GREEN_ALONE)


def test_a_dye_that_was_not_used_is_told_where_the_constants_are_given(caplog):
    """An empty channel is made large only by its own standard deviation."""
    for split in (splits.Whole, splits.FrequencySplit):
        given = {"color_space": color.RGB((0.4,) * 3, (0.25,) * 3)}
        check(split(**given), GREEN_ALONE)
        with pytest.raises(UserError, match="bind RGB.mean and RGB.std"):
            check(split(color_space=color.RGB()), GREEN_ALONE)
        with pytest.raises(UserError, match="less than the rounding"):
            check(
                split(**given),
                GREEN_ALONE * np.uint8(0)
                + np.arange(24, dtype=np.uint8)[:, None, None, None] // 23,
            )
    assert "R and B of Whole in RGB vary less" in caplog.text
    with pytest.raises(UserError, match="R and B of ChannelSplit in RGB vary less"):
        check(splits.ChannelSplit(color.RGB((0.4,) * 3, (0.25,) * 3)), GREEN_ALONE)


def test_grey_images_go_without_a_split_by_colour():
    check(splits.Whole(color.RGB()), GREY)
    check(splits.FrequencySplit(1.0), GREY)
    check(splits.Whole(color.Lab()), SEPIA)


def test_a_part_that_follows_from_the_other_is_no_view():
    """Red of a grey image is its green; a and b of a brown print follow from L."""
    with pytest.raises(UserError, match="G and B of ChannelSplit in RGB follow from R alone"):
        check(splits.ChannelSplit(color.RGB()), GREY)
    for space in LUMINANCE_CHROMA:
        with pytest.raises(UserError, match="follow from .* alone"):
            check(splits.ChannelSplit(space()), SEPIA)


def test_images_of_one_colour_each_have_no_high_frequencies():
    with pytest.raises(UserError, match=r"set: high frequencies of R.* of FrequencySplit"):
        check(splits.FrequencySplit(1.0), FLAT)
    with pytest.raises(UserError, match="high frequencies"):
        check(splits.FrequencySplit(0.01), SHAPES)  # a blur that blurs nothing


def test_images_that_are_all_the_same_are_refused():
    with pytest.raises(UserError, match="of one colour all over; give others"):
        check(splits.Whole(color.RGB()), np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(UserError, match="all images are the same"):
        check(splits.Whole(color.RGB()), np.repeat(SHAPES[:1], 5, axis=0))


def test_grey_is_told_from_coloured():
    noisy = GREY + np.random.default_rng(0).integers(0, 2, GREY.shape, dtype=np.uint8)
    assert are_grey(GREY) and are_grey(noisy)
    assert not are_grey(SHAPES) and not are_grey(SEPIA)


@pytest.mark.parametrize("dense", [False, True])
def test_warps_fill_grey_images_with_their_own_grey(dense):
    """By the processor and by the device; ImageNet's mean made brown corners."""
    operation = RandAugment(layers=1, operations=(Operation.ROTATE,), probability=1.0)
    family = families.Family(RandomResizedCrop(16), [operation])
    family.apply(GREY[:1], family.draw(1, (1, 2)), dense)  # a trace of before
    family.adapt(GREY)
    assert operation.fill == (round(float(GREY.mean())),) * 3 == mean_color(GREY)
    views = family.apply(GREY[:4], family.draw(4, (3, 4)), dense).numpy()
    np.testing.assert_allclose(views[..., 0], views[..., 1], atol=1e-5)
    np.testing.assert_allclose(views[..., 0], views[..., 2], atol=1e-5)
    corners = np.round(views[:, 0, 0] * 255)
    assert (corners == operation.fill).all()


def test_a_fill_that_is_bound_stays():
    family = families.infomin(16, fill=(124.0, 116.0, 104.0))
    assert family.is_adapted
    family.adapt(GREY)
    assert family.operations[2].fill == (124.0, 116.0, 104.0)


def test_every_way_to_views_has_the_fill_of_the_pair():
    """The host's, the device's, patches of files, pictures and measurements share operations."""
    operation = RandAugment()
    for pair in (
        pairs.IndependentPair(families.Family(RandomResizedCrop(16), [operation])),
        pairs.SharedPair(families.Family(RandomResizedCrop(16), [operation])),
        pairs.PatchPair(16, 4, operations=[operation]),
    ):
        operation.is_adapted = False
        assert not pair.is_adapted
        pair.adapt(GREY)
        for made in (pair, pair.plain()):
            assert made.sampler.operations[0].fill == mean_color(GREY)
