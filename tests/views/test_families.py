"""Families: what they are made of, host equals device, the JigSaw view, pictures, checks."""

import contextlib
import functools

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data import pipeline
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order
from infomin_tf.errors import UserError
from infomin_tf.views import families, pairs, picture
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.jigsaw import JigsawPatches
from infomin_tf.views.augment.photometric import ColorJitter, Greyscale

RNG = np.random.default_rng(5)
IMAGES = np.clip(
    np.kron(RNG.integers(0, 256, (8, 5, 7, 3)), np.ones((1, 8, 8, 1)))
    + RNG.normal(0, 9, (8, 40, 56, 3)),
    0,
    255,
).astype(np.uint8)
FAMILIES = [
    families.moco_v1,
    families.moco_v2,
    families.simclr,
    families.infomin,
    families.infomin_colorless,
    pairs.CropAndFlip,
]
COMPILED = [families.infomin, families.moco_v1]
"""What runs under XLA: every operation, and grey before and after the others."""


@contextlib.contextmanager
def eagerly(uncompiled=True):
    """What would be compiled is run as it is written, on the host image by image."""
    tf.config.run_functions_eagerly(uncompiled)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@functools.cache
def host_views(make):
    """A family of views of 24 pixels, compiled once for all tests; draws, its views of IMAGES."""
    family = make(size=24)
    draws = family.draw(8, tf.constant([6, 1]))
    with eagerly(make not in COMPILED):
        return family, draws, family.apply(IMAGES, draws).numpy()


def dense(family):
    """The family with the whole batch at once instead of the host's loop, which is compiled."""
    family._finish_one_by_one = family._finish
    return family


@pytest.mark.parametrize("make", FAMILIES)
def test_views_are_stateless_in_range_and_differ(make):
    family, *_ = host_views(make)
    seed = tf.constant([4, 2])
    with eagerly(make not in COMPILED):
        x, again, other = (family(IMAGES, s) for s in (seed, seed, tf.constant([4, 3])))
    assert x.shape == (8, 24, 24, 3) and np.min(x) >= 0.0 and np.max(x) <= 1.0
    np.testing.assert_array_equal(x, again)
    assert not np.allclose(x, other)


@pytest.mark.parametrize(
    "make, compiled",
    [(make, False) for make in FAMILIES]
    + [pytest.param(make, True, marks=pytest.mark.long) for make in COMPILED],
)
def test_host_equals_device(make, compiled):
    """The whole batch at once, compiled or not, gives the views that the host makes one by one."""
    family, draws, host = host_views(make)
    device = functools.partial(family.apply, dense=True)
    if compiled:
        device = graphs.compiled(device, jit_compile=True)
    far = np.abs(host - device(IMAGES, draws).numpy()) > 1.5 / 255
    assert far.mean() < 1e-3  # a rounding may fall on the other side before a table


def test_a_part_of_a_batch_gets_the_views_it_has_in_the_batch():
    family, draws, _ = host_views(families.infomin)
    part = tf.nest.map_structure(lambda x: x[2:5], draws)
    with eagerly():
        whole, of_part = family.apply(IMAGES, draws), family.apply(IMAGES[2:5], part)
    np.testing.assert_allclose(of_part, whole[2:5], atol=1e-5)


def test_the_ladder_of_figure_12_adds_one_operation_a_step():
    for second in ({"layers": 0}, {"blur_probability": 0.0}):
        path = [{"layers": 0, "blur_probability": 0.0}, second, {}]
        made = [families.infomin(size=24, **settings) for settings in path]
        names = [[type(operation).__name__ for operation in one.operations] for one in made]
        assert names[0] == ["ColorJitter", "Greyscale"]
        for weaker, stronger in zip(names, names[1:], strict=False):
            added = [name for name in stronger if name not in weaker]
            assert len(added) == 1 and [n for n in stronger if n not in added] == weaker


def test_colorless_family_keeps_grey_images_grey():
    grey = np.repeat(IMAGES[..., :1], 3, axis=-1)
    family = families.infomin_colorless(size=24)
    family.operations[1].fill = (9.0, 9.0, 9.0)
    with eagerly():
        views = family(grey, tf.constant([1, 1])).numpy()
    np.testing.assert_allclose(views[..., 0], views[..., 1], atol=1e-4)


