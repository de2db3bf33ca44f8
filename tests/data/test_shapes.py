"""The embedded data: the same on every machine, with independent factors of known entropy."""

import hashlib
import itertools
import math

import numpy as np
import pytest
from scipy import ndimage, stats

from infomin_tf.data import shapes
from infomin_tf.errors import UserError

TRAIN = shapes.Shapes("train").load()


def test_images_are_the_same_on_every_machine():
    digest = hashlib.sha256(TRAIN.images.numpy().tobytes()).hexdigest()
    assert digest == "11e99c14212361ade006831deae93f807da4c4682076be5368c1dd3fb9f47221"


def test_shading_is_the_same_on_every_machine_grey_and_what_scipy_interpolates():
    def images(shading):
        found = shapes.Shapes("test", 400, shading=shading).load().images.numpy()
        return found.astype(int)

    plain, shaded = images(0), images(9)
    inside = np.all((plain > 40) & (plain < 215), axis=-1)
    added = (shaded - plain)[inside]
    assert (added == added[:, :1]).all() and 30 < added.max() <= 36 and -36 <= added.min() < -30
    digest = hashlib.sha256(images(40).astype(np.uint8).tobytes()).hexdigest()
    assert digest == "8910d40b571f169238c97ed79c1b34c26da65224941bd6d55b9b6b59ea11cde5"
    corners = np.random.default_rng(4).integers(-40, 41, (3, 5, 5), np.int32)
    clouds = shapes._clouds(np.random.default_rng(4), 3, 4, 40)[..., 0]
    places = np.stack(np.mgrid[:64, :64] / 16)
    for cloud, grid in zip(clouds, corners, strict=True):
        expected = ndimage.map_coordinates(grid.astype(float), places, order=1)
        np.testing.assert_array_equal(cloud, np.floor(expected))


def test_factors_are_uniform_and_independent():
    generator = np.random.Generator(np.random.Philox(key=[5, 5]))
    factors = shapes.draw_factors(generator, 20000)
    for name, count in shapes.FACTORS.items():
        assert stats.chisquare(np.bincount(factors[name], minlength=count)).pvalue > 1e-4
    for a, b in itertools.combinations(shapes.FACTORS, 2):
        table = np.zeros((shapes.FACTORS[a], shapes.FACTORS[b]))
        np.add.at(table, (factors[a], factors[b]), 1)
        assert stats.chi2_contingency(table).pvalue > 1e-5, (a, b)


def test_entropy_is_that_of_uniform_factors():
    assert shapes.entropy("shape") == pytest.approx(math.log(8))
    assert shapes.entropy("position", "size") == pytest.approx(math.log(16 * 4))
    assert shapes.entropy() == 0.0


@pytest.mark.parametrize("name", shapes.FACTORS)
def test_every_factor_shows_in_the_image(name):
    generator = np.random.Generator(np.random.Philox(key=[1, 1]))
    factors = shapes.draw_factors(generator, shapes.FACTORS[name])
    for other in factors:
        factors[other][:] = factors[other][0]
    factors["shape"][:] = 2
    factors[name] = np.arange(shapes.FACTORS[name], dtype=np.int32)
    images = shapes.render(factors, np.random.Generator(np.random.Philox(key=[1, 2]))).astype(int)
    for i, j in itertools.combinations(range(len(images)), 2):
        assert (np.abs(images[i] - images[j]) > 40).sum() > 10, (i, j)


def test_pairs_share_exactly_the_named_factors():
    first, second, kept = shapes.pair_batch(3, 4000, ("color", "position"))
    assert kept.shape == (4000, 2) and first.shape == second.shape == (4000, 64, 64, 3)
    # Texture is not shared: the ground's corner pixel of the two images is independent.
    corner = [images[:, 0, 0].astype(float).mean(1) for images in (first, second)]
    assert abs(np.corrcoef(*corner)[0, 1]) < 0.06
    # Everything shared: the images differ by nuisance alone.
    first, second, _ = shapes.pair_batch(3, 100, tuple(shapes.FACTORS))
    difference = np.abs(first.astype(int) - second.astype(int))
    assert 0 < difference.max() <= 2 * (12 + 8)


def test_shape_and_size_can_be_told_from_the_outline_and_rotation_up_to_symmetry():
    """So entropy is the mutual information of pairs that share anything but the rotation."""
    stamps = shapes._stamps()
    outlines = {  # (shape, size) -> what its rotations look like
        (k, s): {stamp.tobytes() for stamp in stamps[k, s]} for k in range(8) for s in range(4)
    }
    assert sum(map(len, outlines.values())) == len(set().union(*outlines.values()))
    distinct = dict(zip(shapes.SHAPE_NAMES, [1, 2, 8, 2, 1, 8, 4, 8], strict=True))
    for (kind, _), looks in outlines.items():
        assert len(looks) == distinct[shapes.SHAPE_NAMES[kind]]


def test_pairs_may_share_nothing_and_only_what_exists():
    first, second, kept = shapes.pair_batch(0, 3, ())
    assert kept.shape == (3, 0) and not np.array_equal(first, second)
    with pytest.raises(UserError, match="'colour' is not one of shape, color"):
        shapes.pair_batch(0, 3, ("colour",))


def test_splits_are_disjoint_and_labelled():
    test, unlabelled = shapes.Shapes("test").load(), shapes.Shapes("unlabelled", size=500).load()
    seen = {image.tobytes() for image in TRAIN.images.numpy()}
    assert not any(image.tobytes() in seen for image in test.images.numpy())
    assert TRAIN.size == 2000 and test.size == 1000 and len(TRAIN.class_names) == 8
    drawn = shapes.draw_factors(np.random.Generator(np.random.Philox(key=[0, 1])), 2000)
    np.testing.assert_array_equal(TRAIN.labels, drawn["shape"])
    assert np.all(unlabelled.labels.numpy() == -1) and unlabelled.class_names == ()


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="not one of train, test, unlabelled"):
        shapes.Shapes("valid")
    with pytest.raises(UserError, match="not one of shape"):
        shapes.Shapes(label="shapes")
    for wrong in (-1, 2.5, 256, "dark"):
        with pytest.raises(ValueError, match="Shapes.shading must be a whole grey level"):
            shapes.Shapes(shading=wrong)
