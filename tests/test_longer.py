"""A training that continues to another end than it was begun with equals one that had it from the
start, or is refused.
"""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.data.sets import Data
from infomin_tf.errors import UserError
from infomin_tf.evaluation.knn import NearestNeighbours
from infomin_tf.experiment import begun, longer
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.experiment.learn_views import LearnViews
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.run import Run
from infomin_tf.runs import differences, files, run_folder
from infomin_tf.training import schedules
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.views import color, pairs, splits
from tests import small

STRATEGY = tf.distribute.OneDeviceStrategy("CPU:0")
EPOCHS, LIMIT = "Pretrain.epochs", "TrainingLoop.steps_limit"


def pretraining(epochs, schedule=None, **loop):
    return Pretrain(
        small.encoder,
        keras.optimizers.SGD(0.1),
        batch_size=10,
        epochs=epochs,
        num_candidates=8,
        schedule=schedule,
        loop=TrainingLoop(**loop),
    )


def text(**bindings):
    lines = [f"{name} = {value}" for name, value in bindings.items()]
    return "\n".join(["# seed: 0", *lines, ""])


@pytest.fixture
def run(tmp_path):
    """Of 40 images, 4 steps per epoch."""
    strategy = types.SimpleNamespace(num_replicas_in_sync=1)
    pair = pairs.IndependentPair(pairs.CropAndFlip(12))
    images = small.images(40)
    return Run(str(tmp_path), strategy, 0, images, images, images, images, pair, small.split(), "")


def begin(run, stage, step, finished=True):
    """As if the stage had trained to a step."""
    run_folder.save(run.model_dir, text(**{EPOCHS: 3}))
    begun.write(run, stage)
    files.write_atomically(f"{run.directory(stage.name)}/checkpoints/ckpt-{step}.index", "")
    if finished:
        run.finish(stage.name, [], step, 0.0)


def settle(run, *stages, epochs=6):
    run.configuration = text(**{EPOCHS: epochs})
    longer.settle(run, list(stages), list(stages))


KEPT = [
    (None, None),
    (schedules.StepDecay((2,), of_epochs=3), schedules.StepDecay((2,), of_epochs=6)),
]


@pytest.mark.parametrize(("then", "now"), KEPT)
def test_a_longer_training_that_keeps_its_rates_is_unfinished_again(then, now, run):
    begin(run, pretraining(3, then), 12)
    run.finish("evaluate", [], 12, 0.0)
    settle(run, pretraining(6, now), Evaluate(pairs.CenterCrop(14, 12)))
    assert run.results_of("pretrain") is None and run.results_of("evaluate") is None
    assert run_folder.changed_lengths(run.model_dir, text(**{EPOCHS: 6})) == []
    assert run_folder.holds(run.model_dir, text(**{EPOCHS: 6}))


REFUSED = [
    (schedules.Cosine(), schedules.Cosine(), 6, "with Cosine the learning rate at step 1 was 0.09"),
    (
        schedules.StepDecay((2,), of_epochs=3),
        schedules.StepDecay((2,), of_epochs=3),
        6,
        "at step 9 was 0.02",
    ),
    (None, schedules.Cosine(), 6, "with Cosine .* at step 1 was 0.1,"),
    (None, None, 2, "has done 12 steps, but only 8 are asked for: steps cannot be undone"),
]


@pytest.mark.parametrize(("then", "now", "epochs", "why"), REFUSED)
def test_what_would_not_end_as_from_the_start_is_refused_with_the_reason(
    then, now, epochs, why, run
):
    begin(run, pretraining(3, then), 12)
    with pytest.raises(
        UserError, match=f"(?s)cannot continue with\n  {EPOCHS}: 3 -> {epochs}.*{why}"
    ):
        settle(run, pretraining(epochs, now), epochs=epochs)
    assert run.results_of("pretrain")["steps"] == 12
    assert run_folder.holds(run.model_dir, text(**{EPOCHS: 3}))


def test_an_unfinished_training_may_end_earlier_but_not_before_where_it_is(run):
    begin(run, pretraining(3), 5, finished=False)
    settle(run, pretraining(2), epochs=2)
    assert run_folder.holds(run.model_dir, text(**{EPOCHS: 2}))
    with pytest.raises(UserError, match="has done 5 steps, but only 4 are asked for"):
        settle(run, pretraining(1), epochs=1)


def test_rates_of_the_steps_that_are_not_done_may_differ(run):
    begin(run, pretraining(3, schedules.StepDecay((2,), of_epochs=3)), 8, finished=False)
    settle(run, pretraining(6, schedules.StepDecay((3,), of_epochs=6)))


def test_a_training_that_was_cut_goes_on_in_full(run):
    begin(run, pretraining(3, steps_limit=5), 5)
    settle(run, pretraining(3))
    assert run.results_of("pretrain") is None


def test_a_run_of_an_earlier_version_is_refused_with_the_reason(run, tmp_path):
    begin(run, pretraining(3), 12)
    (tmp_path / "pretrain" / "begun.json").unlink()
    with pytest.raises(UserError, match="earlier version, which did not record its learning rates"):
        settle(run, pretraining(6))


