"""The contrastive learner: its loss, its key encoders, its queue, a step on each kind of device."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.learners import negatives
from infomin_tf.learners.contrastive import ContrastiveLearner
from tests import small
from tests.learners.test_memory_bank import bank_loss

KINDS = [
    {"weight_decay": 0.1},
    {"whole": True, "nt_xent": True},
    {"queue": 20},
    {"queue": 20, "whole": True, "both_directions": False, "jigsaw": True, "shuffle_keys": True},
    {"bank": 12},
    {"bank": 0, "whole": True, "both_directions": False},
]
"""Every branch of the learner and of its negatives: encoders, directions, parts to be added."""
KINDS_IN_TURN = pytest.mark.parametrize(
    "number",
    [n if n in (0, 2, 4) else pytest.param(n, marks=pytest.mark.long) for n in range(len(KINDS))],
)


def test_loss_is_equation_1_of_the_two_halves():
    learner = small.contrastive_learner()
    (x1, x2), labels = small.views(6)
    f1, f2 = learner.encoders
    z1 = f1(learner.split(x1)[0], training=True).numpy()
    z2 = f2(learner.split(x2)[1], training=True).numpy()
    scores = np.exp(z1 @ z2.T / 0.2)
    positive = np.diag(scores)
    expected = -np.mean(np.log(positive / scores.sum(1)) + np.log(positive / scores.sum(0))) / 2
    metrics = learner.train_step(((x1, x2), labels))
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-4)
    assert float(metrics["i_nce"]) == pytest.approx(np.log(6) - expected, rel=1e-3)
    assert float(metrics["i_nce_ceiling"]) == pytest.approx(np.log(6))


def test_summed_directions_train_as_twice_the_rate_and_report_the_same_i_nce():
    """As each of two encoders has the gradient of one direction; weight decay is not doubled."""
    ends = []
    for settings in ({"learning_rate": 0.2}, {"learning_rate": 0.1, "sum_directions": True}):
        learner = small.contrastive_learner(queue=20, **settings)
        metrics = [learner.train_step(small.views(seed=seed)) for seed in range(2)]
        ends.append((metrics, [np.array(v) for v in learner.encoders[1].trainable_variables]))
    (mean, slow), (total, fast) = ends
    for a, b in zip(mean, total, strict=True):
        assert float(b["loss"]) == pytest.approx(2 * float(a["loss"]), rel=1e-4)
        assert float(b["i_nce"]) == pytest.approx(float(a["i_nce"]), rel=1e-3, abs=1e-4)
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="sum_directions needs both_directions"):
        small.contrastive_learner(both_directions=False, sum_directions=True)


def test_weight_decay_is_added_to_the_gradient():
    """With plain SGD, a step with L2 coefficient c differs from one without by -rate c weights."""
    results = {}
    for decay in (0.0, 0.5):
        learner = small.contrastive_learner(weight_decay=decay)
        before = [np.array(v) for v in learner.encoders[0].trainable_variables]
        learner.train_step(small.views())
        results[decay] = [np.array(v) for v in learner.encoders[0].trainable_variables]
    for start, without, decayed in zip(before, results[0.0], results[0.5], strict=True):
        np.testing.assert_allclose(decayed, without - 0.1 * 0.5 * start, atol=1e-5)


def test_key_encoders_start_equal_and_follow_with_momentum():
    learner = small.contrastive_learner(queue=20)
    for f, g in zip(learner.encoders, learner.key_encoders, strict=True):
        for theta_q, theta_k in zip(f.get_weights(), g.get_weights(), strict=True):
            np.testing.assert_array_equal(theta_q, theta_k)
    before = [np.array(v) for v in learner.key_encoders[1].trainable_variables]
    learner.train_step(small.views())
    after = [np.array(v) for v in learner.encoders[1].trainable_variables]
    keys = [np.array(v) for v in learner.key_encoders[1].trainable_variables]
    for old, query, key in zip(before, after, keys, strict=True):
        np.testing.assert_allclose(key, 0.9 * old + 0.1 * query, atol=1e-6)
        assert np.any(key != query)


def test_key_encoders_keep_statistics_of_their_own():
    learner = small.contrastive_learner(queue=20)
    learner.train_step(small.views())
    statistics = learner.key_encoders[0].backbone.normalization.moving_mean
    assert np.any(np.array(statistics) != 0.0)


def test_how_many_candidates_each_kind_of_negatives_has():
    """N of equation 1, the positive included, for batches of 8 of 30 images."""
    bank, whole_bank = negatives.MemoryBank(12), negatives.MemoryBank(None)
    for memory in (bank, whole_bank):
        memory.build_state(1, 4, 30, 0)
    kinds = [negatives.InBatch(), negatives.NTXent(), negatives.MomentumQueue(20), bank, whole_bank]
    assert [kind.num_candidates(8) for kind in kinds] == [8, 15, 21, 13, 30]


def test_negatives_have_the_usual_settings():
    """Those of SimCLR, of MoCo and of CMC's memory bank."""
    assert negatives.InBatch().temperature == negatives.NTXent().temperature == 0.1
    queue, bank = negatives.MomentumQueue(), negatives.MemoryBank()
    assert (queue.size, queue.momentum, queue.temperature) == (65536, 0.999, 0.07)
    assert (bank.size, bank.momentum, bank.temperature) == (16384, 0.5, 0.07)


