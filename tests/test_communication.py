"""The model of what a step moves: against rings that are run, against the graph of a step, and
against the document.
"""

import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import communication
from benchmarks.communication import Exchange, Machine, Network
from infomin_tf import graphs
from tests import small

BATCH, DIMENSION = 16, 8
LEARNERS = {
    "queue": {"queue": 20, "both_directions": False},
    "queue, shuffled keys": {"queue": 20, "both_directions": False, "shuffle_keys": True},
    "in-batch": {},
}


@pytest.fixture(scope="module")
def resnet50():
    return communication.resnet50()


def run_ring(arrays, reduce):
    """All-reduces arrays of equal length around a ring (or only gathers: device d has part d + 1,
    the others nothing).

    Returns:
        (the arrays of the devices at the end, bytes that each of them sent).
    """
    count, sent = len(arrays), np.zeros(len(arrays))
    parts = [np.split(array.copy(), count) for array in arrays]
    for turn in range(0 if reduce else count - 1, 2 * (count - 1)):
        moving = [(d, (d - turn) % count) for d in range(count)]
        moved = [parts[d][part].copy() for d, part in moving]
        for (d, part), values in zip(moving, moved, strict=True):
            sent[d] += values.nbytes
            receiver = parts[(d + 1) % count]
            receiver[part] = receiver[part] + values if turn < count - 1 else values
    return [np.concatenate(p) for p in parts], sent


@pytest.mark.parametrize("replicas", [2, 3, 8])
def test_bytes_are_those_that_a_ring_sends(replicas):
    machine = Machine("ring", replicas, link=1e3, call=0.5, arithmetic=1, memory=1, host=1)
    tpu = Machine("tpu", replicas, 1e3, 0.5, 1, 1, 1, tpu=True)
    arrays = np.random.default_rng(0).normal(size=(replicas, 4 * replicas)).astype(np.float32)
    found, sent = run_ring(list(arrays), reduce=True)
    np.testing.assert_allclose(found, [arrays.sum(axis=0)] * replicas, rtol=1e-5, atol=1e-5)
    reduction = Exchange("", "all-reduce", 3, arrays.shape[1])
    np.testing.assert_allclose(sent, reduction.sent(machine))
    assert reduction.seconds(machine) == pytest.approx(sent[0] / 1e3 + 3 * 0.5)

    whole = arrays[0]
    own = np.zeros_like(arrays)
    for device in range(replicas):
        rows = np.arange(4) + 4 * device
        own[device][rows] = whole[rows]
    found, sent = run_ring([own[(d + 1) % replicas] for d in range(replicas)], reduce=False)
    np.testing.assert_array_equal(found, [whole] * replicas)
    gather = Exchange("", "gather", 1, len(whole))
    np.testing.assert_allclose(sent, gather.sent(machine))
    found, sent = run_ring(list(own), reduce=True)  # TPUStrategy: zeros for the others' rows
    np.testing.assert_array_equal(found, [whole] * replicas)
    np.testing.assert_allclose(sent, gather.sent(tpu))


@pytest.mark.parametrize("name", LEARNERS)
def test_exchanges_are_those_in_the_graph_of_a_step(name, two_replicas):
    arguments = LEARNERS[name]
    with two_replicas.scope():
        learner = small.contrastive_learner(whole=True, **arguments)
    network = Network.of(learner.encoders[0])
    if "queue" in arguments:
        image = np.prod(small.VIEW_SHAPE) if "shuffle_keys" in arguments else 0
        exchanges = communication.queue_exchanges(network, BATCH, DIMENSION, image)
    else:
        exchanges = communication.in_batch_exchanges(network, BATCH, DIMENSION)
    reduced, rows, copied, gathers = exchanges_in_graph(learner, two_replicas)

    def expected(kind):
        found = [e for e in exchanges if e.kind == kind]
        return sum(e.calls for e in found), sum(e.numbers for e in found)

    assert expected("all-reduce") == (len(reduced), sum(reduced))
    assert expected("gather") == (len(rows) / 2, sum(rows))
    assert gathers == len(rows)  # of each replica; lengths first
    assert not copied


def exchanges_in_graph(learner, strategy):
    """Sizes of what the first of two replicas reduces, the rows that both gather, sizes of what the
    first copies to the other besides, and the first's gathers in the graph.
    """
    rows, all_gather = [], tf.distribute.ReplicaContext.all_gather

    def note(context, value, axis, options=None):
        if value.dtype == tf.float32:  # of each replica
            rows.append(value.shape.num_elements())
        return all_gather(context, value, axis, options)

    batch = strategy.experimental_distribute_values_from_function(lambda _: small.views(BATCH // 2))
    with mock.patch.object(tf.distribute.ReplicaContext, "all_gather", note):
        step = graphs.compiled(lambda views: strategy.run(learner.train_step, (views,)))
        operations = step.get_concrete_function(batch).graph.get_operations()
    first, second = (
        [op for op in operations if op.device.endswith(device)] for device in ("CPU:0", "CPU:1")
    )
    reduced = [op.inputs[0].shape for op in first if op.type == "CollectiveReduceV2"]
    gathers = [op for op in first if op.type == "CollectiveGatherV2"]
    copied = [
        x.shape
        for op in second
        for x in op.inputs
        if x.op.device.endswith("CPU:0") and x.dtype == tf.float32
    ]
    reduced, copied = ([s.num_elements() for s in shapes] for shapes in (reduced, copied))
    return reduced, rows, copied, len(gathers)


def test_sizes_of_resnet50_are_the_published_ones(resnet50):
    network = Network.of(resnet50, (224, 224, 3))
    published, classifier = (
        25_557_032,
        2048 * 1000 + 1000,
    )  # torchvision's, which ends in a classifier
    head = 2048 * 2048 + 2048 + 2048 * 128 + 128
    assert network.parameters == published - classifier + head
    assert network.parameters == resnet50.count_params() - 2 * network.channels
    assert network.layers == 53
    assert network.flops == pytest.approx(2 * 4.09e9, rel=0.01)


def test_the_document_holds_what_the_program_prints(resnet50):
    document = pathlib.Path(__file__).parents[1] / "docs" / "scaling.md"
    network = Network.of(resnet50, (224, 224, 3))
    assert "\n".join(communication.report(network)) in document.read_text(encoding="utf-8")
