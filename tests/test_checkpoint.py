"""Checkpoints on bad days: foreign, damaged, half-written, of another clock, not finite."""

import os
import time

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.training.checkpoint import Checkpoint
from tests.tasks import contrastive_task, fit, view_task


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
            UserError, match="at step 2 could not be written .*continue from the checkpoint"
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


@pytest.mark.parametrize("name", ["lr=[0.1]", "[!a]*?", "a\\b", "{a,b} (c)%s é"])
def test_checkpoints_in_a_folder_whose_name_is_a_pattern_are_read(tmp_path, name):
    directory, decoy = tmp_path / name, tmp_path / "lr=0"
    task = contrastive_task(directory)
    Checkpoint(task.learner, task.directory).save(3)
    Checkpoint(task.learner, str(decoy)).save(5)
    assert Checkpoint(task.learner, task.directory).restore() == 3


def test_checkpoints_that_cannot_be_opened_are_not_to_be_deleted(tmp_path):
    task = contrastive_task(tmp_path)
    Checkpoint(task.learner, task.directory).save(1)
    [data] = (tmp_path / "checkpoints").glob("ckpt-1.data*")
    data.unlink()
    data.symlink_to(data)  # which not even root can open
    with pytest.raises(UserError, match="cannot be opened .*; make them readable") as refused:
        Checkpoint(task.learner, task.directory).restore()
    assert "delete" not in str(refused.value)


def test_a_checkpoint_that_counts_steps_left_out_is_read(tmp_path):
    """As an earlier version wrote it."""
    task = contrastive_task(tmp_path)
    checkpoint = Checkpoint(task.learner, task.directory)
    checkpoint._checkpoint.skipped = tf.Variable(3, dtype=tf.int64)
    checkpoint.save(2)
    assert Checkpoint(task.learner, task.directory).restore() == 2


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    task = contrastive_task(tmp_path)
    checkpoint = Checkpoint(task.learner, task.directory)
    checkpoint.save(1)
    weight = task.learner.encoders[0].head.projection.bias
    weight.assign(np.nan * weight.value)
    with pytest.raises(UserError, match="no longer finite at step 2; the last good .*ckpt-1"):
        checkpoint.save(2)
    assert checkpoint.newest.endswith("ckpt-1")


def test_checkpoints_come_every_so_many_steps(tmp_path):
    fit(contrastive_task(tmp_path), checkpoint_minutes=60.0, checkpoint_steps=4, checkpoints_kept=9)
    names = {path.stem for path in (tmp_path / "checkpoints").glob("*.index")}
    assert names == {"ckpt-4", "ckpt-8", "ckpt-12", "ckpt-13"}
