"""Weighted k-nearest-neighbour classification of features."""

import numpy as np
import tensorflow as tf


def knn_predict(
    train_features, train_labels, test_features, num_classes, k=200, temperature=0.1, chunk=1024
):
    """Votes of the k nearest training features by cosine, each with weight exp(cosine / T).

    Source: InstDis, arXiv:1805.01978, section 3.4.

    Args:
        train_features: [M, D].
        train_labels: int [M].
        test_features: [Q, D].
        num_classes: C.
        k: neighbours; all of them when there are fewer.
        temperature: T > 0.
        chunk: test features a step, to bound memory.

    Returns:
        float32 [Q, C], the sum of weights of each class.
    """
    train = tf.math.l2_normalize(tf.cast(train_features, tf.float32), axis=1)
    one_hot = tf.one_hot(train_labels, num_classes)
    k = min(k, len(train_features))
    scores = []
    for start in range(0, len(test_features), chunk):
        queries = tf.cast(test_features[start : start + chunk], tf.float32)
        queries = tf.math.l2_normalize(queries, axis=1)
        cosine, neighbours = tf.math.top_k(tf.matmul(queries, train, transpose_b=True), k)
        weights = tf.exp(cosine / temperature)
        scores.append(tf.einsum("qk,qkc->qc", weights, tf.gather(one_hot, neighbours)).numpy())
    return np.concatenate(scores)


def knn_accuracy(
    train_features,
    train_labels,
    test_features,
    test_labels,
    num_classes,
    k=200,
    temperature=0.1,
):
    """Share of test features in percent whose class has the most weight (of equal ones the lowest class)."""
    scores = knn_predict(train_features, train_labels, test_features, num_classes, k, temperature)
    return float(100 * np.mean(scores.argmax(axis=1) == np.asarray(test_labels)))
