"""Views that are learned once and pre-trained on several times; a pair of crops for each stage."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.data.sets import Data
from infomin_tf.errors import UserError
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.experiment.learn_views import LearnViews
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.views_of_run import ViewsOfRun
from infomin_tf.runs import results
from infomin_tf.training import loop
from infomin_tf.views import bands, color, generators, pairs, saved, splits
from tests import small

STRATEGY = tf.distribute.OneDeviceStrategy("CPU:0")


class Images:
    """Stands for a source of the images of `small`."""

    def __init__(self, count, seed):
        self._arguments = count, seed

    def load(self, data_dir=None):
        return small.images(*self._arguments)


def split(generator=generators.AdditiveGenerator, space=color.RGB, first=(0,), blocks=2):
    made = splits.ChannelSplit(space(), generator(num_blocks=blocks), first_channels=first)
    made.build((None, *small.VIEW_SHAPE))
    return made


def learned(seed):
    made = split()
    for place, variable in enumerate(made.variables):
        noise = np.random.default_rng([seed, place]).uniform(0.5, 1.0, variable.shape)
        variable.assign(noise)
    return made


def test_a_saved_split_gives_the_same_views(tmp_path):
    there, here = learned(1), learned(2)
    images = small.views()[0][0]
    assert np.abs(there(images)[1] - here(images)[1]).max() > 0.01
    saved.save(there, str(tmp_path))
    saved.load_into(here, tmp_path)
    for a, b in zip(there(images), here(images), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"generator": generators.AffineGenerator}, "generator AdditiveGenerator there, Affine"),
        ({"space": color.YDbDr}, "color_space RGB there, YDbDr here"),
        ({"space": lambda: bands.Bands(2.0)}, "color_space RGB there, Bands here"),
        ({"first": (1,)}, r"first_channels \[0\] there, \[1\] here"),
        ({"blocks": 3}, "generator.num_blocks 2 there, 3 here"),
    ],
)
def test_another_split_is_refused(tmp_path, arguments, words):
    saved.save(split(), str(tmp_path))
    with pytest.raises(UserError, match=f"is of another split: .*{words}"):
        saved.load_into(split(**arguments), tmp_path)


def test_bands_of_another_width_are_refused(tmp_path):
    saved.save(split(space=bands.Bands), str(tmp_path))
    saved.load_into(split(space=bands.Bands), tmp_path)
    with pytest.raises(UserError, match=r"color_space.fine 1.0 there, 2.0 here"):
        saved.load_into(split(space=lambda: bands.Bands(2.0)), tmp_path)


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="is missing; delete results.json next to it"):
        saved.load_into(split(), tmp_path)
    saved.save(split(), str(tmp_path))
    path = tmp_path / results.VIEWS
    content = json.loads(path.read_text())
    for damage in ('{"split": 3}', path.read_text()[:99], json.dumps(content | {"weights": [1]})):
        path.write_text(damage)
        with pytest.raises(UserError, match="run the view learning there again"):
            saved.load_into(split(), tmp_path)


def experiment(view_learning, sampler=None):
    keras.utils.set_random_seed(1)
    pretraining = Pretrain(small.encoder, keras.optimizers.SGD(0.1), batch_size=8, epochs=1)
    return Experiment(
        Data(Images(24, 1), Images(16, 2), Images(16, 3)),
        pairs.SharedPair(sampler or pairs.CropAndFlip(12)),
        splits.ChannelSplit(color.RGB(), generators.AdditiveGenerator(num_blocks=1)),
        pretraining,
        view_learning=view_learning,
    )


def learning(**arguments):
    return LearnViews(
        small.encoder,
        *[keras.optimizers.SGD(0.1) for _ in range(2)],
        supervised_weight=0.0,
        batch_size=8,
        epochs=1,
        **arguments,
    )


def run(made, folder, seed=0, **arguments):
    with STRATEGY.scope():
        return made.run(str(folder), strategy=STRATEGY, seed=seed, **arguments)


def variables(made):
    return [np.array(variable) for variable in made._split.variables]


def test_views_of_a_run_serve_other_runs_and_stay_when_that_one_is_gone(tmp_path, capsys):
    first = experiment(learning())
    run(first, tmp_path / "first")
    second = experiment(ViewsOfRun(tmp_path / "first"))
    found = run(second, tmp_path / "second", seed=1)
    for a, b in zip(variables(first), variables(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert found["learn_views"]["steps"] == 0 and found["pretrain"]["measurements"]
    assert found["learn_views"]["views_of"] == str(tmp_path / "first" / "learn_views")
    assert found["learn_views"]["view_learning"]["steps"] == 3
    assert found["learn_views"]["doubts"] == []
    assert (tmp_path / "first" / "learn_views" / results.CHANNELS_PICTURE).exists()
    (tmp_path / "first" / "learn_views" / results.VIEWS).unlink()
    results.forget(str(tmp_path / "second" / "pretrain"))
    again = experiment(ViewsOfRun(tmp_path / "first"))
    repeated = run(again, tmp_path / "second", seed=1)["pretrain"]
    assert repeated["measurements"] == found["pretrain"]["measurements"]
    assert "learn_views is finished: skipped" in capsys.readouterr().err
    for a, b in zip(variables(first), variables(again), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
def test_a_trial_is_said_and_a_longer_view_learning_leaves_new_views(tmp_path):
    trial = experiment(learning(loop=loop.TrainingLoop(steps_limit=1)))
    run(trial, tmp_path / "first", until="learn_views")
    after_one = variables(trial)
    found = run(experiment(ViewsOfRun(tmp_path / "first")), tmp_path / "2", until="learn_views")
    assert "learned for 1 of 3 steps: a trial" in found["learn_views"]["doubts"][0]
    longer = experiment(learning())
    run(longer, tmp_path / "first", until="learn_views")
    third = experiment(ViewsOfRun(tmp_path / "first"))
    run(third, tmp_path / "3", until="learn_views")
    assert any(np.any(a != b) for a, b in zip(after_one, variables(third), strict=True))
    for a, b in zip(variables(longer), variables(third), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_without_learned_views_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(UserError, match="no view learning has ended in"):
        run(experiment(ViewsOfRun(tmp_path / "none")), tmp_path / "run")
    assert not list((tmp_path / "run").glob("*/results.json"))


class Noted(pairs.CropAndFlip):
    """Notes that it has made views."""

    def __init__(self, seen, name):
        super().__init__(12)
        self._seen, self._name = seen, name

    def apply(self, *arguments, **more):
        self._seen.add(self._name)
        return super().apply(*arguments, **more)


@pytest.mark.long
def test_each_stage_has_its_own_pair(tmp_path):
    seen = set()
    stage = learning(pair=pairs.IndependentPair(Noted(seen, "view learning")))
    run(experiment(stage, Noted(seen, "pre-training")), tmp_path / "1", until="learn_views")
    assert seen == {"view learning"}
    seen.clear()
    run(experiment(ViewsOfRun(tmp_path / "1"), Noted(seen, "pre-training")), tmp_path / "2")
    assert seen == {"pre-training"}


def test_pairs_of_unlike_size_are_refused():
    words = "LearnViews.pair gives 16 px but the views of pre-training have 12 px"
    with pytest.raises(UserError, match=words):
        experiment(learning(pair=pairs.IndependentPair(pairs.CropAndFlip(16))))
