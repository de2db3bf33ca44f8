"""Updates on one and two replicas against arithmetic by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.training import loop, schedules
from infomin_tf.training.optimizer import Update
from tests import small
from tests.test_training import contrastive_task

ONE = tf.distribute.OneDeviceStrategy("CPU:0")
RATE = 0.5
GRADIENTS = np.array(
    [
        [[3.0, -4.0], [0.5, 0.2], [-6.0, 1.0]],
        [[1.0, 2.0], [-0.1, 0.4], [2.0, -9.0]],
    ],
    np.float32,
)  # [replica, step, 2]


@pytest.fixture(params=[1, 2])
def strategy(request, two_replicas):
    return two_replicas if request.param == 2 else ONE


class Stage:
    """Two variables, an `Update` of them, and a step whose gradient is given."""

    def __init__(self, strategy, optimizer):
        self.strategy = strategy
        with strategy.scope():
            self.weights = [
                keras.Variable([1.0], name="a", aggregation="mean"),
                keras.Variable([[2.0]], name="b", aggregation="mean"),
            ]
            self.update = Update(optimizer)
            self.update.build(self.weights)
        self._run = graphs.compiled(lambda rows: strategy.run(self._step, args=(rows,)))

    def _step(self, rows):
        row = rows[tf.distribute.get_replica_context().replica_id_in_sync_group]
        gradients = [tf.reshape(row[i], w.shape) for i, w in enumerate(self.weights)]
        return self.update.apply(gradients, self.weights)

    def step(self, index):
        """One step; returns the weights after. One device gets the sum of replicas' gradients."""
        replicas = self.strategy.num_replicas_in_sync
        rows = GRADIENTS[:, index] if replicas == 2 else GRADIENTS[:, index].sum(0, keepdims=True)
        self._run(tf.constant(rows))
        return np.array([float(np.squeeze(w)) for w in self.weights])


def clipped_by_norm(g):
    return np.array([x * min(1.0, 1.5 / abs(x)) for x in g])


def clipped_by_global_norm(g):
    return g * min(1.0, 1.5 / np.linalg.norm(g))


@pytest.mark.parametrize(
    "setting, clip",
    [
        ("clipnorm", clipped_by_norm),
        ("global_clipnorm", clipped_by_global_norm),
        ("clipvalue", lambda g: np.clip(g, -1.5, 1.5)),
    ],
)
def test_the_gradient_of_the_global_batch_is_clipped(strategy, setting, clip):
    stage = Stage(strategy, keras.optimizers.SGD(RATE, **{setting: 1.5}))
    expected = np.array([1.0, 2.0])
    for index in range(3):
        expected = expected - RATE * clip(GRADIENTS[:, index].sum(0))
        np.testing.assert_allclose(stage.step(index), expected, rtol=1e-5)


@pytest.mark.parametrize("clipnorm", [None, 1.5])
def test_so_many_steps_make_one_update_with_their_mean(strategy, clipnorm):
    optimizer = keras.optimizers.Adam(
        RATE, global_clipnorm=clipnorm, gradient_accumulation_steps=3, weight_decay=0.1
    )
    stage = Stage(strategy, optimizer)
    mean = GRADIENTS.sum(0).mean(0)
    plain = keras.optimizers.Adam(RATE, global_clipnorm=clipnorm, weight_decay=0.1)
    other = [keras.Variable([1.0], name="a"), keras.Variable([[2.0]], name="b")]
    for updates in range(1, 3):
        before = np.array([float(np.squeeze(w)) for w in stage.weights])
        np.testing.assert_array_equal(stage.step(0), before)
        np.testing.assert_array_equal(stage.step(1), before)
        plain.apply([tf.reshape(mean[i], w.shape) for i, w in enumerate(other)], other)
        after = np.array([float(np.squeeze(w)) for w in other])
        np.testing.assert_allclose(stage.step(2), after, rtol=1e-5, atol=1e-5)
        assert int(stage.update.steps) == 3 * updates


def test_replicas_are_alike_between_updates(two_replicas):
    stage = Stage(two_replicas, keras.optimizers.SGD(RATE, gradient_accumulation_steps=3))
    stage.step(0)
    for variable in stage.update.variables:
        if hasattr(variable.value, "values"):
            first, second = variable.value.values
            np.testing.assert_array_equal(first, second)
    assert int(stage.update.steps) == 1