def test_pipeline_in_chunks_equals_the_whole_batch(monkeypatch):
    images = ArrayImages("some", IMAGES.repeat(3, 0), np.arange(24))
    pair = pairs.IndependentPair(families.Family(RandomResizedCrop(24), [Greyscale(0.5)]))
    whole = list(pipeline.training_batches(images, Order(12, 0), pair).take(3))
    monkeypatch.setattr(pipeline, "_PIXELS_PER_CHUNK", 4 * 24 * 24)
    parts = list(pipeline.training_batches(images, Order(12, 0), pair).take(3))
    for (views, labels), (chunked, chunked_labels) in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(labels, chunked_labels)
        for x, y in zip(views, chunked, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5)


def test_on_device_the_pipeline_gives_images_and_draws():
    images = ArrayImages("some", IMAGES, np.arange(8))
    family = families.Family(RandomResizedCrop(24), [Greyscale(0.5)])
    host = pairs.IndependentPair(family)
    device = pairs.IndependentPair(family, on_device=True)
    (views, _), ((raw, draws), _) = (
        next(iter(pipeline.training_batches(images, Order(8, 0), pair))) for pair in (host, device)
    )
    assert raw.dtype == tf.uint8
    for x, y in zip(views, device.apply(raw, draws, dense=True), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-3)


def test_jigsaw_patches_are_crops_of_their_cells():
    jigsaw = JigsawPatches(size=30, area=(1.0, 1.0), grid=3, patch=7)
    square = IMAGES[:, :40, :40]
    draws = jigsaw.draw(8, tf.constant([1, 8]))
    crops = jigsaw.crop.apply(square, draws[0]).numpy()
    patches = jigsaw.apply(square, draws).numpy() * 255
    assert patches.shape == (8, 9, 7, 7, 3)
    offsets, order = draws[1]["offsets"].numpy(), draws[1]["order"].numpy()
    assert offsets.min() >= 0 and offsets.max() <= 3
    for image in range(8):
        assert sorted(order[image]) == list(range(9))
        for place, cell in enumerate(order[image]):
            y, x = np.array(divmod(cell, 3)) * 10 + offsets[image, cell]
            expected = crops[image, y : y + 7, x : x + 7]
            np.testing.assert_allclose(patches[image, place], expected, atol=0.01)
    with pytest.raises(ValueError, match="does not fit a cell"):
        JigsawPatches(30, patch=11)


def test_pairs_with_a_jigsaw_view_have_three():
    pair = pairs.IndependentPair(pairs.CropAndFlip(24), JigsawPatches(30, patch=8))
    x1, x2, patches = pair(IMAGES, tf.constant([1, 1]))
    assert x1.shape == x2.shape == (8, 24, 24, 3) and patches.shape == (8, 9, 8, 8, 3)
    assert len(pair.plain()(IMAGES, tf.constant([1, 1]))) == 2


def test_picture_has_a_row_an_image_and_a_column_a_view():
    grid = picture.view_grid(
        pairs.IndependentPair(dense(families.infomin(24))), IMAGES, num_images=3, num_views=4
    )
    assert grid.shape == (3 * 26, 5 * 26, 3) and grid.dtype == np.uint8
    assert not np.array_equal(grid[:24, 26:50], grid[:24, 52:76])


def test_views_that_change_nothing_are_an_error_and_idle_operations_a_warning(caplog):
    still = pairs.IndependentPair(pairs.CropAndFlip(24, area=(1.0, 1.0), ratio=(1.0, 1.0)))
    still.sampler.crop.flip_probability = 0.0
    with pytest.raises(UserError, match="nothing to learn"):
        picture.check_changes(still, IMAGES[:, :40, :40])
    picture.check_changes(pairs.IndependentPair(dense(families.infomin(24))), IMAGES)
    assert "changes none" not in caplog.text
    idle = dense(
        families.Family(RandomResizedCrop(24), [ColorJitter.of_strength(0.0), Greyscale()])
    )
    picture.check_changes(pairs.IndependentPair(idle), IMAGES)
    assert "ColorJitter changes none" in caplog.text


def test_parts_of_a_family_that_are_of_another_kind_are_named():
    class Fade:
        pass

    with pytest.raises(ValueError, match="needs a Transform, which Fade is not; make it a sub"):
        families.Family(RandomResizedCrop(24), [Fade()])
    with pytest.raises(ValueError, match="needs a Crop, which Greyscale is not; make it a sub"):
        families.Family(Greyscale())
