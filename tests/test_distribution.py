"""What only distribution.py knows."""

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.distribution import replicas
from infomin_tf.errors import UserError


def test_all_gather_and_its_gradient(two_replicas):
    """The gradient that reaches a replica's part is the sum over the replicas' copies."""
    weights = np.arange(8, dtype=np.float32).reshape(4, 2)

    def step():
        context = tf.distribute.get_replica_context()
        rank = tf.cast(context.replica_id_in_sync_group, tf.float32)
        x = tf.fill([2, 2], rank + 1.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            gathered = replicas.all_gather(x)
            loss = tf.reduce_sum(gathered * weights * (rank + 1.0))
        return gathered, tape.gradient(loss, x)

    gathered, gradient = graphs.compiled(lambda: two_replicas.run(step))()
    for copy in gathered.values:
        np.testing.assert_array_equal(copy, [[1, 1], [1, 1], [2, 2], [2, 2]])
    np.testing.assert_array_equal(np.concatenate([g.numpy() for g in gradient.values]), 3 * weights)


def test_shuffled_gives_each_replica_its_own_results_from_mixed_groups(two_replicas):
    """A function that subtracts the mean of its group shows who was together; undone, every image
    has its own result.
    """

    def step():
        rank = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
        x = 2.0 ** (4.0 * rank + tf.range(4, dtype=tf.float32))  # sums tell who was added
        together = replicas.shuffled(
            lambda group: tf.stack([group, tf.fill([4], tf.reduce_mean(group))], axis=1),
            x,
            seed=[3, 7],
        )
        return x, together

    x, together = graphs.compiled(lambda: two_replicas.run(step))()
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
    together = replicas.shuffled(with_mean_of_half, x, seed=[3, 7]).numpy()
    np.testing.assert_array_equal(together[:, 0], x)
    for mean in np.unique(together[:, 1]):
        assert together[together[:, 1] == mean, 0].mean() == mean
    assert not np.array_equal(together[:, 1], with_mean_of_half(x)[:, 1])


def test_batches_are_divided_among_replicas_in_order(two_replicas):
    def batches(shard):
        del shard
        return tf.data.Dataset.from_tensors((tf.range(6), tf.range(4))).repeat()

    iterator = replicas.distribute_batches(two_replicas, batches, 6)
    first, second = next(iterator)
    np.testing.assert_array_equal(np.concatenate(first.values), range(6))
    np.testing.assert_array_equal(second.values[1], [2, 3])
    with pytest.raises(
        UserError, match="7 cannot .* 2 replicas; use a multiple of 2, .*continues under any"
    ):
        replicas.distribute_batches(two_replicas, batches, 7)
