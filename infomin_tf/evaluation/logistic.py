"""The fast linear probe: multinomial logistic regression on cached features."""

import dataclasses
import warnings

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from infomin_tf import seeds
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import check_finite
from infomin_tf.evaluation.probe import CachedProbe

_LARGEST_DIMENSION = 1024


class FastLinearProbe(CachedProbe):
    """Logistic regression on cached features, see `fit_logistic`."""

    key, label = "fast_linear_probe", "fast linear probe"

    def check(self, run):
        """Raises UserError for labels that `check_labels` refuses."""
        labels = run.train.known_labels()
        if labels is not None:
            check_labels(labels)

    def judge(self, run, train, test):
        """See `CachedProbe`."""
        seed = seeds.stream(run.seed, "evaluate/logistic regression")
        fit = fit_logistic(*train, *test, seed)
        how = f"{train[0].shape[1]}-d, {fit.preprocessing}, C {fit.chosen_c:g}"
        return fit.accuracy, f"logistic regression on cached features ({how}), one centre crop"


@dataclasses.dataclass
class LogisticFit:
    """What the probe found.

    Args:
        accuracy: on the test features, in percent.
        held_out_accuracy: on the part of the training features that chose C, in percent.
        chosen_c: inverse strength of the L2 penalty.
        preprocessing: in words.
    """

    accuracy: float
    held_out_accuracy: float
    chosen_c: float
    preprocessing: str


def fit_logistic(
    train_features, train_labels, test_features, test_labels, seed=0, grid=(1e-4, 1e-3, 1e-2, 1e-1)
):
    """Fits standardised features, C chosen on a fifth of the TRAINING features; then tests once.

    More than 1024 dimensions are first reduced to 512 principal components of the training
    features.

    Args:
        train_features: [M, D]; train_labels: int [M].
        test_features: [Q, D]; test_labels: int [Q].
        seed: of the division and the reduction.
        grid: values of C.

    Returns:
        A `LogisticFit`.

    Raises:
        UserError: labels that `check_labels` refuses, or features that are not finite.
    """
    check_finite(train_features, test_features)
    check_labels(train_labels)
    scaling, words = [StandardScaler()], "standardised"
    if train_features.shape[1] > _LARGEST_DIMENSION:
        components = min(512, *train_features.shape)
        how = {"svd_solver": "randomized", "random_state": seeds.stream(seed, "reduction")}
        scaling = [PCA(components, **how), *scaling]
        words = f"{components} principal components, {words}"
    preprocessing = make_pipeline(*scaling).fit(train_features)
    train = preprocessing.transform(train_features).astype(np.float32)
    test = preprocessing.transform(test_features).astype(np.float32)
    labels = np.asarray(train_labels)
    fit, held = _divide(labels, seed)
    scores = {c: _fit(train[fit], labels[fit], c).score(train[held], labels[held]) for c in grid}
    chosen = max(scores, key=scores.get)
    accuracy = _fit(train, labels, chosen).score(test, test_labels)
    return LogisticFit(100 * accuracy, 100 * scores[chosen], chosen, words)


def check_labels(labels):
    """Raises UserError for fewer than 10 training images, a single class, or only lone images."""
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or len(labels) < 10:
        raise UserError(
            "logistic regression needs at least 10 labelled images of two classes or more, not "
            f"{len(labels)} of {len(counts)}; add labelled images"
        )
    if max(counts) < 2:
        raise UserError(
            "logistic regression needs two labelled images of at least one class, but each of the "
            f"{len(counts)} classes has only one; add images, or leave @FastLinearProbe() out of "
            "Evaluate.probes"
        )


def _divide(labels, seed):
    """(places to fit on, with an image of each class; a fifth of the places to choose C on).

    In proportion to the classes where each has two images and they are few enough.
    """
    counts = np.unique(labels, return_counts=True)[1]
    stratify = labels if min(counts) > 1 and len(labels) >= 5 * len(counts) else None
    how = {"test_size": 0.2, "random_state": seeds.stream(seed, "division"), "stratify": stratify}
    fit, held = train_test_split(np.arange(len(labels)), **how)
    classes, first = np.unique(labels[held], return_index=True)
    lonely = held[first[~np.isin(classes, labels[fit])]]
    fit, held = np.append(fit, lonely), np.setdiff1d(held, lonely, assume_unique=True)
    if not len(held):  # the lonely ones were all of it; one of the commonest class goes over
        held = fit[labels[fit] == np.bincount(labels).argmax()][:1]
        fit = np.setdiff1d(fit, held, assume_unique=True)
    return fit, held


def _fit(features, labels, c):
    model = LogisticRegression(C=c, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)
