"""The loop: a stopped run that goes on equals an unbroken one, and bad days end well."""

import functools
import os
import signal
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import training
from infomin_tf.checkpoint import Checkpoint
from infomin_tf.data import pipeline
from infomin_tf.errors import UserError
from infomin_tf.models import layers
from infomin_tf.views import families, pairs
from infomin_tf.views.augment.jigsaw import JigsawPatches
from tests import small

IMAGES = small.images(40)
PAIR = pairs.IndependentPair(pairs.CropAndFlip(12))
STRATEGY = tf.distribute.OneDeviceStrategy("CPU:0")


def contrastive_task(directory, total_steps=13, **arguments):
    learner = small.contrastive_learner(queue=20, **arguments)
    return training.Task(
        name="test",
        learner=learner,
        make_batches=lambda step, shard: pipeline.training_batches(
            IMAGES, 8, 1, PAIR, first_step=step, shard=shard
        ),
        global_batch_size=8,
        steps_per_epoch=5,
        total_steps=total_steps,
        directory=str(directory),
    )


def bank_task(directory, total_steps=13, size=10):
    """A memory bank and patches: the sample of a step and the entries of the bank must survive a stop."""
    keras.utils.set_random_seed(3)
    pair = pairs.IndependentPair(families.moco_v1(12), JigsawPatches(24, grid=2, patch=12))
    learner = small.contrastive_learner(
        bank=size, whole=True, both_directions=False, jigsaw=True, num_images=40
    )
    return training.Task(
        name="test",
        learner=learner,
        make_batches=lambda step, shard: pipeline.training_batches(
            IMAGES.numbered(), 8, 1, pair, first_step=step, shard=shard
        ),
        global_batch_size=8,
        steps_per_epoch=5,
        total_steps=total_steps,
        directory=str(directory),
    )


def view_task(directory, total_steps=7):
    def batches(step, shard):
        streams = [
            pipeline.training_batches(IMAGES, size, seed, PAIR, first_step=step, shard=shard)
            for size, seed in ((8, 1), (4, 2))
        ]
        return tf.data.Dataset.zip(tuple(streams))

    return training.Task("test", small.view_learner(), batches, 8, 5, total_steps, str(directory))


def fit(task, **loop):
    loop = training.TrainingLoop(**{"steps_per_call": 3, "checkpoint_minutes": 0.0} | loop)
    loop.fit(task, STRATEGY)
    return small.weights(task.learner)


class Stop(Exception):
    """Stands for a process that dies."""


def die_at(step):
    def on_epoch_end(now, writer, last):
        del writer, last
        if now == step:
            raise Stop

    return on_epoch_end


