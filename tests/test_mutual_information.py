"""I_NCE of views that share known factors, against their entropy."""

import math
import pathlib
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.data import shapes
from infomin_tf.data.images import ArrayImages
from infomin_tf.evaluation import embeddings, mutual_information
from infomin_tf.learners import bounds, losses
from infomin_tf.views import pairs
from infomin_tf.views.pairs import Pair
from tests import small

sys.path.append(str(pathlib.Path(__file__).parents[1] / "examples"))
import mutual_information_of_shapes as example  # noqa: E402


@pytest.mark.long
def test_i_nce_finds_the_entropy_of_the_shared_factor(monkeypatch):
    """log 8 = 2.08 nats, far below log N = 4.2; the perfect critic reaches 2.023 of it."""
    monkeypatch.setattr(example, "CANDIDATES", 64)
    mean, error = example.estimate(("texture",), steps=60, draws=4)
    best = example.best_possible(("texture",), 64)
    assert best < shapes.entropy("texture") < best + 0.07
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

    def embed(x1, x2):
        seen.append(x1.shape)
        return x1, x2

    measures = {
        "level": lambda z1, z2: tf.reduce_mean(z1) + 0 * tf.reduce_mean(z2),
        "difference": lambda z1, z2: tf.reduce_mean(z1 - z2),
    }
    found = mutual_information.estimate(embed, measures, images, pair, 0, 64, draws=6)
    assert seen == [(40, 12, 12, 3)]
    assert found["level"].num_candidates == 40 and found["level"].draws == 6
    assert found["level"].mean == pytest.approx(0.5, abs=0.02)
    assert abs(found["difference"].mean) < 4 * found["difference"].standard_error < 0.05


def test_the_standard_error_is_that_of_the_draws():
    images, pair = small.images(40), pairs.IndependentPair(pairs.CropAndFlip(12))
    values = iter([1.0, 2.0, 6.0])
    measures = {"x": lambda *_: tf.numpy_function(lambda: np.float32(next(values)), [], tf.float32)}
    found = mutual_information.estimate(lambda *x: x, measures, images, pair, 0, 8, draws=3)["x"]
    assert found.mean == pytest.approx(3.0)
    assert found.standard_error == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))


def test_many_candidates_are_embedded_and_compared_in_parts(monkeypatch):
    """The same as all at once: I_NCE and uniformity of the embeddings of images that differ."""
    images, pair, seen = small.images(40), pairs.IndependentPair(pairs.CropAndFlip(12)), []
    weights = tf.random.stateless_normal([12 * 12 * 3, 8], [1, 2])

    def embed(*views):
        flat = (tf.reshape(x, [x.shape[0], -1]) - 0.5 for x in views)
        return tuple(tf.math.l2_normalize(tf.matmul(x, weights), axis=1) for x in flat)

    bound = bounds.InfoNCE(0.2)

    def noting(z1, z2):
        tf.numpy_function(lambda *z: seen.append(z), [z1, z2], [])
        return bound(z1, z2)

    measures = {"I_NCE": noting, "uniformity": lambda z1, _: losses.uniformity(z1)}
    monkeypatch.setattr(mutual_information, "CHUNK", 8)
    monkeypatch.setattr(losses, "ROWS", 7)
    found = mutual_information.estimate(embed, measures, images, pair, 0, 35, draws=10)
    assert found["I_NCE"].num_candidates == 32 and found["I_NCE"].draws == len(seen) == 2
    assert "2 batches of 32 of 40 images, chosen anew" in found["I_NCE"].protocol
    monkeypatch.setattr(losses, "ROWS", 100)
    whole = [(float(bound(*z)), float(losses.uniformity(z[0]))) for z in map(tuple, seen)]
    for value, name in zip(np.mean(whole, axis=0), measures, strict=True):
        assert found[name].mean == pytest.approx(value, abs=1e-5), name
    for z1, _ in seen:
        assert len(np.unique(np.round(z1, 4), axis=0)) == 32


@pytest.mark.parametrize("views", ["spread", "equal", "one point"])
def test_unshared_spread_is_large_only_where_embeddings_spread_and_views_differ(views):
    images, pair = small.images(40), pairs.IndependentPair(pairs.CropAndFlip(12))
    weights = tf.random.stateless_normal([12 * 12 * 3, 8], [1, 2])

    def embed(*pair_of_views):
        if views == "equal":
            pair_of_views = pair_of_views[:1] * 2
        flat = (tf.reshape(x, [x.shape[0], -1]) - 0.5 for x in pair_of_views)
        if views == "one point":
            flat = (tf.ones_like(x) for x in flat)
        return tuple(tf.math.l2_normalize(tf.matmul(x, weights), axis=1) for x in flat)

    run = types.SimpleNamespace(held_out=images, held_out_name="photos", pair=pair, seed=0)
    found = {m.key: m.value for m in embeddings.measure(run, embed, 0.02, 32)}
    lacking = math.log(32) - found["i_nce"]
    assert found["unshared_spread"] == pytest.approx(-found["uniformity"] * lacking)
    assert (found["unshared_spread"] > 1.0) == (views == "spread"), found


@pytest.mark.parametrize(
    "count, draws, words",
    [
        (40, 5, "40 of 40"),
        (45, 5, "40 of 45"),
        (39, 5, "39 images in new views, 7 of them"),
        (8, 3, "8 images in new"),
    ],
)
def test_the_protocol_says_which_images_were_left_out(count, draws, words):
    """Against the images that the batches hold."""
    seen = []

    def embed(x1, x2):
        tf.numpy_function(lambda x: seen.append(np.unique(x)), [x1], [])
        return x1, x2

    class Same(Pair):
        def draw(self, num_images, seed):
            return {"nothing": tf.zeros([num_images])}

        def apply(self, images, draws):
            return (tf.cast(images, tf.float32),) * 2

    pixels = (
        np.zeros((count, 2, 2, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    )
    images = ArrayImages("numbered", pixels, np.zeros(count))
    measures = {"x": lambda z1, z2: tf.reduce_mean(z1)}
    found = mutual_information.estimate(embed, measures, images, Same(), 0, 8, draws)["x"]
    assert f"of {words}" in found.protocol
    steps = count // 8
    first_pass = np.concatenate(seen[:steps])
    assert len(first_pass) == len(set(first_pass)) == 8 * min(steps, draws)
    if "left out" in found.protocol:
        assert count - len(first_pass) == 7