def test_a_schedule_counts_updates():
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=4)
    made = schedules.scheduled(optimizer, schedules.Cosine(warmup_epochs=1), 80, 8)
    rate = made.get_config()["learning_rate"]["config"]
    assert (rate["warmup_steps"], rate["decay_steps"]) == (2, 18)
    assert made.gradient_accumulation_steps == 4


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def float16_step(stage, factor):
    """d/da of factor * a, computed in float16 after the loss in float32."""

    def step():
        with tf.GradientTape() as tape:
            value = tf.cast(stage.weights[0].value, tf.float16) * tf.constant(factor, tf.float16)
            loss = tf.reduce_sum(tf.cast(value, tf.float32)) * 1e-3
            loss /= stage.strategy.num_replicas_in_sync
        gradients = stage.update.gradients(tape, loss, stage.weights)
        stage.update.apply(gradients, stage.weights)
        return gradients[0]

    return graphs.compiled(lambda: stage.strategy.run(step))


def test_a_gradient_below_float16_survives_and_one_above_it_is_left_out(strategy, half_precision):
    stage = Stage(strategy, keras.optimizers.SGD(1.0, global_clipnorm=100.0))
    factor = float(np.float16(1e-5))
    found = float16_step(stage, factor)()
    assert np.float16(factor * 1e-3) == 0.0
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, found, axis=None)
    np.testing.assert_allclose(np.squeeze(total), factor * 1e-3, rtol=1e-3)
    scale = stage.update._optimizer.dynamic_scale.value
    before, weight = float(scale.numpy()), float(np.squeeze(stage.weights[0]))
    float16_step(stage, 6e4)()
    assert float(scale.numpy()) == before / 2 and float(np.squeeze(stage.weights[0])) == weight
    assert int(stage.update.steps) == 2
    float16_step(stage, 1.0)()
    np.testing.assert_allclose(np.squeeze(stage.weights[0]), weight - 1e-3, rtol=1e-5)


def test_an_overflow_between_updates_is_left_out_of_their_mean(strategy, half_precision):
    stage = Stage(strategy, keras.optimizers.SGD(RATE, gradient_accumulation_steps=2))
    expected = np.array([1.0, 2.0]) - RATE * GRADIENTS.sum(0)[:2].mean(0)
    stage.step(0)
    scale = float(stage.update.loss_scale.numpy())
    good = GRADIENTS[:, 1].copy()
    GRADIENTS[0, 1, 0] = np.inf
    try:
        np.testing.assert_array_equal(stage.step(1), [1.0, 2.0])
    finally:
        GRADIENTS[:, 1] = good
    assert float(stage.update.loss_scale.numpy()) == scale / 2
    assert all(np.isfinite(v.numpy()).all() for v in stage.update.variables)
    np.testing.assert_allclose(stage.step(1), expected, rtol=1e-5)
    assert int(stage.update.steps) == 3


def test_gradients_that_no_scale_mends_stop_the_stage(half_precision, tmp_path):
    task = contrastive_task(tmp_path, total_steps=60)
    update = task.learner.encoder_optimizer
    gradients = update.gradients
    update.gradients = lambda *arguments: [np.nan * g for g in gradients(*arguments)]
    with pytest.raises(UserError, match="not finite at any scale of the loss"):
        loop.TrainingLoop().fit(task, ONE)


def test_keys_follow_when_queries_move():
    """theta_k = m theta_k + (1 - m) theta_q per update; the queue takes keys of every step."""
    learner = small.contrastive_learner(queue=24, learning_rate=0.1)
    learner.encoder_optimizer = Update(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    learner.encoder_optimizer.build(learner._encoder_variables())
    query, key = (e[0].head.projection.kernel for e in (learner.encoders, learner.key_encoders))
    first = query.numpy()
    learner.train_step(small.views(seed=0))
    np.testing.assert_array_equal(query, first)
    np.testing.assert_array_equal(key, first)
    learner.train_step(small.views(seed=1))
    assert np.abs(query.numpy() - first).max() > 1e-4
    np.testing.assert_allclose(key, 0.9 * first + 0.1 * query.numpy(), rtol=1e-5)
    assert [int(pointer) for pointer in learner.negatives.pointers] == [16, 16]
