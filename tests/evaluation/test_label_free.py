"""Label-free figures: against SciPy and loops, and on features whose answer is known."""

import types

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import tensorflow as tf

from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError
from infomin_tf.evaluation import label_free
from infomin_tf.evaluation.features import Features

RANDOM = np.random.default_rng(0)


def test_effective_rank_is_the_exponent_of_the_entropy_of_singular_values():
    features = RANDOM.normal(size=(50, 6)) * [5, 3, 2, 1, 0.1, 0]
    values = np.sqrt(np.clip(np.linalg.eigvalsh(features.T @ features), 0, None))
    expected = np.exp(scipy.stats.entropy(values / values.sum()))
    assert label_free.effective_rank(features) == pytest.approx(expected, rel=1e-4)
    line = np.outer(RANDOM.normal(size=50), RANDOM.normal(size=6))
    assert label_free.effective_rank(line) == pytest.approx(1, abs=1e-3)
    orthogonal = np.linalg.qr(RANDOM.normal(size=(50, 6)))[0]
    assert label_free.effective_rank(orthogonal) == pytest.approx(6, rel=1e-4)


def test_lidar_equals_a_loop_over_images_and_views():
    images, views, dimension, delta = 12, 5, 4, 1e-3
    centres = RANDOM.normal(size=(images, 1, dimension)) * [4, 2, 1, 0.5]
    features = centres + 0.3 * RANDOM.normal(size=(images, views, dimension))
    mean = features.mean(axis=(0, 1))
    between, within = np.zeros((dimension, dimension)), delta * np.eye(dimension)
    for image in features:
        own = sum(image) / views
        between += np.outer(own - mean, own - mean) / (images - 1)
        for view in image:
            within += np.outer(view - own, view - own) / (images * (views - 1))
    inverse_root = scipy.linalg.inv(scipy.linalg.sqrtm(within))
    values = scipy.linalg.eigvals(inverse_root @ between @ inverse_root).real
    expected = np.exp(scipy.stats.entropy(values / values.sum()))
    assert label_free.lidar(features, delta) == pytest.approx(expected, rel=1e-4)


def test_lidar_counts_the_directions_in_which_images_differ_more_than_their_views():
    centres = np.zeros((200, 1, 8))
    centres[:, 0, :3] = 10 * RANDOM.normal(size=(200, 3))
    features = centres + RANDOM.normal(size=(200, 10, 8))
    assert label_free.lidar(features) == pytest.approx(3, abs=0.3)


def test_rotations_are_told_by_features_that_keep_them_and_by_no_others():
    kept = np.tile(np.eye(4), (60, 1, 1)) + 0.1 * RANDOM.normal(size=(60, 4, 4))
    assert label_free.rotation_accuracy(kept) == 100
    noise = RANDOM.normal(size=(300, 4, 4))
    assert label_free.rotation_accuracy(noise) == pytest.approx(25, abs=5)
    # What is learned of one rotation of an image must not help with another of the same image.
    own = RANDOM.normal(size=(300, 1, 64)).repeat(4, axis=1)
    assert label_free.rotation_accuracy(own) == pytest.approx(25, abs=1)


def run_on(images):
    held_out = ArrayImages("photos", images)
    pretrained = {"measurements": [{"key": "unshared_spread", "value": 4.0}]}
    return types.SimpleNamespace(
        held_out=held_out,
        held_out_name="photos",
        seed=0,
        results_of=lambda stage: {"pretrain": pretrained}[stage],
    )


def pixels(views):
    return tf.reshape(views, [tf.shape(views)[0], -1])


def as_floats(images, seed):
    return tf.cast(images, tf.float32) / 255


def test_a_rotation_probe_turns_the_images_themselves():
    upright = RANDOM.integers(0, 40, (60, 6, 6, 3), np.uint8)
    upright[:, :2] += 180  # a sky
    features = Features(pixels, as_floats)
    found, score = label_free.RotationProbe().measure(run_on(upright), features, "pre-trained")
    assert (score.key, score.unit, score.value) == ("label_free_score/pre-trained", "nats", 4.0)
    assert (found.key, found.unit, found.value) == ("rotation_probe/pre-trained", "%", 100)
    assert "60 images of photos" in found.protocol
    earlier = run_on(upright)
    earlier.results_of("pretrain")["measurements"].clear()  # it did not measure its spread
    assert len(label_free.RotationProbe().measure(earlier, features, "pre-trained")) == 1
    texture = RANDOM.integers(0, 256, (200, 6, 6, 3), np.uint8)
    [found] = label_free.RotationProbe(120).measure(run_on(texture), features, "raw pixels")
    assert found.value == pytest.approx(25, abs=7) and "120 images" in found.protocol


def test_the_label_free_score_by_hand():
    # Near chance rotations say nothing, whichever side they are on.
    near = [label_free.label_free_score(6.0, rotation) for rotation in (22.0, 25.0, 34.9)]
    assert near == pytest.approx([6 * 10 / 75] * 3)
    assert label_free.label_free_score(6.0, 40.0) == pytest.approx(6 * 15 / 75)
    assert label_free.label_free_score(3.0, 100.0) == 3.0


def test_too_few_images_or_views_are_refused_before_training():
    few = run_on(RANDOM.integers(0, 256, (3, 6, 6, 3), np.uint8))
    with pytest.raises(UserError, match="RotationProbe needs at least 5 held-out images, not 3"):
        label_free.RotationProbe().check(few)
    label_free.EffectiveRank().check(few)
    with pytest.raises(ValueError, match="RotationProbe.images must be a whole number of at least"):
        label_free.RotationProbe(images=4)
    with pytest.raises(ValueError, match="Lidar.views must be a whole number of at least 2, not 1"):
        label_free.Lidar(as_floats, views=1)


def test_lidar_and_effective_rank_look_at_held_out_images():
    images = RANDOM.integers(0, 256, (40, 4, 4, 3), np.uint8)

    def noisy(images, seed):
        noise = tf.random.stateless_normal(tf.shape(images), seed, stddev=0.01)
        return tf.cast(images, tf.float32) / 255 + noise

    features = Features(pixels, as_floats)
    [rank] = label_free.EffectiveRank().measure(run_on(images), features, "pre-trained")
    expected = label_free.effective_rank(images.reshape(40, -1) / 255)
    assert rank.value == pytest.approx(expected, rel=1e-4)
    [found] = label_free.Lidar(noisy, views=4).measure(run_on(images), features, "pre-trained")
    assert found.key == "lidar/pre-trained" and 20 < found.value <= 48
    [again] = label_free.Lidar(noisy, views=4).measure(run_on(images), features, "pre-trained")
    assert again.value == found.value  # the same views of the same images
