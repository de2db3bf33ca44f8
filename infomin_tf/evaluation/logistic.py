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

_LARGEST_DIMENSION = 1024


@dataclasses.dataclass
class LogisticFit:
    """What the probe found.

    Args:
        accuracy: on the test features, percent.
        held_out_accuracy: on the part of the training features that chose C, percent.
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
    """Fits standardised features, C chosen on a held-out fifth of the TRAINING features; then tests once.

    More than 1024 dimensions are first reduced to 512 principal components of the training features.

    Args:
        train_features: [M, D]; train_labels: int [M].
        test_features: [Q, D]; test_labels: int [Q].
        seed: of the division and of the reduction.
        grid: values of C.

    Returns:
        A `LogisticFit`.

    Raises:
        UserError: fewer than 10 training images, or of one class only.
    """
    counts = np.unique(train_labels, return_counts=True)[1]
    if len(counts) < 2 or len(train_labels) < 10:
        raise UserError(
            f"logistic regression needs 10 labelled images of two classes; there are {len(train_labels)} of {len(counts)}"
        )
    scaling = [StandardScaler()]
    words = "standardised"
    if train_features.shape[1] > _LARGEST_DIMENSION:
        components = min(512, *train_features.shape)
        scaling = [
            PCA(
                components,
                whiten=False,
                svd_solver="randomized",
                random_state=seeds.stream(seed, "reduction"),
            ),
            *scaling,
        ]
        words = f"{components} principal components, standardised"
    preprocessing = make_pipeline(*scaling).fit(train_features)
    train = preprocessing.transform(train_features).astype(np.float32)
    test = preprocessing.transform(test_features).astype(np.float32)
    stratify = train_labels if min(counts) > 1 and len(train_labels) >= 5 * len(counts) else None
    fit_x, held_x, fit_y, held_y = train_test_split(
        train,
        train_labels,
        test_size=0.2,
        random_state=seeds.stream(seed, "division"),
        stratify=stratify,
    )
    scores = {c: _fit(fit_x, fit_y, c).score(held_x, held_y) for c in grid}
    chosen = max(scores, key=scores.get)
    accuracy = _fit(train, train_labels, chosen).score(test, test_labels)
    return LogisticFit(100 * accuracy, 100 * scores[chosen], chosen, words)


def _fit(features, labels, c):
    model = LogisticRegression(C=c, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)