def test_other_images_are_refused_before_a_result_is_forgotten(run):
    begin(run, pretraining(3), 12)
    run.unlabelled = small.images(40, seed=9)
    with pytest.raises(UserError, match="was begun with other images"):
        settle(run, pretraining(6))
    assert run.results_of("pretrain")["steps"] == 12


def view_learning(epochs):
    optimizers = [keras.optimizers.SGD(0.1) for _ in range(2)]
    arguments = {"supervised_weight": 0.0, "batch_size": 10, "epochs": epochs}
    return LearnViews(small.encoder, *optimizers, **arguments)


def test_more_view_learning_is_refused_once_its_views_are_used(run):
    begin(run, view_learning(3), 12)
    settle(run, view_learning(6), pretraining(3))
    assert run.results_of("learn_views") is None
    begin(run, view_learning(3), 12)
    begin(run, pretraining(3), 4, finished=False)
    with pytest.raises(UserError, match="pretrain has begun on the views of learn_views"):
        settle(run, view_learning(6), pretraining(3))


def test_a_run_of_no_steps_is_lengthened_unless_its_views_are_used(run):
    run_folder.save(run.model_dir, text(**{EPOCHS: 0}))
    begun.write(run, pretraining(0))
    run.finish("pretrain", [], 0, 0.0)
    settle(run, pretraining(6))
    assert run.results_of("pretrain") is None
    begin(run, pretraining(3), 4)
    with pytest.raises(UserError, match="pretrain has begun on the views of learn_views"):
        settle(run, view_learning(6), pretraining(3))


def test_which_bindings_are_of_the_length():
    def lines(old, new):
        return differences.of_length(text(**old), text(**new))

    assert lines({EPOCHS: 3}, {EPOCHS: 6}) == [f"{EPOCHS}: 3 -> 6"]
    assert lines({LIMIT: 3}, {LIMIT: None}) and lines({}, {"Cosine.floor": 0.1})
    macro = {EPOCHS: "%LENGTH"}
    assert lines(macro | {"LENGTH": 3}, macro | {"LENGTH": 6}) == ["LENGTH: 3 -> 6"]
    other = {EPOCHS: "%LENGTH", "Encoder.width": "%LENGTH"}
    assert lines(other | {"LENGTH": 3}, other | {"LENGTH": 6}) == []
    assert lines({EPOCHS: 3, "a.B.c": 1}, {EPOCHS: 6, "a.B.c": 2}) == []
    assert differences.of_length(text(), text().replace("0", "1")) == []


class Some:
    """A source of random images."""

    def __init__(self, seed):
        self.seed = seed

    def load(self, data_dir=None):
        return small.images(40, self.seed)


def experiment(epochs, raw_pixels=False):
    return Experiment(
        Data(Some(1), Some(2), Some(3)),
        pairs.IndependentPair(pairs.CropAndFlip(12)),
        splits.Whole(color.RGB()),
        pretraining(epochs),
        Evaluate(pairs.CenterCrop(14, 12), (NearestNeighbours(),), raw_pixels=raw_pixels),
    )


def run_from_python(folder, epochs, **arguments):
    with STRATEGY.scope():
        keras.utils.set_random_seed(0)
        made = experiment(epochs, **arguments)
        return made.run(str(folder), strategy=STRATEGY, seed=0)


def test_an_experiment_from_python_notes_the_seed_of_each_run_and_what_it_was_given(tmp_path):
    with STRATEGY.scope():
        made = experiment(1)
        with made._claimed(str(tmp_path / "first"), 3, "") as first:
            pass
        made._pair.size = 13  # as if it were measured in the images
        with made._claimed(str(tmp_path / "second"), 4, "") as second:
            pass
    assert first.startswith("# seed: 3\n") and second == first.replace("seed: 3", "seed: 4")


def values(found):
    return {s: [(n["key"], n["value"]) for n in found[s]["measurements"]] for s in found}


def weights(folder):
    reader = tf.train.load_checkpoint(str(folder / "pretrain" / "checkpoints" / "ckpt-8"))
    names = [n for n in reader.get_variable_to_shape_map() if n.startswith("variables/")]
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.long
def test_a_lengthened_run_equals_a_long_one_to_the_bit_and_changed_settings_are_seen(tmp_path):
    whole = run_from_python(tmp_path / "whole", 2)
    short = run_from_python(tmp_path / "parts", 1)
    assert short["pretrain"]["steps"] == short["evaluate"]["steps"] == 4
    assert values(run_from_python(tmp_path / "parts", 1)) == values(short)
    both = run_from_python(tmp_path / "parts", 2)
    assert values(both) == values(whole) != values(short)
    assert both["pretrain"]["steps"] == both["evaluate"]["steps"] == 8
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert expected.keys() == found.keys() and expected
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    with pytest.raises(UserError, match=r'(?s)only evaluate .*Experiment.repeat\("evaluate"'):
        run_from_python(tmp_path / "whole", 2, raw_pixels=True)
