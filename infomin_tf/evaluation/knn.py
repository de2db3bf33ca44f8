"""Weighted k-nearest-neighbour classification of features."""

import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import check_finite
from infomin_tf.evaluation.probe import CachedProbe
from infomin_tf.settings import ABOVE_ZERO, COUNT, check


class NearestNeighbours(CachedProbe):
    """Weighted kNN by cosine, see `knn_predict`.

    Args:
        k: number of neighbours; all training images when there are fewer.
        temperature: T of the weights exp(cosine / T).
    """

    key, label = "knn", "kNN"

    def __init__(self, k=200, temperature=0.1):
        check(self, COUNT, k=k)
        check(self, ABOVE_ZERO, temperature=temperature)
        self._k, self._temperature = k, temperature

    def judge(self, run, train, test):
        """See `CachedProbe`."""
        k, classes = min(self._k, run.train.size), len(run.train.class_names)
        accuracy = knn_accuracy(*train, *test, classes, k, self._temperature)
        how = f"offline kNN, cosine, k {k}, T {self._temperature}, one centre crop"
        return accuracy, how


def knn_predict(
    train_features, train_labels, test_features, num_classes, k=200, temperature=0.1, chunk=1024
):
    """Votes of the k nearest training features, each of weight exp((cosine - largest cosine) / T).

    The largest cosine of a query scales all its scores alike, and keeps them finite for any T.

    Source: InstDis, arXiv:1805.01978, section 3.4.

    Args:
        train_features: [M, D].
        train_labels: int [M].
        test_features: [Q, D].
        num_classes: C.
        k: neighbours; all of them when there are fewer.
        temperature: T > 0.
        chunk: test features per step, to bound memory.

    Returns:
        float32 [Q, C], the sum of weights of each class.

    Raises:
        UserError: k below 1 or temperature not above 0, or features that are not finite.
    """
    check_finite(np.asarray(train_features), np.asarray(test_features))
    train = tf.math.l2_normalize(tf.cast(train_features, tf.float32), axis=1)
    train_labels = tf.constant(train_labels, tf.int32)
    if k < 1 or temperature <= 0:
        raise UserError(
            f"kNN needs k of at least 1 and a temperature above 0, not k={k} and "
            f"temperature={temperature}"
        )
    k = min(k, len(train_features))
    scores = []
    for start in range(0, len(test_features), chunk):
        queries = tf.cast(test_features[start : start + chunk], tf.float32)
        queries = tf.math.l2_normalize(queries, axis=1)
        cosine, neighbours = tf.math.top_k(tf.matmul(queries, train, transpose_b=True), k)
        nearest = cosine[:, :1]  # float32 overflows at exp(1 / T) for T < 0.0113
        weights = tf.exp((cosine - nearest) / temperature)
        rows = num_classes * tf.range(len(queries))[:, None]
        places = tf.reshape(rows + tf.gather(train_labels, neighbours), [-1])
        size = num_classes * len(queries)
        votes = tf.math.unsorted_segment_sum(tf.reshape(weights, [-1]), places, size)
        scores.append(tf.reshape(votes, [-1, num_classes]).numpy())
    return np.concatenate(scores)


def knn_accuracy(
    train_features, train_labels, test_features, test_labels, num_classes, k=200, temperature=0.1
):
    """Percent of test features whose class has the most weight (of equal ones the lowest)."""
    scores = knn_predict(train_features, train_labels, test_features, num_classes, k, temperature)
    return float(100 * np.mean(scores.argmax(axis=1) == np.asarray(test_labels)))
