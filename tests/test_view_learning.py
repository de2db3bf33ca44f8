"""The view learner: equations 2 and 3, who moves when, and one step on each kind of device."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError
from tests import small

SETTINGS = [(1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]  # unsupervised, semi-supervised, supervised


def batch(learner, seed=0, size=8):
    unlabelled, labelled = small.views(size, seed), small.views(size, seed + 100)
    return (unlabelled, labelled) if learner.classifiers else (unlabelled,)


def snapshot(variables):
    return [np.array(v) for v in variables]


def brute_force_i_nce(z1, z2, temperature=0.2):
    scores = np.exp(z1 @ z2.T / temperature)
    forward = np.log(np.diag(scores) / scores.sum(1)).mean()
    backward = np.log(np.diag(scores) / scores.sum(0)).mean()
    return np.log(len(z1)) + (forward + backward) / 2


def test_metrics_are_the_terms_of_equation_3():
    learner = small.view_learner(learning_rate=0.0)
    ((x1, x2), _), ((l1, l2), y) = batch(learner)
    f1, f2 = learner.critics
    z1 = f1(learner.split(x1)[0], training=True).numpy()
    z2 = f2(learner.split(x2)[1], training=True).numpy()
    cross_entropies = []
    for classifier, view in zip(
        learner.classifiers, (learner.split(l1)[0], learner.split(l2)[1]), strict=True
    ):
        logits = classifier(view, training=True).numpy()
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        cross_entropies.append(-np.log(shares[np.arange(len(y)), y]).mean())
    metrics = learner.train_step(batch(learner))
    i_nce = brute_force_i_nce(z1, z2)
    assert float(metrics["i_nce"]) == pytest.approx(i_nce, abs=1e-4)
    assert float(metrics["critic_loss"]) == pytest.approx(-i_nce, abs=1e-4)
    assert float(metrics["generator_loss"]) == pytest.approx(i_nce + sum(cross_entropies), rel=1e-3)
    assert float(metrics["classifier_2_loss"]) == pytest.approx(cross_entropies[1], rel=1e-3)


def test_the_first_view_comes_from_the_first_sample_and_the_second_from_the_second():
    learner = small.view_learner(learning_rate=0.0)
    ((x1, x2), y), labelled = batch(learner)
    same = learner.train_step((((x1, x2), y), labelled))["i_nce"]
    swapped = learner.train_step((((x2, x1), y), labelled))["i_nce"]
    assert float(same) != pytest.approx(float(swapped), abs=1e-6)


@pytest.mark.parametrize("setting", SETTINGS)
def test_who_moves(setting):
    """Critics always move; the generator by terms that have weight; classifiers where there are."""
    learner = small.view_learner(*setting)
    groups = {
        "critics": learner._critic_variables(),
        "generator": learner.split.trainable_variables,
        "classifiers": [v for c in learner.classifiers for v in c.trainable_variables],
    }
    before = {name: snapshot(variables) for name, variables in groups.items()}
    learner.train_step(batch(learner))
    for name, variables in groups.items():
        moved = [np.any(a != b) for a, b in zip(before[name], snapshot(variables), strict=True)]
        assert any(moved) == bool(variables), name


def test_critics_ascend_with_g_fixed_and_the_generator_descends():
    """Each half of a step alone moves I_NCE the right way."""
    learner = small.view_learner(1.0, 0.0, learning_rate=0.02)
    ((x1, x2), _) = batch(learner)[0]

    def i_nce():
        f1, f2 = learner.critics
        z1, z2 = f1(learner.split(x1)[0], training=True), f2(learner.split(x2)[1], training=True)
        return brute_force_i_nce(z1.numpy(), z2.numpy())

    start, generator = i_nce(), snapshot(learner.split.trainable_variables)
    learner._update_critics(learner.split(x1)[0], learner.split(x2)[1])
    after_critics = i_nce()
    assert after_critics > start
    for a, b in zip(generator, snapshot(learner.split.trainable_variables), strict=True):
        np.testing.assert_array_equal(a, b)
    critics = snapshot(learner._critic_variables())
    learner.critic_optimizer.minimize = lambda *arguments: None
    learner.train_step(batch(learner))
    assert i_nce() < after_critics
    for a, b in zip(critics, snapshot(learner._critic_variables()), strict=True):
        np.testing.assert_array_equal(a, b)


@functools.cache
def uncompiled():
    """Two steps of a learner with all terms on one device: (metrics of them, weights after)."""
    learner = small.view_learner()
    steps = [learner.train_step(batch(learner, seed)) for seed in range(2)]
    metrics = [{name: value.numpy() for name, value in step.items()} for step in steps]
    return metrics, small.weights(learner)


@pytest.mark.long  # XLA holds 170 MiB of it
def test_compiled_step_equals_the_uncompiled_one():
    compiled = small.view_learner()
    expected, after = uncompiled()
    step = graphs.compiled(compiled.train_step, jit_compile=True)
    for seed in range(2):
        metrics = step(batch(compiled, seed))
        for name, value in expected[seed].items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-3, atol=1e-4)
    for a, b in zip(after, small.weights(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.long
def test_two_replicas_equal_one_device(two_replicas):
    expected, after = uncompiled()
    with two_replicas.scope():
        together = small.view_learner()
    step = graphs.compiled(lambda values: two_replicas.run(together.train_step, args=(values,)))
    for seed in range(2):
        whole = batch(together, seed)

        def part(context, whole=whole):
            start = 4 * context.replica_id_in_sync_group
            return tf.nest.map_structure(lambda x: x[start : start + 4], whole)

        metrics = step(two_replicas.experimental_distribute_values_from_function(part))
        for name, value in expected[seed].items():
            mean = two_replicas.reduce("MEAN", metrics[name], axis=None)
            np.testing.assert_allclose(mean, value, rtol=1e-3, atol=1e-4, err_msg=name)
    for a, b in zip(after, small.weights(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_labels_are_needed_for_the_supervised_term():
    with pytest.raises(UserError, match="do not fit together"):
        learner = small.view_learner(1.0, 1.0)
        type(learner)(
            learner.split, learner.critics, (), learner.bound, None, None, supervised_weight=1.0
        )
