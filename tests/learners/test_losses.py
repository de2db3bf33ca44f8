"""Losses against brute-force loops, hand-computed values and SciPy."""

import math
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.learners import bounds, losses

RNG = np.random.default_rng(0)


def unit_vectors(rows, dimension=16):
    z = RNG.normal(size=(rows, dimension)).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def brute_force_info_nce(queries, keys, extra_negatives, temperature):
    """Equation 1, one query at a time; extra_negatives=None takes the other keys as distractors."""
    values = []
    for i, q in enumerate(queries):
        positive = math.exp(float(q @ keys[i]) / temperature)
        if extra_negatives is None:
            others = [math.exp(float(q @ k) / temperature) for j, k in enumerate(keys) if j != i]
        else:
            others = [math.exp(float(q @ k) / temperature) for k in extra_negatives]
        values.append(-math.log(positive / (positive + sum(others))))
    return np.array(values)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 1.0])
def test_in_batch_info_nce_is_equation_1(temperature):
    q, k = unit_vectors(12), unit_vectors(12)
    loss, correct = losses.in_batch_info_nce(q, k, temperature)
    np.testing.assert_allclose(loss, brute_force_info_nce(q, k, None, temperature), rtol=1e-4)
    np.testing.assert_array_equal(correct, (q @ k.T).argmax(1) == np.arange(12))


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_queue_info_nce_is_equation_1(temperature):
    q, k, negatives = unit_vectors(6), unit_vectors(6), unit_vectors(31)
    k = np.where(np.arange(6)[:, None] < 3, q, k)  # of three queries the key is the nearest
    loss, correct = losses.queue_info_nce(q, k, negatives, temperature)
    expected = brute_force_info_nce(q, k, negatives, temperature)
    np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-6)
    nearest = (q * k).sum(1) > (q @ negatives.T).max(1)
    assert 3 <= nearest.sum() < 6
    np.testing.assert_array_equal(correct, nearest)


def test_negatives_that_are_left_out_have_no_share():
    q, k, negatives = unit_vectors(6), unit_vectors(6), unit_vectors(31)
    excluded = np.random.default_rng(1).random((6, 31)) < 0.4
    loss, correct = losses.queue_info_nce(q, k, negatives, 0.5, excluded)
    for i in range(6):
        kept = negatives[~excluded[i]]
        [expected] = brute_force_info_nce(q[i : i + 1], k[i : i + 1], kept, 0.5)
        assert float(loss[i]) == pytest.approx(expected, rel=1e-4)
        assert bool(correct[i]) == (q[i] @ k[i] > (kept @ q[i]).max())


def test_nt_xent_has_the_other_queries_among_its_distractors():
    q, k = unit_vectors(7), unit_vectors(7)
    k = np.where(np.arange(7)[:, None] < 3, q, k)  # of three queries the key is the nearest
    loss, correct = losses.nt_xent(q, k, 0.3)
    for i in range(7):
        others = np.concatenate([np.delete(k, i, axis=0), np.delete(q, i, axis=0)])
        [expected] = brute_force_info_nce(q[i : i + 1], k[i : i + 1], others, 0.3)
        assert float(loss[i]) == pytest.approx(expected, rel=1e-4)
        assert bool(correct[i]) == (q[i] @ k[i] > (others @ q[i]).max())
    assert 3 <= np.sum(correct) < 7


@pytest.mark.parametrize("size", [12, 8, 7])
def test_results_by_rows_are_those_of_the_whole(size, monkeypatch):
    monkeypatch.setattr(losses, "ROWS", 4)
    z = unit_vectors(size)
    found = losses.by_rows(lambda rows, places: rows[:, 0] + tf.cast(places, tf.float32), z)
    np.testing.assert_allclose(found, z[:, 0] + np.arange(size), rtol=1e-6)


def test_i_nce_is_zero_for_useless_scores_and_log_n_for_perfect_ones():
    same = np.ones((8, 4), np.float32) / 2
    loss, _ = losses.in_batch_info_nce(same, same, 0.1)
    np.testing.assert_allclose(losses.info_nce_bound(loss, 8), 0.0, atol=1e-5)
    perfect = np.eye(8, dtype=np.float32)
    loss, correct = losses.in_batch_info_nce(perfect, perfect, 0.01)
    np.testing.assert_allclose(losses.info_nce_bound(loss, 8), math.log(8), atol=1e-5)
    assert np.all(correct)


def test_info_nce_bound_class_averages_the_two_directions():
    z1, z2 = unit_vectors(9), unit_vectors(9)
    forward = brute_force_info_nce(z1, z2, None, 0.2).mean()
    backward = brute_force_info_nce(z2, z1, None, 0.2).mean()
    expected = math.log(9) - (forward + backward) / 2
    np.testing.assert_allclose(
        bounds.InfoNCE(0.2)(tf.constant(z1), tf.constant(z2)), expected, rtol=1e-4
    )


def test_alignment_and_uniformity_against_loops():
    z1, z2 = unit_vectors(10), unit_vectors(10)
    expected = np.mean([np.sum((a - b) ** 2) for a, b in zip(z1, z2, strict=True)])
    np.testing.assert_allclose(losses.alignment(z1, z2), expected, rtol=1e-5)
    pairs = [(i, j) for i in range(10) for j in range(10) if i != j]
    kernel = np.mean([math.exp(-2 * np.sum((z1[i] - z1[j]) ** 2)) for i, j in pairs])
    np.testing.assert_allclose(losses.uniformity(z1), math.log(kernel), rtol=1e-4)


def test_uniformity_of_a_batch_of_unknown_size():
    z = unit_vectors(10)
    found = graphs.compiled(losses.uniformity, input_signature=[tf.TensorSpec([None, 16])])(z)
    assert float(found) == pytest.approx(float(losses.uniformity(z)), rel=1e-5)


@pytest.mark.parametrize(("size", "parts"), [(4, 0), (10, 1)])
def test_uniformity_of_many_is_computed_by_rows(size, parts, monkeypatch):
    """Of more than ROWS, whatever their dimension."""
    z = unit_vectors(size, dimension=3)
    whole = float(losses.uniformity(z))
    by_rows = mock.Mock(wraps=losses.by_rows)
    monkeypatch.setattr(losses, "by_rows", by_rows)
    monkeypatch.setattr(losses, "ROWS", 4)
    assert float(losses.uniformity(tf.constant(z))) == pytest.approx(whole, rel=1e-5)
    assert by_rows.call_count == parts


def test_embedding_spread_tells_collapse_from_a_sphere():
    collapsed = np.tile(unit_vectors(1), (64, 1))
    assert losses.embedding_spread(collapsed) < 1e-3
    assert float(losses.embedding_spread(unit_vectors(4096))) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: losses.in_batch_info_nce(a, b, 0.1)[0],
        lambda a, b: losses.queue_info_nce(a, b, b, 0.1)[0],
        lambda a, b: losses.uniformity(a) + losses.alignment(a, b),
    ],
)
def test_compiled_equals_eager_and_gradients_are_finite(function):
    a, b = tf.constant(unit_vectors(8)), tf.constant(unit_vectors(8))
    np.testing.assert_allclose(
        graphs.compiled(function, jit_compile=True)(a, b), function(a, b), rtol=1e-4
    )
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        total = tf.reduce_sum(function(a, b))
    assert all(np.isfinite(g).all() for g in tape.gradient(total, [a, b]))
