"""kNN and logistic regression against loops, scikit-learn and SciPy; the linear probe."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from infomin_tf.errors import UserError
from infomin_tf.evaluation import knn, logistic

RNG = np.random.default_rng(0)
TRAIN, TEST = RNG.normal(size=(90, 6)), RNG.normal(size=(40, 6))
CLASSES = 5
LABELS = RNG.integers(0, CLASSES, 90)


def brute_force(k, temperature):
    scores = np.zeros((40, CLASSES))
    for i, query in enumerate(TEST):
        cosines = [query @ t / np.linalg.norm(query) / np.linalg.norm(t) for t in TRAIN]
        for j in np.argsort(cosines)[::-1][:k]:
            scores[i, LABELS[j]] += np.exp((cosines[j] - max(cosines)) / temperature)
    return scores


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (7, 0.07), (90, 1.0), (500, 0.5)])
def test_knn_is_the_weighted_vote(k, temperature):
    scores = knn.knn_predict(TRAIN, LABELS, TEST, CLASSES, k, temperature, chunk=16)
    np.testing.assert_allclose(scores, brute_force(k, temperature), rtol=1e-3)


def test_knn_agrees_with_scikit_learn():
    reference = KNeighborsClassifier(9, weights=lambda d: np.exp((1 - d**2 / 2) / 0.1))
    reference.fit(normalize(TRAIN), LABELS)
    expected = reference.predict(normalize(TEST))
    accuracy = knn.knn_accuracy(TRAIN, LABELS, TEST, expected, CLASSES, k=9, temperature=0.1)
    assert accuracy == 100.0
    wrong = np.where(np.arange(40) < 15, (expected + 1) % CLASSES, expected)
    accuracy = knn.knn_accuracy(TRAIN, LABELS, TEST, wrong, CLASSES, k=9, temperature=0.1)
    assert accuracy == 62.5


def test_knn_has_the_usual_defaults():
    train, labels = RNG.normal(size=(400, 6)), RNG.integers(0, CLASSES, 400)
    for function in (knn.knn_predict, knn.knn_accuracy):
        more = () if function is knn.knn_predict else (LABELS[:40],)
        usual = function(train, labels, TEST, *more, CLASSES)
        np.testing.assert_array_equal(
            usual, function(train, labels, TEST, *more, CLASSES, 200, 0.1)
        )
    found = knn.knn_predict(train, labels, TEST, CLASSES)
    for k in (199, 201):
        assert np.any(found != knn.knn_predict(train, labels, TEST, CLASSES, k))


def test_the_accuracy_is_of_200_neighbours_unless_told_otherwise():
    """Equal neighbours vote in turn: 100 to 99 of 199, 100 to 100 of 200, 101 to 100 of 201."""
    labels = [1] * 100 + [0] * 100 + [1]
    sets = np.tile([1.0, 0.0], (201, 1)), labels, [[1.0, 0.0]], [0], 2
    assert knn.knn_accuracy(*sets) == knn.knn_accuracy(*sets, k=200) == 100.0
    assert knn.knn_accuracy(*sets, k=199) == knn.knn_accuracy(*sets, k=201) == 0.0


@pytest.mark.parametrize(("size", "neighbours"), [(400, 200), (90, 90)])
def test_the_probe_says_how_it_judges_and_does_so(size, neighbours):
    train = RNG.normal(size=(size, 6)), RNG.integers(0, CLASSES, size)
    run = SimpleNamespace(train=SimpleNamespace(size=size, class_names=tuple("abcde")))
    votes = knn.knn_predict(*train, TEST, CLASSES, neighbours, 0.1).argmax(axis=1)
    wrong = np.where(np.arange(40) < 10, (votes + 1) % CLASSES, votes)
    accuracy, how = knn.NearestNeighbours().judge(run, train, (TEST, wrong))
    assert accuracy == 75.0
    assert how == f"offline kNN, cosine, k {neighbours}, T 0.1, one centre crop"


@pytest.mark.parametrize("temperature", [0.01, 0.001])
def test_knn_at_low_temperature_is_the_nearest_neighbour(temperature):
    queries = TRAIN + 1e-3 * RNG.normal(size=TRAIN.shape)
    scores = knn.knn_predict(TRAIN, LABELS, queries, CLASSES, 20, temperature)
    assert np.isfinite(scores).all()
    assert knn.knn_accuracy(TRAIN, LABELS, queries, LABELS, CLASSES, 20, temperature) == 100.0


def test_knn_says_what_k_and_temperature_may_be():
    for k, temperature in ((0, 0.1), (5, 0.0), (5, -0.1)):
        with pytest.raises(UserError, match="at least 1 and a temperature above 0"):
            knn.knn_predict(TRAIN, LABELS, TEST, CLASSES, k, temperature)


def test_equal_votes_go_to_the_lowest_class():
    assert knn.knn_accuracy(np.eye(2), [1, 0], np.ones((1, 2)), [0], 2, k=2) == 100.0


def clusters(count, seed):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), count // 3)
    centres = np.array([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]])
    return (centres[labels] + generator.normal(size=(len(labels), 3))).astype(np.float32), labels


def test_logistic_regression_is_the_penalised_maximum_likelihood():
    """The chosen model classifies as SciPy's minimum of the same objective does."""
    (x, y), (test_x, test_y) = clusters(300, 1), clusters(300, 2)
    fit = logistic.fit_logistic(x, y, test_x, test_y, grid=(0.1,))
    mean, std = x.mean(0), x.std(0)
    z, test_z = (x - mean) / std, (test_x - mean) / std

    def objective(flat):
        weights, bias = flat[:9].reshape(3, 3), flat[9:]
        logits = z @ weights + bias
        log_shares = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -log_shares[np.arange(300), y].sum() + (weights**2).sum() / 2 / 0.1

    best = optimize.minimize(objective, np.zeros(12)).x
    predictions = (test_z @ best[:9].reshape(3, 3) + best[9:]).argmax(1)
    assert fit.accuracy == pytest.approx(100 * np.mean(predictions == test_y), abs=0.7)
    assert 60 < fit.accuracy < 100 and fit.chosen_c == 0.1


def test_the_choice_of_c_does_not_see_the_test_set():
    (x, y), (test_x, test_y) = clusters(300, 1), clusters(300, 2)
    honest = logistic.fit_logistic(x, y, test_x, test_y)
    spoiled = logistic.fit_logistic(x, y, test_x, RNG.permutation(test_y))
    assert honest.chosen_c == spoiled.chosen_c
    assert honest.held_out_accuracy == spoiled.held_out_accuracy


def test_many_dimensions_are_reduced_and_that_is_said():
    y = np.repeat(np.arange(3), 30)
    x = np.random.default_rng(3).normal(size=(90, 1100)).astype(np.float32)
    wide, narrow = (
        logistic.fit_logistic(x[:, :d], y, x[:, :d], y, grid=(0.1,)) for d in (1100, 1000)
    )
    assert wide.preprocessing == "90 principal components, standardised"
    assert narrow.preprocessing == "standardised"
