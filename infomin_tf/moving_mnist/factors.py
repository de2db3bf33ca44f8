"""Digit, background and position from frames of Colorful Moving-MNIST: probes, an end-to-end network, chance."""

import time

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LinearRegression

from infomin_tf import graphs, seeds
from infomin_tf.evaluation.logistic import fit_logistic
from infomin_tf.runs.results import Number

_BATCH = 500


def probe_errors(run, extractor, subject, num_train, num_test):
    """Errors of linear heads on frozen features.

    Args:
        run: the `Run`; its train and test are `Sequences`.
        extractor: function, images [B, H, W, 3] in [0, 1] -> features [B, D].
        subject: for the names of the numbers.
        num_train, num_test: frames.

    Returns:
        (list of `Number`, seconds).
    """
    started = time.monotonic()
    train_x, train = _features(
        extractor, run.train, num_train, seeds.stream(run.seed, "evaluate/frames of training")
    )
    test_x, test = _features(
        extractor, run.test, num_test, seeds.stream(run.seed, "evaluate/frames of test")
    )
    numbers = []
    for name in ("digit", "background"):
        seed = seeds.stream(run.seed, f"evaluate/logistic regression of {name}")
        fit = fit_logistic(train_x, train[name], test_x, test[name], seed)
        protocol = f"logistic regression on {train_x.shape[1]} frozen features, C {fit.chosen_c:g}, {num_train} frames"
        numbers.append(Number(f"{name} error, {subject}", 100 - fit.accuracy, "%", protocol))
    found = LinearRegression().fit(train_x, train["position"]).predict(test_x)
    numbers.append(
        Number(
            f"position error, {subject}",
            mean_distance(found, test["position"]),
            "px",
            f"least squares on frozen features, mean distance to the digit's centre, {num_train} frames",
        )
    )
    return numbers, time.monotonic() - started


def chance_errors(run, num_train, num_test):
    """Errors of the best constant answers: the most frequent class, the mean position of the training frames."""
    train = _labels(run.train, num_train, seeds.stream(run.seed, "evaluate/frames of training"))
    test = _labels(run.test, num_test, seeds.stream(run.seed, "evaluate/frames of test"))
    numbers = []
    for name in ("digit", "background"):
        most = np.bincount(train[name]).argmax()
        error = 100 * float(np.mean(test[name] != most))
        numbers.append(Number(f"{name} error, chance", error, "%", "the most frequent class"))
    mean = np.broadcast_to(train["position"].mean(0), test["position"].shape)
    error = mean_distance(mean, test["position"])
    return [*numbers, Number("position error, chance", error, "px", "the mean position")]


def end_to_end_errors(learner, run, num_test=5000):
    """Errors of a `FactorLearner`'s own heads on test frames."""
    predict = graphs.compiled(learner.predict_factors)
    outputs, test = _collect(
        predict, run.test, num_test, seeds.stream(run.seed, "evaluate/frames of test")
    )
    protocol = f"end to end, own linear head, {num_test} frames of {run.test.name}"
    numbers = [
        Number(
            f"{name} error, end to end",
            100 * float(np.mean(outputs[name].argmax(1) != test[name])),
            "%",
            protocol,
        )
        for name in ("digit", "background")
    ]
    distance = mean_distance(outputs["position"], test["position"])
    return [*numbers, Number("position error, end to end", distance, "px", protocol)]


def mean_distance(a, b):
    """Mean Euclidean distance of rows [M, 2]."""
    return float(np.mean(np.linalg.norm(np.asarray(a, np.float64) - b, axis=1)))


def _features(extractor, sequences, count, seed):
    function = graphs.compiled(lambda images: {"features": extractor(images, training=False)})
    outputs, labels = _collect(function, sequences, count, seed)
    return outputs["features"], labels


def _labels(sequences, count, seed):
    return _collect(lambda images: {}, sequences, count, seed)[1]


def _collect(function, sequences, count, seed):
    """(dict of outputs, dict of labels) of the first `count` frames of a stream, as NumPy arrays."""
    rows = []
    for start in range(0, count, _BATCH):
        images, labels = sequences.compiled_frames(_BATCH, tf.constant([seed, start // _BATCH]))
        rows.append((function(images), labels))
    joined = [
        {name: np.concatenate([row[part][name] for row in rows])[:count] for name in rows[0][part]}
        for part in (0, 1)
    ]
    return joined[0], joined[1]