@pytest.mark.parametrize("batch", [1, 3, 7, 10, 25])
def test_queue_keeps_the_newest_keys(batch):
    queue = negatives.MomentumQueue(size=10, temperature=0.1)
    queue.build_state(1, 2, None, 0)
    reference = [tuple(row) for row in queue.queues[0].numpy()]
    np.testing.assert_allclose(np.linalg.norm(queue.queues[0], axis=1), 1.0, rtol=1e-5)
    for step in range(5):
        keys = np.full((batch, 2), step) + np.arange(batch)[:, None] / 100
        keys = keys.astype(np.float32)
        queue.update(None, tf.constant(keys), negatives.Slot(0, None, 0))
        reference = (reference + [tuple(row) for row in keys])[-10:]
        assert sorted(map(tuple, queue.queues[0].numpy())) == sorted(reference)


def test_the_queue_does_not_hold_the_positive_of_the_step():
    """Keys are enqueued after the loss: a query never meets its own key twice."""
    learner = small.contrastive_learner(queue=8, whole=True, both_directions=False)
    batch = small.views(8)
    queue = np.array(learner.negatives.queues[0])
    q = learner.encoders[0](learner.split(batch[0][0])[0], training=True).numpy()
    k = learner.key_encoders[0](learner.split(batch[0][1])[0], training=True).numpy()
    positive = np.exp((q * k).sum(1) / 0.2)
    expected = -np.mean(np.log(positive / (positive + np.exp(q @ queue.T / 0.2).sum(1))))
    assert float(learner.train_step(batch)["loss"]) == pytest.approx(expected, rel=1e-4)


def test_nt_xent_is_simclrs_loss():
    """Against the loop of arXiv:2002.05709, algorithm 1: 2N views, each against 2N - 1 others."""
    learner = small.contrastive_learner(whole=True, nt_xent=True)
    (x1, x2), labels = small.views(5)
    z1, z2 = (learner.encoders[0](learner.split(x)[0], training=True).numpy() for x in (x1, x2))
    z = np.stack([z1, z2], axis=1).reshape(10, -1)
    terms = []
    for i in range(10):
        j = i + 1 if i % 2 == 0 else i - 1
        scores = np.exp(z @ z[i] / 0.2)
        terms.append(-np.log(scores[j] / (scores.sum() - scores[i])))
    metrics = learner.train_step(((x1, x2), labels))
    assert float(metrics["loss"]) == pytest.approx(np.mean(terms), rel=1e-4)
    assert float(metrics["i_nce_ceiling"]) == pytest.approx(np.log(9))


