"""Gathering over replicas, and per-replica batches.

Conventions for learners: a loss is the mean over the GLOBAL batch; each replica contributes its
part divided by `num_replicas()`, because Keras optimizers sum gradients over replicas.
"""

import contextlib

import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError


def num_replicas():
    """Number of replicas that run this step together: 1 outside a strategy."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def replicas_in_scope():
    """Number of replicas of the strategy under whose scope this is called."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def mean_over_replicas(tensors):
    """The mean over replicas of each tensor of a list, on every replica."""
    if num_replicas() == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def all_gather(x):
    """Concatenates x over all replicas, on every replica, in replica order; differentiable.

    The gradient that reaches x is the sum, over the replicas, of the gradients of their copies; so
    a loss computed from gathered values, alike on each replica, is divided by `num_replicas()`.

    Args:
        x: [b, ...], the same static shape on each replica.

    Returns:
        [b * replicas, ...].
    """
    replicas = num_replicas()
    if replicas == 1:
        return x
    # Several workers cannot gather integers; 64 bits hold those up to 2^53 exactly.
    workers = isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
    sent = tf.cast(x, tf.float64) if workers and x.dtype.is_integer else x
    gathered = tf.cast(tf.distribute.get_replica_context().all_gather(sent, axis=0), x.dtype)
    return tf.ensure_shape(gathered, [replicas * x.shape[0], *x.shape[1:]])


def move_towards(variable, goal, share):
    """variable <- variable - share (variable - goal), in place, on each replica by itself.

    A single operation that writes; arithmetic and `assign` would go through the memory once more.
    """
    delta = variable - goal
    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.handle, alpha=tf.cast(share, delta.dtype), delta=delta
    )


def assign_here(variable, value):
    """Writes this replica's copy of a tf.Variable; all replicas must write the same."""
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def assign_rows_here(variable, rows, values):
    """As `assign_here`, the rows int32 [n] only, in place; values [n, ...].

    A TPUStrategy refuses `scatter_update`.
    """
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=rows, updates=values)


@contextlib.contextmanager
def undone_unless(kept, variables):
    """Gives keras variables back their values at the end, on each replica, unless `kept()` is true.

    There is no branch, so replicas can reduce and gather inside. The variables are copied.

    Args:
        kept: function -> bool scalar, alike on all replicas.
        variables: keras variables.
    """
    before = [tf.identity(v.value) for v in variables]
    yield
    keep = kept()
    for variable, value in zip(variables, before, strict=True):
        assign_here(variable.value, tf.where(keep, variable.value, value))


def read_without_copy(variable):
    """Lets the next reads of a variable share its memory.

    After a write by rows TensorFlow copies a variable on every read. Now it is copied once, by the
    next write by rows, when a read is still in use then. XLA (and so a TPU) does not need this, and
    lacks the operation.
    """
    if isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy):
        return
    tf.raw_ops.DisableCopyOnRead(resource=variable.handle)


def shuffled(function, x, seed):
    """Applies a function to images shuffled over the replicas; gives each replica its own results.

    Thus batch normalisation per replica, or per part of a replica's batch, cannot reveal which keys
    belong to which queries (MoCo, arXiv:1911.05722, section 3.3).

    Args:
        function: [b, ...] -> [b, ...].
        x: [b, ...], the same static shape on each replica.
        seed: int32 [2], alike on all replicas and new in each step; of the order.
    """
    size, everything = x.shape[0], all_gather(x)
    order = tf.argsort(tf.random.stateless_uniform([size * num_replicas()], seed))
    start = size * tf.distribute.get_replica_context().replica_id_in_sync_group
    mine = tf.gather(everything, tf.ensure_shape(order[start : start + size], [size]))
    results = all_gather(function(mine))
    back = tf.argsort(order)[start : start + size]
    return tf.gather(results, tf.ensure_shape(back, [size]))


def distribute_batches(strategy, make_batches, global_batch_size):
    """Turns a function that makes host batches into a distributed iterator of per-replica batches.

    Args:
        strategy: the strategy that will run the steps.
        make_batches: function of `shard` (index, count) that gives an infinite tf.data.Dataset with
            this host's slice of each global batch.
        global_batch_size: images per step, over all replicas.

    Returns:
        An iterator whose elements go to `strategy.run`.

    Raises:
        UserError: the batch cannot be divided among the replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if global_batch_size % replicas:
        raise UserError(
            f"batch size {global_batch_size} cannot be divided among {replicas} replicas; use a "
            f"multiple of {replicas}, or another number of devices or workers: a run that was "
            "stopped continues under any number that divides its batch"
        )
    if replicas == 1:
        return iter(make_batches((0, 1)))

    def host_batches(context):
        batches = make_batches((context.input_pipeline_id, context.num_input_pipelines))
        replicas_here = replicas // context.num_input_pipelines
        if replicas_here > 1:
            divide = graphs.without_autograph(lambda *batch: _split_batch(batch, replicas_here))
            batches = batches.flat_map(divide)
        # Several workers give up static shapes for a set that might end.
        endless = tf.data.experimental.assert_cardinality(tf.data.experimental.INFINITE_CARDINALITY)
        return batches.apply(endless)

    return iter(strategy.distribute_datasets_from_function(host_batches))


def _split_batch(batch, parts):
    """A dataset of `parts` equal slices of a batch, whose tensors may be of different lengths."""

    def divide(x):
        return tf.reshape(x, [parts, x.shape[0] // parts, *x.shape[1:]])

    return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(divide, batch))
