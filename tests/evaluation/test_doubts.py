"""Numbers that mislead are called so; sound ones are not."""

import types

import numpy as np
import pytest

from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError
from infomin_tf.evaluation import doubts, knn, logistic
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.run import Run
from infomin_tf.views import pairs


def images(ones, zeros):
    labels = [1] * ones + [0] * zeros
    return ArrayImages("some", np.zeros((len(labels), 8, 8, 3), np.uint8), labels, ("a", "b"))


# Two standard errors of 56 % of 100 images are 9.9 %.
@pytest.mark.parametrize(
    ("accuracy", "is_doubted"), [(57.0, True), (50.0, True), (65.9, True), (66.0, False)]
)
def test_an_accuracy_is_compared_with_the_commonest_class(accuracy, is_doubted):
    doubt = doubts.of_accuracy("classifier_1_accuracy", accuracy, images(56, 44))
    assert bool(doubt) == is_doubted
    assert not doubt or "commonest class of some gives 56.0 %" in doubt
    assert doubts.beside_chance("how", images(56, 44)) == "how, commonest class 56.0 %"


@pytest.mark.parametrize(
    ("value", "words"),
    [(-0.97, "below 0"), (np.nan, "below 0"), (2.05, "ceiling log 8 = 2.08"), (0.0, ""), (2.0, "")],
)
def test_information_below_zero_or_at_its_ceiling(value, words):
    doubt = doubts.of_information("I_NCE", value, 8)
    assert words in (doubt or "") and bool(doubt) == bool(words)


def test_collapse_inversion_and_few_steps():
    assert doubts.of_uniformity(-0.1) and not doubts.of_uniformity(-2.5)
    assert doubts.of_inversion(0.02) and not doubts.of_inversion(5e-7)
    usual = "100 epochs", "Pretrain.epochs"
    said = doubts.of_length(36, 12, *usual)
    assert "only 36 steps, 3 epochs" in said and said.endswith("; raise Pretrain.epochs")
    assert "0.5 epochs" in doubts.of_length(500, 1000, *usual)
    assert doubts.of_length(100, 10, *usual) is None
    assert "for only 99 steps" in doubts.of_probe_length("linear probe", 99)
    assert doubts.of_probe_length("linear probe", 100) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    x, y = np.ones((20, 3), np.float32), np.arange(20) % 2
    spoiled = x.copy()
    spoiled[3, 1] = bad
    for train, test in ((spoiled, x), (x, spoiled)):
        with pytest.raises(UserError, match="features of 1 of 20 images are not finite"):
            knn.knn_accuracy(train, y, test, y, 2)
        with pytest.raises(UserError, match="features of 1 of 20 images are not finite"):
            logistic.fit_logistic(train, y, test, y)


@pytest.fixture
def run(tmp_path):
    strategy = types.SimpleNamespace(num_replicas_in_sync=1)
    sets = [images(14, 10)] * 4
    return Run(str(tmp_path), strategy, 0, *sets, None, None, "")


def test_constant_features_and_a_probe_at_chance_are_told_in_one_warning(run, caplog):
    run.finish("pretrain", [], 100, 0.0, planned_steps=100)
    run.extractor = lambda x: 0.0 * x[:, 0, 0]
    Evaluate(pairs.CenterCrop(8, 8)).run(run)
    (warning,) = [record for record in caplog.records if record.name == "absl"]
    for words in ("are the same for all of some", "kNN, pre-trained is ", "fast linear probe, pre"):
        assert words in warning.getMessage()
    found = run.results_of("evaluate")
    assert len(found["doubts"]) == 3
    assert all(n["protocol"].endswith("commonest class 58.3 %") for n in found["measurements"])


def test_a_trial_is_said_to_be_one_once(run, caplog, capsys):
    run.finish("learn_views", [], 3, 0.0, ["few steps"], planned_steps=200)
    run.finish("pretrain", [], 3, 0.0, ["few steps", "I_NCE is below 0"], planned_steps=200)
    run.finish("evaluate", [], 3, 0.0, ["at chance"])
    assert not caplog.records
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "learn_views was cut after 3 of 200 steps: a trial, whose numbers say little"
    assert run.results_of("evaluate")["doubts"] == ["at chance"]
