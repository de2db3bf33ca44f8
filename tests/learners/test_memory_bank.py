"""The memory bank: negatives of all other images, running means, samples."""

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.learners import negatives
from tests import small


def bank_loss(q, positives, others, temperature=0.2):
    """Mean of -log softmax by a loop; others: for each query its negatives."""
    terms = []
    for query, positive, negative in zip(np.array(q), np.array(positives), others, strict=True):
        scores = np.exp(np.array([query @ positive, *(negative @ query)]) / temperature)
        terms.append(-np.log(scores[0] / scores.sum()))
    return np.mean(terms)


def test_bank_contrasts_with_all_other_images_and_keeps_running_means():
    learner = small.contrastive_learner(bank=0, whole=True, both_directions=False)
    (x1, x2, _), places = small.views_with_patches(6)
    bank = np.array(learner.negatives.banks[0])
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1.0, rtol=1e-5)
    q = learner.encoders[0](learner.split(x1)[0], training=True).numpy()
    others = [np.delete(bank, place, axis=0) for place in places.numpy()]
    metrics = learner.train_step(((x1, x2), places))
    expected = bank_loss(q, bank[places.numpy()], others)
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-4)
    assert float(metrics["i_nce_ceiling"]) == pytest.approx(np.log(small.NUM_IMAGES))
    after = np.array(learner.negatives.banks[0])
    for place, query in zip(places.numpy(), q, strict=True):
        mean = 0.5 * bank[place] + 0.5 * query
        bank[place] = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(after, bank, atol=1e-5)


def test_unlike_views_of_one_encoder_meet_the_bank_of_the_other_view():
    """With one bank, view 1 was contrasted with view 1 as it was before, not with view 2."""
    learner = small.contrastive_learner(bank=0, whole=True, unlike_views=True)
    (x1, x2, _), places = small.views_with_patches(6)
    first, second = (np.array(bank) for bank in learner.negatives.banks)
    assert not np.allclose(first, second)
    v1, v2 = learner.split(x1)[0], learner.split(x2)[0]
    q1, q2 = (learner.encoders[0](v, training=True).numpy() for v in (v1, v2))
    metrics = learner.train_step(((x1, x2), places))
    losses = [
        bank_loss(q, bank[places.numpy()], [np.delete(bank, p, axis=0) for p in places.numpy()])
        for q, bank in ((q1, second), (q2, first))
    ]
    assert float(metrics["loss"]) == pytest.approx(np.mean(losses), rel=1e-4)
    for q, before, after in zip((q1, q2), (first, second), learner.negatives.banks, strict=True):
        mean = 0.5 * before[places.numpy()] + 0.5 * q
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        np.testing.assert_allclose(np.array(after)[places.numpy()], mean, atol=1e-5)


def test_two_banks_are_not_filled_by_one_direction():
    with pytest.raises(ValueError, match="two banks; set both_directions"):
        small.contrastive_learner(bank=0, whole=True, unlike_views=True, both_directions=False)


def test_bank_samples_anew_in_each_step_and_never_an_images_own_entry():
    bank = negatives.MemoryBank(size=200, temperature=0.2)
    bank.build_state(1, 4, 3, 0)  # so few images that the sample holds each of them many times
    q = tf.math.l2_normalize(tf.random.stateless_normal([2, 4], [1, 2]), axis=1)
    places = tf.constant([0, 2])
    slots = [negatives.Slot(0, places, tf.constant(step)) for step in (5, 5, 6)]
    k = bank.look_up(slots[0])
    loss, again, later = (bank.contrast(q, k, slot)[0] for slot in slots)
    np.testing.assert_array_equal(loss, again)
    assert np.any(loss != later)
    key = [seeds.stream(0, "sample of bank 0"), 5]
    sample = tf.random.stateless_uniform([200], key, 0, 3, tf.int32).numpy()
    entries = np.array(bank.banks[0])
    others = [entries[sample[sample != place]] for place in places.numpy()]
    assert float(tf.reduce_mean(loss)) == pytest.approx(bank_loss(q, k, others), rel=1e-4)


def test_a_sample_may_be_larger_than_the_bank():
    learner = small.contrastive_learner(bank=5 * small.NUM_IMAGES)
    views, _ = small.views()
    assert np.isfinite(learner.train_step((views, np.arange(8, dtype=np.int32)))["loss"])
