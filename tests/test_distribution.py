"""Strategies by name, and what only distribution.py knows."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver.tpu import tpu_cluster_resolver

from infomin_tf import distribution
from infomin_tf.errors import UserError


def test_names():
    assert distribution.create_strategy("auto").num_replicas_in_sync == 1
    assert distribution.create_strategy("one_device").num_replicas_in_sync == 1
    with pytest.raises(UserError, match="none of auto, one_device"):
        distribution.create_strategy("two_devices")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "it is not set"),
        ("{", "JSONDecodeError"),
        ('{"cluster": {"worker": ["a:1"]}}', "KeyError"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "no worker 1"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "does not train"),
    ],
)
def test_a_tf_config_that_is_none_is_explained(text, reason, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=reason):
        distribution.create_strategy("multi_worker")


def test_auto_takes_a_cluster_of_one_for_a_single_device(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert isinstance(distribution.create_strategy("auto"), tf.distribute.OneDeviceStrategy)


def test_multi_worker_starts_from_tf_config():
    cluster = {"cluster": {"worker": ["localhost:23456"]}, "task": {"type": "worker", "index": 0}}
    code = (
        "from infomin_tf import distribution; "
        "print(type(distribution.create_strategy('multi_worker')).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TF_CONFIG": json.dumps(cluster)},
        cwd=pathlib.Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert "CollectiveAllReduce" in done.stdout, done.stderr[-2000:]


@pytest.fixture
def tpu_calls(monkeypatch):
    """What is asked of TensorFlow, in order, where it would look for a TPU."""
    calls = []

    class Client:
        def __init__(self, tpu, **_):
            self._tpu = tpu
            if tpu == "unknown":
                raise urllib.error.URLError("no such host")

        def name(self):
            return self._tpu

    def initialize(resolver, _):
        calls.append(("initialize", resolver._tpu))
        if resolver._tpu == "dead":
            raise tf.errors.NotFoundError(None, None, "TPUs not found in the cluster\nmore")

    monkeypatch.delenv("TPU_NAME", raising=False)
    monkeypatch.setattr(tpu_cluster_resolver.client, "Client", Client)
    monkeypatch.setattr(
        tpu_cluster_resolver.remote,
        "connect_to_cluster",
        lambda resolver: calls.append(("connect", resolver._tpu)),
    )
    monkeypatch.setattr(
        tpu_cluster_resolver.tpu_strategy_util, "initialize_tpu_system_impl", initialize
    )
    monkeypatch.setattr(
        tf.distribute, "TPUStrategy", lambda resolver: calls.append(("strategy", resolver._tpu))
    )
    return calls


@pytest.mark.parametrize("strategy, name", [("tpu", None), ("tpu", "mine"), ("auto", "mine")])
def test_a_tpu_is_that_of_tpu_name_or_of_this_machine(strategy, name, tpu_calls, monkeypatch):
    if name:
        monkeypatch.setenv("TPU_NAME", name)
    distribution.create_strategy(strategy)
    expected = name or "local"
    assert tpu_calls == [(call, expected) for call in ("connect", "initialize", "strategy")]


@pytest.mark.parametrize("name, reason", [("unknown", "no such host"), ("dead", "TPUs not found")])
def test_a_tpu_that_does_not_answer_is_explained(name, reason, tpu_calls, monkeypatch):
    monkeypatch.setenv("TPU_NAME", name)
    with pytest.raises(UserError, match=f"'{name}'.*{reason}.*set TPU_NAME") as error:
        distribution.create_strategy("tpu")
    assert "\n" not in str(error.value)


def test_all_gather_and_its_gradient(two_replicas):
    """The gradient that reaches a replica's part is the sum over the replicas' copies."""
    weights = np.arange(8, dtype=np.float32).reshape(4, 2)

    def step():
        context = tf.distribute.get_replica_context()
        rank = tf.cast(context.replica_id_in_sync_group, tf.float32)
        x = tf.fill([2, 2], rank + 1.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            gathered = distribution.all_gather(x)
            loss = tf.reduce_sum(gathered * weights * (rank + 1.0))
        return gathered, tape.gradient(loss, x)

    gathered, gradient = tf.function(lambda: two_replicas.run(step))()
    for copy in gathered.values:
        np.testing.assert_array_equal(copy, [[1, 1], [1, 1], [2, 2], [2, 2]])
    np.testing.assert_array_equal(np.concatenate([g.numpy() for g in gradient.values]), 3 * weights)


def test_shuffled_gives_each_replica_its_own_results_from_mixed_groups(two_replicas):
    """A function that subtracts the mean of its group shows who was together; undone, every image has its own result."""

    def step():
        rank = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
        x = 2.0 ** (4.0 * rank + tf.range(4, dtype=tf.float32))  # sums tell who was added
        together = distribution.shuffled(
            lambda group: tf.stack([group, tf.fill([4], tf.reduce_mean(group))], axis=1),
            x,
            seed=[3, 7],
        )
        return x, together

    x, together = tf.function(lambda: two_replicas.run(step))()
    x, together = (np.concatenate([v.numpy() for v in values.values]) for values in (x, together))
    np.testing.assert_array_equal(together[:, 0], x)
    means = np.unique(together[:, 1])
    assert len(means) == 2
    for mean in means:
        group = x[together[:, 1] == mean]
        assert len(group) == 4 and group.mean() == mean
    assert sorted(means) != [15 / 4, 240 / 4]  # not the groups of the replicas themselves


def test_shuffled_mixes_the_parts_of_a_single_replicas_batch():
    def with_mean_of_half(group):
        means = tf.reduce_mean(tf.reshape(group, [2, 4]), axis=1)
        return tf.stack([group, tf.repeat(means, 4)], axis=1)

    x = 2.0 ** tf.range(8.0)
    together = distribution.shuffled(with_mean_of_half, x, seed=[3, 7]).numpy()
    np.testing.assert_array_equal(together[:, 0], x)
    for mean in np.unique(together[:, 1]):
        assert together[together[:, 1] == mean, 0].mean() == mean
    assert not np.array_equal(together[:, 1], with_mean_of_half(x)[:, 1])


def test_batches_are_divided_among_replicas_in_order(two_replicas):
    def batches(shard):
        del shard
        return tf.data.Dataset.from_tensors((tf.range(6), tf.range(4))).repeat()

    iterator = distribution.distribute_batches(two_replicas, batches, 6)
    first, second = next(iterator)
    np.testing.assert_array_equal(np.concatenate(first.values), range(6))
    np.testing.assert_array_equal(second.values[1], [2, 3])
    with pytest.raises(
        UserError, match="7 cannot .* 2 replicas; use a multiple of 2, .*goes on under any"
    ):
        distribution.distribute_batches(two_replicas, batches, 7)
