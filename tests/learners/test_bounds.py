"""Bounds on mutual information: against loops, and with the perfect critic of a Gaussian pair."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from infomin_tf import graphs
from infomin_tf.learners import bounds, losses

RNG = np.random.default_rng(7)
ALL = [bounds.InfoNCE(1.0), bounds.DonskerVaradhan(), bounds.NWJ(), bounds.SMILE()]
NAMES = [type(bound).__name__ for bound in ALL]


def by_loops(name, scores):
    """The estimate of a bound from float64 scores [B, B], pair by pair."""
    size = len(scores)
    joint = np.mean([scores[i, i] for i in range(size)])
    off = np.array([scores[i, j] for i in range(size) for j in range(size) if i != j])
    if name == "InfoNCE":
        ways = [
            scores[i, i] - logsumexp(s)
            for s, i in zip([*scores, *scores.T], 2 * [*range(size)], strict=True)
        ]
        return math.log(size) + np.mean(ways)
    if name == "DonskerVaradhan":
        return joint - math.log(np.mean(np.exp(off)))
    if name == "NWJ":
        return joint - np.mean(np.exp(off - 1))
    return joint - math.log(np.mean(np.clip(np.exp(off), math.exp(-5), math.exp(5))))


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_estimates_against_loops(bound):
    scores = 4.0 * RNG.normal(size=(9, 9))  # some beyond the clip of SMILE
    expected = by_loops(type(bound).__name__, scores)
    np.testing.assert_allclose(bound.estimate(tf.constant(scores, tf.float32)), expected, rtol=1e-4)


def test_scores_are_inner_products_over_the_temperature():
    z1, z2 = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    expected = z1 @ z2.T / 0.5
    np.testing.assert_allclose(bounds.NWJ(0.5).scores(z1, z2), expected, rtol=1e-5)
    np.testing.assert_allclose(
        bounds.NWJ(0.5)(z1, z2), by_loops("NWJ", expected.astype(np.float64)), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("bound", "temperature"),
    [
        (bounds.InfoNCE(), 0.07),
        (bounds.DonskerVaradhan(), 1.0),
        (bounds.NWJ(), 1.0),
        (bounds.SMILE(), 1.0),
        (bounds.SMILE(temperature=0.5), 0.5),
    ],
)
def test_scores_have_the_usual_temperature_unless_another_is_given(bound, temperature):
    z1, z2 = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(bound.scores(z1, z2), z1 @ z2.T / temperature, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "blocks"), [(4, [(4, 4)]), (8, 4 * [(4, 8)]), (10, 2 * [(4, 10), (4, 10), (2, 10)])]
)
def test_many_scores_of_info_nce_are_made_by_rows(size, blocks, monkeypatch):
    """Both directions, of at most ROWS queries at a time; the value is that of the whole matrix."""
    monkeypatch.setattr(losses, "ROWS", 4)
    made, bound = [], bounds.InfoNCE(0.5)
    whole = bound.scores

    def noting(rows, keys):
        made.append((rows.shape[0], keys.shape[0]))
        return whole(rows, keys)

    monkeypatch.setattr(bound, "scores", noting)
    z1, z2 = RNG.normal(size=(2, size, 3)).astype(np.float32)
    found = float(bound(tf.constant(z1), tf.constant(z2)))
    assert made == blocks
    scores = z1.astype(np.float64) @ z2.T.astype(np.float64) / 0.5
    assert found == pytest.approx(by_loops("InfoNCE", scores), rel=1e-4)


def test_smile_is_trained_by_the_jensen_shannon_objective():
    """E_joint[log sigmoid(h)] + E_marginals[log(1 - sigmoid(h))], pair by pair."""
    scores = 2.0 * RNG.normal(size=(6, 6))
    real = [math.log(1 / (1 + math.exp(-scores[i, i]))) for i in range(6)]
    chance = [1 / (1 + math.exp(-scores[i, j])) for i in range(6) for j in range(6) if i != j]
    expected = np.mean(real) + np.mean(np.log1p(-np.array(chance)))
    found = bounds.SMILE().objective(tf.constant(scores, tf.float32))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def log_density_ratio(rho, count):
    """log p(x, y) / p(x) p(y) of all pairs of a correlated Gaussian sample, and I(x; y)."""
    x = RNG.normal(size=count)
    y = rho * x + math.sqrt(1 - rho**2) * RNG.normal(size=count)
    a, b = x[:, None], y[None, :]
    exponent = (rho**2 * (a**2 + b**2) - 2 * rho * a * b) / (2 * (1 - rho**2))
    return -exponent - 0.5 * math.log(1 - rho**2), -0.5 * math.log(1 - rho**2)


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_the_perfect_critic_gives_the_mutual_information_of_a_gaussian_pair(bound):
    scores, truth = log_density_ratio(0.8, 3000)
    scores += (
        1.0 if isinstance(bound, bounds.NWJ) else 0.0
    )  # its best critic is 1 + the log-density ratio
    assert float(bound.estimate(tf.constant(scores, tf.float32))) == pytest.approx(truth, abs=0.04)


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
@pytest.mark.parametrize("factor", [0.5, 1.7])
def test_the_objective_is_largest_at_the_perfect_critic(bound, factor):
    scores, _ = log_density_ratio(0.8, 2000)
    shift = 1.0 if isinstance(bound, bounds.NWJ) else 0.0
    best, other = (
        float(bound.objective(tf.constant(shift + f * scores, tf.float32))) for f in (1.0, factor)
    )
    assert best > other + 0.01


def test_i_nce_saturates_at_log_n_and_the_others_do_not():
    scores = tf.constant(30.0 * np.eye(16), tf.float32)  # pairs that are certain
    assert float(bounds.InfoNCE(1.0).estimate(scores)) == pytest.approx(math.log(16), abs=1e-5)
    for bound in ALL[1:]:
        assert float(bound.estimate(scores)) > math.log(16) + 5


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_compiled_equals_eager_and_gradients_are_finite(bound):
    scores = tf.constant(3.0 * RNG.normal(size=(6, 6)), tf.float32)
    for function in (bound.estimate, bound.objective):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = function(scores)
        assert np.isfinite(tape.gradient(value, scores)).all()
        compiled = graphs.compiled(function, jit_compile=True)(scores)
        np.testing.assert_allclose(compiled, value, rtol=1e-4)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="temperature must be above 0"):
        bounds.NWJ(0.0)
    with pytest.raises(ValueError, match="SMILE.clip must be a number above 0"):
        bounds.SMILE(-1.0)
