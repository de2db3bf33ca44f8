"""The loop: a stopped run that continues equals an unbroken one, and bad days end well."""

import functools
import os
import re
import signal
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.distribution.replicas import distribute_batches
from infomin_tf.errors import UserError
from infomin_tf.models import layers
from infomin_tf.progress import Place
from infomin_tf.training import step
from infomin_tf.training.checkpoint import Checkpoint
from infomin_tf.training.loop import TrainingLoop
from tests import small
from tests.tasks import (
    STRATEGY,
    bank_task,
    contrastive_task,
    fit,
    poisoned,
    view_task,
)

small_task = functools.partial(contrastive_task, whole=True, both_directions=False)
"""Of one encoder and its queue, where the loop is tested and not what it trains."""


class Stop(Exception):
    """Stands for a process that dies."""


def die_at(step):
    def on_epoch_end(now, writer, last):
        del writer, last
        if now == step:
            raise Stop

    return on_epoch_end


@pytest.mark.parametrize(
    "make_task",
    [contrastive_task, *(pytest.param(t, marks=pytest.mark.long) for t in (bank_task, view_task))],
)
def test_a_run_that_died_goes_on_to_the_same_bits(make_task, tmp_path):
    unbroken = fit(make_task(tmp_path / "unbroken"))
    dying = make_task(tmp_path / "broken")
    dying.on_epoch_end = die_at(5)
    with pytest.raises(Stop):
        fit(dying)
    resumed = fit(make_task(tmp_path / "broken"))
    for a, b in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_calls_of_any_length_give_the_same_bits(tmp_path):
    for a, b in zip(
        fit(small_task(tmp_path / "1"), steps_per_call=1),
        fit(small_task(tmp_path / "20"), steps_per_call=20),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_input_pipeline_of_the_loop_feeds_replicas_like_one_device(tmp_path, two_replicas):
    alone = fit(contrastive_task(tmp_path / "alone", total_steps=3))
    with two_replicas.scope():
        task = contrastive_task(tmp_path / "together", total_steps=3)
        TrainingLoop().fit(task, two_replicas)
    for a, b in zip(alone, small.weights(task.learner), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_replicas_end_with_the_state_that_was_saved(tmp_path, two_replicas, monkeypatch):
    """Batch statistics of each replica's own are the first's afterwards, as after a stop."""
    own = functools.partial(layers.batch_normalization, synchronized=False)
    monkeypatch.setattr(layers, "batch_normalization", own)
    differed = []
    with two_replicas.scope():
        task = small_task(tmp_path, 2)

        def differences():
            copies = (v.value.values for v in task.learner.weights)
            return [np.any(first.numpy() != second.numpy()) for first, second in copies]

        task.on_epoch_end = lambda *_: differed.append(any(differences()))
        TrainingLoop().fit(task, two_replicas)
        assert differed == [True] and not any(differences())


def test_xla_on_several_cpus_is_refused(tmp_path, two_replicas):
    with two_replicas.scope():
        task = small_task(tmp_path)
        with pytest.raises(UserError, match="2 CPUs share; bind TrainingLoop.jit_compile = False"):
            TrainingLoop(jit_compile=True).fit(task, two_replicas)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(number, tmp_path, capsys):
    task = small_task(tmp_path)
    task.on_epoch_end = lambda step, writer, last: os.kill(os.getpid(), number)
    with pytest.raises(SystemExit) as stop:
        fit(task, checkpoint_minutes=60.0)
    assert stop.value.code == 128 + number
    assert "stopped at step 5 of 13 and saved" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    again = small_task(tmp_path)
    assert Checkpoint(again.learner, again.directory).restore() == 5


def test_a_loss_that_is_not_finite_names_step_and_checkpoint(tmp_path):
    fit(small_task(tmp_path, total_steps=3))
    with pytest.raises(UserError, match=r"nan at step 8; the last good checkpoint\s+is .*ckpt-5"):
        fit(poisoned(small_task(tmp_path), 7))


def test_steps_limit_ends_the_stage_early_and_events_hold_the_metrics(tmp_path):
    task = small_task(tmp_path)
    fit(task, steps_limit=2)
    assert Checkpoint(task.learner, task.directory).restore() == 2
    [events] = tmp_path.glob("events*")
    tags = set()
    for record in tf.data.TFRecordDataset(str(events)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        tags |= {value.tag for value in event.summary.value}
    assert {"loss", "i_nce", "i_nce_ceiling", "learning_rate", "images_per_second"} <= tags
    assert "waiting_for_data" in tags


def test_i_nce_of_training_is_the_mean_over_the_steps_of_the_last_epoch(tmp_path):
    """Steps 6 to 8 of epochs of 5, also where the run was stopped among them."""
    loop = TrainingLoop(steps_per_call=1)
    unbroken = loop.fit(small_task(tmp_path / "unbroken", total_steps=8), STRATEGY)
    [events] = (tmp_path / "unbroken").glob("events*")
    logged = {}
    for record in tf.data.TFRecordDataset(str(events)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            if value.tag == "i_nce":
                logged[event.step] = float(tf.make_ndarray(value.tensor))
    assert unbroken.i_nce == (pytest.approx(np.mean([logged[s] for s in (6, 7, 8)])), 3)
    fit(small_task(tmp_path / "broken", total_steps=8), steps_limit=7)
    resumed = TrainingLoop().fit(small_task(tmp_path / "broken", total_steps=8), STRATEGY)
    assert resumed.i_nce == unbroken.i_nce
    again = TrainingLoop().fit(small_task(tmp_path / "broken", total_steps=8), STRATEGY)
    assert again.i_nce == unbroken.i_nce


def test_a_log_says_where_the_training_is_and_what_a_monitor_measured(tmp_path, capsys):
    """One call each of 3, 2, 3, 2, 3 steps; of these the first is said, and the last."""
    task = small_task(tmp_path)
    task.on_epoch_end = lambda step, writer, last: {"kNN": f"{step}.0%"}
    settings = {"steps_per_call": 3, "checkpoint_minutes": 60.0}
    TrainingLoop(**settings).fit(task, STRATEGY, Place(1, 2, "test", ("export",)))
    begins, first, last = capsys.readouterr().err.splitlines()
    assert begins == "stage 1/2 test: begins at step 0 of 13 (0%)"
    assert re.fullmatch(
        r"stage 1/2 test: step 3 of 13 \(23%\), loss \d\.\d\d, I_NCE -?\d\.\d\d, then export", first
    )
    assert re.fullmatch(
        r"stage 1/2 test: step 13 of 13 \(100%\), loss \d\.\d\d, I_NCE -?\d\.\d\d, kNN 13.0%, "
        r"data wait \d+%, \d+\.\d steps/s, then export",
        last,
    )
    fit(small_task(tmp_path, total_steps=20), steps_per_call=20)
    begins = capsys.readouterr().err.splitlines()[0]
    assert begins == "stage 1/1 test: continues from step 13 of 20 (65%)"


class SlowLearner(keras.Model):
    """Its step takes a time of its own."""

    tables, optimizers = (), ()

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def train_step(self, batch):
        with tf.control_dependencies([batch]):
            return {"loss": slept(self.seconds)}


def slept(seconds):
    def sleep():
        time.sleep(seconds)
        return np.float32(0.0)

    return tf.ensure_shape(tf.numpy_function(sleep, [], tf.float32), [])


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize(("of_data", "of_step", "waits"), [(0.1, 0.0, True), (0.0, 0.1, False)])
def test_time_spent_waiting_for_batches_is_told_from_that_of_steps(
    of_data, of_step, waits, replicas, two_replicas
):
    strategy = two_replicas if replicas == 2 else STRATEGY
    with strategy.scope():
        run_steps = step.compile_steps(SlowLearner(of_step), strategy)

        def batches(shard):
            numbers = tf.data.Dataset.range(2**31).batch(replicas, drop_remainder=True)
            return numbers.map(lambda x: x + tf.cast(slept(of_data), tf.int64) if of_data else x)

        iterator = distribute_batches(strategy, batches, replicas)
        run_steps(iterator, 2)  # traces; two replicas fetch some batches ahead
        waited = run_steps(iterator, 8)[step.WAITED].numpy()
    assert waited.shape == (8,)
    assert waited[2:].mean() > 0.05 if waits else waited[2:].mean() < 0.05


@pytest.mark.parametrize("kind", ["queue", "bank"])
@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_table_is_neither_copied_by_reading_nor_by_writing(
    kind, replicas, tmp_path, two_replicas
):
    """In the graph of a step: reads come after the operation that lets them share memory, and there
    is none that would make copies of them; all that uses a read is done before the write, which
    copies only memory that is in use.
    """
    strategy = two_replicas if replicas == 2 else STRATEGY
    with strategy.scope():
        task = contrastive_task(tmp_path, 2) if kind == "queue" else bank_task(tmp_path, 2, size=0)
    step, captured = task.learner.train_step, {}

    def noting_step(batch):
        metrics = step(batch)
        graph = tf.compat.v1.get_default_graph()
        for table in task.learner.tables:
            handle = graph.capture(table.value.handle)  # of this replica
            captured[handle.name] = handle
        return metrics

    task.learner.train_step = noting_step
    TrainingLoop().fit(task, strategy)
    assert len(captured) == replicas * len(task.learner.tables)
    for handle in captured.values():
        operations = handle.consumers()
        assert {operation.type for operation in operations} == {
            "DisableCopyOnRead", "ReadVariableOp", "ResourceScatterUpdate"
        }  # fmt: skip
        [shared] = [operation for operation in operations if operation.type == "DisableCopyOnRead"]
        [write] = [o for o in operations if o.type == "ResourceScatterUpdate"]
        before_write, graph = operations_before(write), handle.graph
        run = operations_before(*graph.control_outputs, *(x.op for x in graph.outputs))
        reads = [o for o in operations if o.type == "ReadVariableOp"]
        assert all(shared in operations_before(read) for read in reads)
        used_by = set().union(*(users(read) for read in reads)) & run
        assert used_by and used_by <= before_write


def operations_before(*operations):
    """All operations that are done before the last of some starts."""
    found, waiting = set(), list(operations)
    while waiting:
        last = waiting.pop()
        new = {x.op for x in last.inputs} | set(last.control_inputs)
        waiting += new - found
        found |= new
    return found


def users(operation):
    """The operations that read the memory of the output of one, past those that only pass it on."""
    found = set()
    for user in operation.outputs[0].consumers():
        passes_on = user.type in ("Identity", "Reshape", "ExpandDims", "Squeeze", "StopGradient")
        found |= users(user) if passes_on else {user}
    return found
