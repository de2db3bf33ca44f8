"""Digit, background and position from frames of Colorful Moving-MNIST: probes, chance."""

import time

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LinearRegression

from infomin_tf import graphs, seeds
from infomin_tf.data.checks import check_classes
from infomin_tf.errors import UserError
from infomin_tf.evaluation.logistic import fit_logistic
from infomin_tf.evaluation.probe import PRE_TRAINED, Probe, key_of
from infomin_tf.moving_mnist.sequences import Sequences
from infomin_tf.runs.results import Measurement
from infomin_tf.settings import COUNT, Range, check

_BATCH, _TEST_FRAMES = 500, "evaluate/frames of test"
_ENOUGH = Range("a number of at least 10", lambda frames: frames >= 10)


class FactorProbe(Probe):
    """Linear heads on the frozen backbone: digit, background (error in %), position (pixels off).

    Pre-trained features are accompanied by the errors of the best constant answers: the most
    frequent class and the mean position.

    Args:
        num_train, num_test: frames, drawn once from the training and from the test images.
    """

    key, takes_views = "factors", False

    def __init__(self, num_train=20000, num_test=5000):
        check(self, _ENOUGH, num_train=num_train)
        check(self, COUNT, num_test=num_test)
        self._num_train, self._num_test = num_train, num_test

    def check(self, run):
        """Raises UserError unless train and test are labelled, of two backgrounds or more."""
        check_labelled("FactorProbe", run)

    def measure(self, run, features, subject):
        """See `Probe`."""
        started = time.monotonic()
        seed = seeds.stream(run.seed, "evaluate/frames of training")
        train_x, train = _features(features.function, run.train, self._num_train, seed)
        seed = seeds.stream(run.seed, _TEST_FRAMES)
        test_x, test = _features(features.function, run.test, self._num_test, seed)
        found = []
        for name in ("digit", "background"):
            seed = seeds.stream(run.seed, f"evaluate/logistic regression of {name}")
            fit = fit_logistic(train_x, train[name], test_x, test[name], seed)
            how = (
                f"logistic regression on {train_x.shape[1]} frozen features, C {fit.chosen_c:g}, "
                f"{self._num_train} frames"
            )
            found.append(_error(name, subject, 100 - fit.accuracy, how))
        places = LinearRegression().fit(train_x, train["position"]).predict(test_x)
        how = (
            "least squares on frozen features, mean distance to the digit's centre, "
            f"{self._num_train} frames"
        )
        distance = mean_distance(places, test["position"])
        seconds = time.monotonic() - started
        found.append(_error("position", subject, distance, how, seconds))
        return found + (_chance_errors(train, test) if subject == PRE_TRAINED else [])


def end_to_end_errors(learner, run, num_test=5000):
    """Errors of a `FactorLearner`'s own heads on test frames: list of `Measurement`."""
    predict = graphs.compiled(learner.predict_factors)
    outputs, test = _collect(predict, run.test, num_test, seeds.stream(run.seed, _TEST_FRAMES))
    how = f"end to end, own linear head, {num_test} frames of {run.test.name}"
    found = []
    for name in ("digit", "background"):
        error = 100 * float(np.mean(outputs[name].argmax(1) != test[name]))
        found.append(_error(name, "end to end", error, how))
    distance = mean_distance(outputs["position"], test["position"])
    return [*found, _error("position", "end to end", distance, how)]


def check_sequences(what, images):
    """Raises UserError unless images are `Sequences`; `what` takes them."""
    if not isinstance(images, Sequences):
        raise UserError(
            f"{what} needs sequences, which {images.name} is not; bind MovingMnist, or use what "
            "is made for images"
        )


def check_labelled(what, run):
    """Raises UserError unless train and test are sequences of the same two backgrounds or more."""
    for images in (run.train, run.test):
        check_sequences(what, images)
    check_classes(f"{what} of backgrounds", *(s.backgrounds for s in (run.train, run.test)))


def _chance_errors(train, test):
    found = []
    for name in ("digit", "background"):
        error = 100 * float(np.mean(test[name] != np.bincount(train[name]).argmax()))
        found.append(_error(name, "chance", error, "the most frequent class"))
    mean = np.broadcast_to(train["position"].mean(0), test["position"].shape)
    distance = mean_distance(mean, test["position"])
    return [*found, _error("position", "chance", distance, "the mean position")]


def _error(factor, subject, value, protocol, seconds=0.0):
    unit = "px" if factor == "position" else "%"
    key, label = key_of(f"{factor}_error", subject), f"{factor} error, {subject}"
    return Measurement(key, label, value, unit, protocol, seconds=seconds)


def mean_distance(a, b):
    """Mean Euclidean distance of rows [M, 2]."""
    return float(np.mean(np.linalg.norm(np.asarray(a, np.float64) - b, axis=1)))


def _features(extractor, sequences, count, seed):
    function = graphs.compiled(lambda images: {"features": extractor(images, training=False)})
    outputs, labels = _collect(function, sequences, count, seed)
    return outputs["features"], labels


def _collect(function, sequences, count, seed):
    """(dict of outputs, dict of labels) of the first `count` frames of a stream, as arrays."""
    rows = []
    for start in range(0, count, _BATCH):
        images, labels = sequences.compiled_frames(_BATCH, tf.constant([seed, start // _BATCH]))
        rows.append((function(images), labels))
    return tuple(
        {name: np.concatenate([p[name] for p in parts])[:count] for name in parts[0]}
        for parts in zip(*rows, strict=True)
    )
