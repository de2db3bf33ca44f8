"""Trainings that ran elsewhere: what is sent there is what runs here, what comes back is taken."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.accelerator import export_steps, finish_sweep
from infomin_tf.progress import Place
from infomin_tf.training import loop
from infomin_tf.training.checkpoint import Checkpoint, state
from tests import small, tasks

PLACE = Place(1, 1, "pretrain")  # as a stage passes it, by position


def test_images_and_seeds_of_views_are_those_of_the_pipeline():
    steps, size = 11, 8
    places, seeds = export_steps.order(tasks.IMAGES, size, 1, steps)
    batches = tasks.contrastive_task("unused").make_batches(0, (0, 1)).take(steps)
    for place, seed, (views, labels) in zip(places, seeds, batches, strict=True):
        images, expected_labels = tasks.IMAGES.gather(place.astype(np.int64))
        expected = tasks.PAIR.apply(images, tasks.PAIR.draw(size, seed))
        np.testing.assert_array_equal(labels, expected_labels)
        for view, expected_view in zip(views, expected, strict=True):
            np.testing.assert_allclose(view, expected_view, atol=1e-6)


def test_all_that_a_step_reads_is_in_the_state_that_travels():
    """In-place updates read slots that TensorFlow does not list among a graph's variables."""
    learner = tasks.contrastive_task("unused").learner
    batches = tasks.contrastive_task("unused").make_batches(0, (0, 1))
    step = tf.function(learner.train_step, autograph=False)
    concrete = step.get_concrete_function(next(iter(batches)))
    places = export_steps.places_in_state(concrete, learner)
    assert len(places) == len(set(places)) == len(concrete.captured_inputs)
    read = {place for place, v in enumerate(state(learner)) if "momentum" in v.path}
    assert read and read <= set(places)


@pytest.fixture
def ended(tmp_path):
    """(a folder with the end state of point_seed0's pre-training of 5 steps, its weights)."""
    learner = tasks.contrastive_task(tmp_path).learner
    weights = [np.asarray(v) + 1 if v.dtype == "float32" else v for v in learner.variables]
    (tmp_path / "ends").mkdir()
    np.savez(
        tmp_path / "ends" / "point_seed0_pretrain.npz",
        **{f"v{place:05d}": weight for place, weight in enumerate(weights)},
        seconds=2.5,
        i_nce=np.arange(5.0),
    )
    return tmp_path, weights


def test_a_training_ends_with_the_weights_that_came_back(ended, monkeypatch):
    folder, weights = ended
    monkeypatch.setattr(loop.TrainingLoop, "fit", finish_sweep.taken_from(str(folder)))
    task = tasks.contrastive_task(folder / "point_seed0" / "pretrain", total_steps=5)
    task.name = "pretrain"
    trained = loop.TrainingLoop().fit(task, tasks.STRATEGY, PLACE)
    assert (trained.steps, trained.seconds, trained.i_nce) == (5, 2.5, (2.0, 5))
    again = tasks.contrastive_task(folder / "point_seed0" / "pretrain", total_steps=5)
    assert Checkpoint(again.learner, again.directory).restore() == 5
    for found, expected in zip(again.learner.variables, weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_another_length_is_refused(ended, monkeypatch):
    monkeypatch.setattr(loop.TrainingLoop, "fit", finish_sweep.taken_from(str(ended[0])))
    task = tasks.contrastive_task(ended[0] / "point_seed0" / "pretrain", total_steps=6)
    task.name = "pretrain"
    with pytest.raises(SystemExit, match="5 of 6 steps"):
        loop.TrainingLoop().fit(task, tasks.STRATEGY, PLACE)


def test_a_training_without_an_end_state_runs_here(ended, monkeypatch):
    before = small.weights(tasks.contrastive_task("unused").learner)
    monkeypatch.setattr(loop.TrainingLoop, "fit", finish_sweep.taken_from(str(ended[0])))
    task = tasks.contrastive_task(ended[0] / "other_seed0" / "pretrain", total_steps=1)
    assert loop.TrainingLoop().fit(task, tasks.STRATEGY, PLACE).steps == 1
    changed = [np.any(a != b) for a, b in zip(before, small.weights(task.learner), strict=True)]
    assert any(changed)