@pytest.mark.parametrize("make_task", [contrastive_task, bank_task, view_task])
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
        fit(contrastive_task(tmp_path / "1"), steps_per_call=1),
        fit(contrastive_task(tmp_path / "20"), steps_per_call=20),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_input_pipeline_of_the_loop_feeds_replicas_like_one_device(tmp_path, two_replicas):
    alone = fit(contrastive_task(tmp_path / "alone", total_steps=3))
    with two_replicas.scope():
        task = contrastive_task(tmp_path / "together", total_steps=3)
        training.TrainingLoop().fit(task, two_replicas)
    for a, b in zip(alone, small.weights(task.learner), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_replicas_end_with_the_state_that_was_saved(tmp_path, two_replicas, monkeypatch):
    """Batch statistics of each replica's own are the first's afterwards, as after a stop."""
    own = functools.partial(layers.batch_normalization, synchronized=False)
    monkeypatch.setattr(layers, "batch_normalization", own)
    differed = []
    with two_replicas.scope():
        task = contrastive_task(tmp_path, 2)

        def differences():
            copies = (v.value.values for v in task.learner.weights)
            return [np.any(first.numpy() != second.numpy()) for first, second in copies]

        task.on_epoch_end = lambda *_: differed.append(any(differences()))
        training.TrainingLoop().fit(task, two_replicas)
        assert differed == [True] and not any(differences())


def test_xla_on_several_cpus_is_refused(tmp_path, two_replicas):
    with two_replicas.scope():
        task = contrastive_task(tmp_path)
        with pytest.raises(UserError, match="2 CPUs share; bind TrainingLoop.jit_compile = False"):
            training.TrainingLoop(jit_compile=True).fit(task, two_replicas)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(number, tmp_path, capsys):
    task = contrastive_task(tmp_path)
    task.on_epoch_end = lambda step, writer, last: os.kill(os.getpid(), number)
    with pytest.raises(SystemExit) as stop:
        fit(task, checkpoint_minutes=60.0)
    assert stop.value.code == 128 + number
    assert "stopped at step 5 of 13 and saved" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    again = contrastive_task(tmp_path)
    assert Checkpoint(again.learner, again.directory).restore() == 5


def poisoned(task, *bad):
    """The task with not-a-number in the last image of the batches of those steps, counted from 0."""
    make = task.make_batches

    def spoil(number, batch):
        (first, second), labels = batch
        is_bad = tf.reduce_any(number == tf.constant(bad, tf.int64))
        last = tf.where(is_bad, np.nan * first[-1:], first[-1:])
        return (tf.concat([first[:-1], last], axis=0), second), labels

    task.make_batches = lambda step, shard: make(step, shard).enumerate(step).map(spoil)
    return task


def test_a_loss_that_is_not_finite_names_step_and_checkpoint(tmp_path):
    fit(contrastive_task(tmp_path, total_steps=3))
    with pytest.raises(UserError, match=r"nan at step 8; the last good checkpoint\s+is .*ckpt-5"):
        fit(poisoned(contrastive_task(tmp_path), 7))


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_skipped_step_changes_nothing(replicas, tmp_path, two_replicas, caplog):
    """As if the batches with not-a-number were not there: weights, queue, optimizer, on each replica."""
    strategy = two_replicas if replicas == 2 else STRATEGY

    def end(task, **settings):
        training.TrainingLoop(steps_per_call=3, **settings).fit(task, strategy)
        return small.weights(task.learner)

    with strategy.scope():
        skipping = poisoned(contrastive_task(tmp_path / "skipping", total_steps=10), 2, 7)
        without = contrastive_task(tmp_path / "without", total_steps=8)
        make = without.make_batches
        good = lambda number, batch: (number != 2) & (number != 7)  # noqa: E731
        without.make_batches = lambda step, shard: (
            make(step, shard).enumerate(step).filter(good).map(lambda number, batch: batch)
        )
        for a, b in zip(end(skipping, skipped_steps_limit=2), end(without), strict=True):
            np.testing.assert_array_equal(a, b)
    assert "left out 1 step(s) after step 5" in caplog.text


def test_no_more_steps_than_the_limit_are_skipped_over_all_runs(tmp_path):
    settings = {"skipped_steps_limit": 2, "checkpoint_steps": 5}
    fit(poisoned(contrastive_task(tmp_path, total_steps=5), 1, 3), **settings)
    with pytest.raises(UserError, match=r"step 8, as in 2 steps before.*ckpt-5"):
        fit(poisoned(contrastive_task(tmp_path), 7), **settings)


def test_checkpoints_are_few_and_a_foreign_one_is_refused(tmp_path):
    fit(contrastive_task(tmp_path), checkpoints_kept=2)
    names = {name.split(".")[0] for name in os.listdir(tmp_path / "checkpoints")}
    assert names == {"ckpt-10", "ckpt-13"}
    with pytest.raises(UserError, match="can be read into this model"):
        fit(view_task(tmp_path, 20))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    unbroken = fit(contrastive_task(tmp_path / "unbroken", total_steps=20))
    fit(contrastive_task(tmp_path / "damaged"))
    [data] = (tmp_path / "damaged" / "checkpoints").glob("ckpt-13.data*")
    data.write_bytes(data.read_bytes()[:100])
    resumed = fit(contrastive_task(tmp_path / "damaged", total_steps=20))
    assert "ckpt-13 cannot be read" in caplog.text
    for a, b in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_full_disk_keeps_the_checkpoint_before_and_nothing_half_written(tmp_path, full_disk):
    task = contrastive_task(tmp_path)
    checkpoint = Checkpoint(task.learner, task.directory)
    checkpoint.save(1)
    before = sorted(os.listdir(tmp_path / "checkpoints"))
    weight = task.learner.encoders[0].head.projection.bias
    weight.assign(weight.value + 1.0)
    with (
        full_disk(),
        pytest.raises(
            UserError, match="at step 2 could not be written .*go on from the checkpoint"
        ),
    ):
        checkpoint.save(2)
    assert sorted(os.listdir(tmp_path / "checkpoints")) == before
    assert checkpoint.restore() == 1
    np.testing.assert_array_equal(weight.value, np.zeros(weight.shape))


def test_what_a_killed_writer_left_is_removed(tmp_path):
    folder = tmp_path / "checkpoints"
    (folder / "ckpt-4_temp").mkdir(parents=True)
    for name in ("ckpt-4_temp/part-00000-of-00001.data", "ckpt-4.data-00000-of-00001"):
        (folder / name).write_bytes(b"half")
    (folder / "ckpt-3.index.tempstate123").write_bytes(b"half")
    fit(contrastive_task(tmp_path, total_steps=3))
    assert {path.stem for path in folder.iterdir()} == {"ckpt-3"}


def test_checkpoints_of_a_clock_that_ran_ahead_are_found(tmp_path, monkeypatch):
    """TensorFlow's CheckpointManager forgets them, and the stage would begin anew."""
    task, now = contrastive_task(tmp_path), time.time
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now() + 3600)
        Checkpoint(task.learner, task.directory).save(1)
    assert Checkpoint(task.learner, task.directory).restore() == 1


