"""I_NCE of views that share known factors, against their entropy."""

import pathlib
import sys

import pytest
import tensorflow as tf

from infomin_tf.data import shapes
from infomin_tf.evaluation.mutual_information import estimate_i_nce
from infomin_tf.views import pairs
from tests import small

sys.path.append(str(pathlib.Path(__file__).parents[1] / "examples"))
import mutual_information_of_shapes as example  # noqa: E402


def test_i_nce_finds_the_entropy_of_the_shared_factor():
    """log 8 = 2.08 nats, far below log N = 5.5; the perfect critic reaches 2.066 of it."""
    mean, error = example.estimate(("texture",), steps=80, draws=4)
    best = example.best_possible(("texture",), example.CANDIDATES)
    assert best < shapes.entropy("texture") < best + 0.03
    assert mean <= best + 4 * error
    assert mean == pytest.approx(best, abs=0.15)


def test_the_perfect_critic_by_simulation():
    """log N - E log(number of candidates with the positive's value)."""
    generator = tf.random.Generator.from_seed(1)
    values = generator.uniform([4000, 64], maxval=8, dtype=tf.int32)
    same = tf.reduce_sum(tf.cast(values == values[:, :1], tf.float32), axis=1)
    simulated = tf.math.log(64.0) - tf.reduce_mean(tf.math.log(same))
    assert float(simulated) == pytest.approx(example.best_possible(("color",), 64), abs=0.02)


def test_estimate_averages_over_draws_with_its_error():
    images, pair = small.images(40), pairs.IndependentPair(pairs.CropAndFlip(12))
    seen = []

    def mean_level(x1, x2):
        seen.append(x1.shape)
        return tf.reduce_mean(x1) + 0 * tf.reduce_mean(x2)

    mean, error, candidates = estimate_i_nce(
        mean_level, images, pair, 0, num_candidates=64, draws=6
    )
    assert candidates == 40 and seen[0] == (40, 12, 12, 3)
    assert mean == pytest.approx(0.5, abs=0.02) and 0 < error < 0.01
