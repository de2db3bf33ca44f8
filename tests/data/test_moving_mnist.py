"""Colorful Moving-MNIST: motion, reflection, kept and redrawn factors, independent seeds."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order, Shard
from infomin_tf.errors import UserError
from infomin_tf.moving_mnist.pair import FactorPair
from infomin_tf.moving_mnist.sequences import MovingMnist, Sequences

COUNT = 512
NAMES = tuple("0123456789")


def images(kind, count, side, seed=0):
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    if kind == "digits":
        pixels[..., 1:] = pixels[..., :1]
    return ArrayImages(kind, pixels, np.arange(count) % 10, NAMES)


@pytest.fixture(scope="module")
def sequences():
    return Sequences(images("digits", 200, 28), images("backgrounds", 150, 96), 64)


def seed(number):
    return tf.constant([number, 7])


def test_the_speed_is_a_tenth_of_the_canvas_and_reflection_keeps_the_digit_inside(sequences):
    factors = sequences.draw(COUNT, seed(0))
    corners = sequences.corners(factors, range(1, 61)).numpy()
    assert corners.min() >= 0 and corners.max() <= 36
    np.testing.assert_allclose(corners[:, 0], factors["start"], atol=1e-5)
    steps = np.diff(corners, axis=1)
    # Where no border was met, a step has the whole length; elsewhere no axis moves more than that.
    speed = np.linalg.norm(steps, axis=2)
    assert np.all(speed <= 6.4 + 1e-3)
    inside = np.all((corners[:, :-1] >= 6.4) & (corners[:, :-1] <= 36 - 6.4), axis=2)
    np.testing.assert_allclose(speed[inside], 6.4, atol=1e-3)
    assert 0.2 < inside.mean() < 0.9


def test_a_digit_of_half_the_speed_is_after_two_frames_where_the_other_is_after_one(sequences):
    loaded = Loaded(sequences.digits), Loaded(sequences.backgrounds)
    slow = MovingMnist(*loaded, speed=0.05).load()
    factors = sequences.draw(COUNT, seed(0))
    np.testing.assert_allclose(
        slow.corners(factors, range(1, 20, 2)), sequences.corners(factors, range(1, 11)), atol=1e-3
    )
    np.testing.assert_array_equal(slow.thin(30).corners(factors, [9]), slow.corners(factors, [9]))
    with pytest.raises(ValueError, match="speed"):
        MovingMnist(*loaded, speed=0.0)


def test_motion_is_that_of_a_ball_that_bounces(sequences):
    """A loop that moves by a hundredth of a frame and turns the velocity at the border."""
    factors = sequences.draw(16, seed(1))
    found = sequences.corners(factors, range(1, 21)).numpy()
    place = factors["start"].numpy().astype(np.float64)
    angle = factors["angle"].numpy().astype(np.float64)
    velocity = 6.4 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    for frame in range(20):
        np.testing.assert_allclose(found[:, frame], place, atol=0.02)
        for _ in range(1000):
            place = place + velocity / 1000
            out = (place < 0) | (place > 36)
            velocity = np.where(out, -velocity, velocity)
            place = np.where(place < 0, -place, np.where(place > 36, 72 - place, place))


def test_starts_and_angles_are_uniform(sequences):
    factors = sequences.draw(4096, seed(2))
    for values, limit in (
        (factors["start"][:, 0], 36),
        (factors["start"][:, 1], 36),
        (factors["angle"], 2 * math.pi),
    ):
        assert stats.kstest(values.numpy() / limit, "uniform").pvalue > 1e-3
    crops = factors["crop"].numpy()
    assert crops.min() == 0 and crops.max() == 32


def test_frames_are_the_background_with_the_digit_painted_over_it(sequences):
    factors = sequences.draw(4, seed(3))
    corners = tf.constant([[[0.0, 36.0], [17.4, 5.6]]] * 4)
    frames = sequences.render(factors, corners).numpy()
    for row in range(4):
        y, x = factors["crop"][row].numpy()
        ground = (
            sequences.backgrounds.images[factors["background"][row]].numpy()[y : y + 64, x : x + 64]
            / 255
        )
        digit = sequences.digits.images[factors["digit"][row]].numpy()[..., :1] / 255
        for frame, (top, left) in zip(frames[row], ((0, 36), (17, 6)), strict=True):
            expected = ground.copy()
            part = expected[top : top + 28, left : left + 28]
            expected[top : top + 28, left : left + 28] = part * (1 - digit) + digit
            np.testing.assert_allclose(frame, expected, atol=1e-6)


def test_probe_frames_say_where_the_digit_is_and_what_is_there(sequences):
    frames, labels = sequences.frames(64, seed(4))
    factors = sequences.draw(64, seed(4))
    corner = np.round(factors["start"].numpy())
    np.testing.assert_allclose(labels["position"], corner + 14)
    np.testing.assert_array_equal(labels["digit"], factors["digit"].numpy() % 10)
    np.testing.assert_array_equal(labels["background"], factors["background"].numpy() % 10)
    assert frames.shape == (64, 64, 64, 3)


@pytest.mark.parametrize("keep", list(itertools.product((0, 1), repeat=3)))
def test_kept_factors_equal_those_of_frame_t_and_the_others_are_independent(sequences, keep):
    digit, position, background = map(bool, keep)
    pair = FactorPair(64, digit, position, background)
    first, second = pair.factors(sequences, 4096, seed(5))
    target = sequences.corners(first, [20])[:, 0].numpy()
    assert np.array_equal(first["digit"], second["digit"]) == digit
    assert np.array_equal(first["background"], second["background"]) == background
    assert np.array_equal(first["crop"], second["crop"]) == background
    assert np.array_equal(target, second["corner"]) == position
    if not position:
        for axis in (0, 1):
            assert stats.pearsonr(target[:, axis], second["corner"][:, axis]).pvalue > 1e-3
    for name in [n for n, kept in (("digit", digit), ("background", background)) if not kept]:
        table = np.histogram2d(first[name] % 10, second[name] % 10, bins=10)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-3
    if not background:
        table = np.histogram2d(first["crop"][:, 0], second["crop"][:, 0], bins=8)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-3
    redrawn = second["angle"].numpy()  # of nothing that is kept
    for name in ("digit", "background"):
        assert stats.pearsonr(second[name], redrawn).pvalue > 1e-3


def test_view_2_shows_what_is_kept(sequences):
    v1, v2 = FactorPair(64, True, True, True, num_frames=3, target_frame=4)(sequences, 8, seed(6))
    assert v1.shape == (8, 3, 64, 64, 3) and v2.shape == (8, 64, 64, 3)
    longer, _ = FactorPair(64, True, num_frames=4, target_frame=5)(sequences, 8, seed(6))
    np.testing.assert_array_equal(v2, longer[:, 3])  # frame 4 itself, as everything is kept


def test_batches_are_a_function_of_seed_and_step(sequences):
    pair = FactorPair(keep_digit=True)
    batches = list(pair.batches(sequences, Order(4, 3)).take(3))
    again = next(iter(pair.batches(sequences, Order(4, 3, first_step=2))))
    other = next(iter(pair.batches(sequences, Order(4, 4, first_step=2))))
    for index in (0, 1):
        np.testing.assert_array_equal(batches[2][0][index], again[0][index])
        assert not np.array_equal(again[0][index], other[0][index])
    frames = list(sequences.raw(Order(4, 3), 4).take(2))
    resumed = next(iter(sequences.raw(Order(4, 3, first_step=1), 4)))
    np.testing.assert_array_equal(frames[1][0], resumed[0])
    assert not np.array_equal(frames[0][0], frames[1][0])


def test_shards_together_are_the_batch_of_one_host(sequences):
    pair = FactorPair(keep_position=True)
    streams = (
        lambda shard: pair.batches(sequences, Order(4, 3, shard=Shard(*shard))),
        lambda shard: sequences.raw(Order(4, 3, shard=Shard(*shard)), 4),
    )
    for stream in streams:
        [whole], *shards = (stream(shard).take(1) for shard in ((0, 1), (0, 2), (1, 2)))
        flat = [tf.nest.flatten(next(iter(shard))) for shard in shards]
        for expected, *parts in zip(tf.nest.flatten(whole), *flat, strict=True):
            np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_entropy_counts_what_may_be_drawn(sequences):
    rounded = np.round(np.linspace(0, 36, 36 * 1000 + 1)).astype(int)
    shares = np.bincount(rounded) / len(rounded)
    axis = -np.sum(shares * np.log(shares))
    assert sequences.entropy(["position"]) == pytest.approx(2 * axis, abs=1e-3)
    both = sequences.entropy(["digit", "background"])
    assert both == pytest.approx(math.log(200) + math.log(150 * 33 * 33))


def test_pictures(sequences):
    pair = FactorPair(keep_background=True)
    assert pair.picture(sequences, num_rows=3).shape == (3 * 66, 12 * 66, 3)
    assert pair.animation(sequences, num_columns=2).shape == (20, 64, 128, 3)


class Loaded:
    """A source of images that are there."""

    def __init__(self, content):
        self._content = content

    def load(self, data_dir=None):
        return self._content


def test_fewer_digits_and_backgrounds_to_try_a_configuration_out(sequences):
    few = sequences.thin(30)
    assert few.size == 30 and few.backgrounds.size == 30 and few.canvas == 64
    np.testing.assert_array_equal(few.digits.images[0], sequences.digits.images[0])


def test_wrong_sources_and_settings_are_explained():
    digits, backgrounds = images("digits", 20, 28), images("backgrounds", 20, 96)
    with pytest.raises(UserError, match="change MovingMnist.canvas"):
        MovingMnist(Loaded(digits), Loaded(images("small", 20, 48))).load()
    nameless = ArrayImages("nameless", backgrounds.images, [-1] * 20)
    with pytest.raises(UserError, match="needs labelled images"):
        MovingMnist(Loaded(digits), Loaded(nameless)).load()
    unlabelled = ArrayImages("unlabelled", backgrounds.images, [-1] * 20, NAMES)
    with pytest.raises(UserError, match="needs labelled images"):
        MovingMnist(Loaded(digits), Loaded(unlabelled)).load()
    with pytest.raises(UserError, match="1 <= num_frames < target_frame"):
        FactorPair(num_frames=10, target_frame=10)
    made = MovingMnist(Loaded(digits), Loaded(backgrounds), canvas=80).load()
    with pytest.raises(UserError, match="make them equal"):
        FactorPair(keep_digit=True)(made, 2, seed(0))