def test_a_file_in_the_place_of_a_folder_is_explained(tmp_path):
    (tmp_path / "checkpoints").touch()
    with pytest.raises(UserError, match="checkpoints cannot be made"):
        fit(contrastive_task(tmp_path))


def test_no_checkpoint_that_can_be_read_is_an_error(tmp_path):
    fit(contrastive_task(tmp_path), checkpoints_kept=1)
    [data] = (tmp_path / "checkpoints").glob("ckpt-13.data*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match="delete that folder to begin the stage anew"):
        fit(contrastive_task(tmp_path, total_steps=20))


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    task = contrastive_task(tmp_path)
    checkpoint = Checkpoint(task.learner, task.directory)
    checkpoint.save(1)
    weight = task.learner.encoders[0].head.projection.bias
    weight.assign(np.nan * weight.value)
    with pytest.raises(UserError, match="not finite any more at step 2; the last good .*ckpt-1"):
        checkpoint.save(2)
    assert checkpoint.newest.endswith("ckpt-1")


def test_events_hold_the_metrics(tmp_path):
    fit(contrastive_task(tmp_path))
    [events] = tmp_path.glob("events*")
    tags = set()
    for record in tf.data.TFRecordDataset(str(events)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        tags |= {value.tag for value in event.summary.value}
    assert {"loss", "i_nce", "i_nce_ceiling", "learning_rate", "images_per_second"} <= tags


def test_checkpoints_come_every_so_many_steps(tmp_path):
    fit(contrastive_task(tmp_path), checkpoint_minutes=60.0, checkpoint_steps=4, checkpoints_kept=9)
    names = {path.stem for path in (tmp_path / "checkpoints").glob("*.index")}
    assert names == {"ckpt-4", "ckpt-8", "ckpt-12", "ckpt-13"}


def test_steps_limit_ends_the_stage_early(tmp_path):
    task = contrastive_task(tmp_path)
    fit(task, steps_limit=2)
    assert Checkpoint(task.learner, task.directory).restore() == 2


@pytest.mark.parametrize("kind", ["queue", "bank"])
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_table_is_neither_copied_by_reading_nor_by_writing(
    kind, replicas, tmp_path, two_replicas
):
    """In a step all reads share the memory in which the queue or the whole bank lies, and it stays there."""
    strategy = two_replicas if replicas == 2 else STRATEGY
    with strategy.scope():
        task = contrastive_task(tmp_path, 6) if kind == "queue" else bank_task(tmp_path, 6, size=0)
    negatives, read = task.learner.negatives, []
    table, contrast = task.learner.tables[0].value, negatives.contrast

    def note(first, second):
        read.append((first.ctypes.data, second.ctypes.data))
        return np.float32(0)

    def noting_contrast(q, k, encoder_index, indices, step):
        if encoder_index == 0:
            tf.numpy_function(note, [table.read_value(), table.read_value()], tf.float32)
        return contrast(q, k, encoder_index, indices, step)

    negatives.contrast = noting_contrast
    training.TrainingLoop(steps_per_call=3).fit(task, strategy)
    assert all(first == second for first, second in read)
    assert len(set(read)) == replicas