def test_jigsaw_branch_has_its_weight_the_same_key_and_the_same_queue():
    learner = small.contrastive_learner(
        queue=20, whole=True, both_directions=False, jigsaw=True, jigsaw_weight=0.3
    )
    (x1, x2, patches), places = small.views_with_patches(6)
    queue = np.array(learner.negatives.queues[0])
    q = learner.encoders[0](learner.split(x1)[0], training=True).numpy()
    k = learner.key_encoders[0](learner.split(x2)[0], training=True).numpy()
    flat = tf.reshape(patches, [24, *small.VIEW_SHAPE])
    features = learner.encoders[0].backbone(learner.split(flat)[0], training=True)
    embeddings = learner.jigsaw_head.patch_head(features).numpy().reshape(6, 20)
    kernel, bias = learner.jigsaw_head.projection.get_weights()
    jigsaw = embeddings @ kernel + bias
    jigsaw /= np.linalg.norm(jigsaw, axis=1, keepdims=True)
    expected = 0.7 * bank_loss(q, k, [queue] * 6) + 0.3 * bank_loss(jigsaw, k, [queue] * 6)
    before = learner.jigsaw_head.projection.get_weights()[0]
    metrics = learner.train_step(((x1, x2, patches), places))
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-4)
    assert np.any(learner.jigsaw_head.projection.get_weights()[0] != before)


def test_weight_decay_may_leave_out_biases_and_normalisation():
    results = {}
    for decay in (0.0, 0.5):
        learner = small.contrastive_learner(weight_decay=decay, decay_only_kernels=True)
        learner.train_step(small.views())
        results[decay] = [np.array(v) for v in learner.encoders[0].trainable_variables]
    for without, decayed in zip(results[0.0], results[0.5], strict=True):
        assert np.array_equal(without, decayed) == (without.ndim == 1)


@functools.cache
def uncompiled(number):
    """Two steps of a learner of KINDS on one device: (weights before, metrics, weights after)."""
    learner = small.contrastive_learner(**KINDS[number])
    before = small.weights(learner)
    steps = [learner.train_step(small.views_with_patches(seed=seed)) for seed in range(2)]
    metrics = [{name: value.numpy() for name, value in step.items()} for step in steps]
    return before, metrics, small.weights(learner)


@KINDS_IN_TURN
def test_compiled_step_equals_the_uncompiled_one(number):
    compiled = small.contrastive_learner(**KINDS[number])
    _, expected, after = uncompiled(number)
    step = graphs.compiled(compiled.train_step, jit_compile=True)
    for seed in range(2):
        metrics = step(small.views_with_patches(seed=seed))
        for name, value in expected[seed].items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-3, atol=1e-4)
    for a, b in zip(after, small.weights(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@KINDS_IN_TURN
def test_two_replicas_equal_one_device(number, two_replicas):
    before, expected, after = uncompiled(number)
    with two_replicas.scope():
        together = small.contrastive_learner(**KINDS[number])
    for a, b in zip(before, small.weights(together), strict=True):
        np.testing.assert_array_equal(a, b)
    step = graphs.compiled(lambda batch: two_replicas.run(together.train_step, args=(batch,)))
    for seed in range(2):
        batch = small.views_with_patches(seed=seed)

        def part(context, batch=batch):
            start = 4 * context.replica_id_in_sync_group
            return tf.nest.map_structure(lambda x: x[start : start + 4], batch)

        metrics = step(two_replicas.experimental_distribute_values_from_function(part))
        for name, value in expected[seed].items():
            mean = two_replicas.reduce("MEAN", metrics[name], axis=None)
            np.testing.assert_allclose(mean, value, rtol=1e-3, atol=1e-4, err_msg=name)
    for a, b in zip(after, small.weights(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_learning_lowers_the_loss():
    learner = small.contrastive_learner(whole=True, learning_rate=0.5)
    step = graphs.compiled(learner.train_step)
    history = [float(step(small.views(16))["loss"]) for _ in range(30)]
    assert history[-1] < history[0] - 0.2, history


def test_the_number_of_encoders_must_fit_the_split():
    with pytest.raises(ValueError, match="2 part"):
        ContrastiveLearner(
            small.split(), [small.encoder()], negatives.InBatch(), keras.optimizers.SGD(0.1)
        )
    with pytest.raises(ValueError, match="needs 2 key encoder"):
        ContrastiveLearner(
            small.split(),
            [small.encoder(), small.encoder()],
            negatives.MomentumQueue(8),
            keras.optimizers.SGD(0.1),
        )
