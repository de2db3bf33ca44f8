"""InfoNCE and its companions as pure functions of embeddings (B batch, D embedding, K negatives).

Similarities and losses are computed in float32 whatever the precision of the network.
"""

import math

import tensorflow as tf

ROWS = 4096  # of a matrix of all pairs that are computed at a time, where there are more


def similarity_logits(queries, keys, temperature):
    """h(v1_i, v2_j) = z1_i . z2_j / tau for every pair (the score of equation 1).

    Args:
        queries: [B, D].
        keys: [N, D].
        temperature: tau > 0.

    Returns:
        float32 [B, N].
    """
    queries, keys = tf.cast(queries, tf.float32), tf.cast(keys, tf.float32)
    return tf.matmul(queries, keys, transpose_b=True) / temperature


def in_batch_info_nce(queries, keys, temperature):
    """L_NCE of equation 1 with the other keys of the batch as distractors.

    Args:
        queries: [B, D]; keys: [B, D], row i the positive of query i.
        temperature: tau > 0.

    Returns:
        (loss float32 [B] in nats, correct bool [B]: the positive scores highest). The number of
        candidates is N = B.
    """
    logits = similarity_logits(queries, keys, temperature)
    return _cross_entropy(logits, tf.range(tf.shape(logits)[0]))


def nt_xent(queries, keys, temperature):
    """L_NCE with the other keys AND the other queries of the batch as distractors.

    The mean of nt_xent(q, k) and nt_xent(k, q) is the NT-Xent loss of 2B views (SimCLR,
    arXiv:2002.05709, section 2.1).

    Args:
        queries: [B, D]; keys: [B, D], row i the positive of query i.
        temperature: tau > 0.

    Returns:
        (loss float32 [B] in nats, correct bool [B]). The number of candidates is N = 2B - 1.
    """
    batch = tf.shape(queries)[0]
    others = similarity_logits(queries, queries, temperature)
    others = tf.where(tf.eye(batch, dtype=tf.bool), -1e9, others)
    logits = tf.concat([similarity_logits(queries, keys, temperature), others], axis=1)
    return _cross_entropy(logits, tf.range(batch))


def queue_info_nce(queries, keys, negatives, temperature, excluded=None):
    """L_NCE of equation 1: a positive key for each query, K shared negatives (arXiv:1911.05722).

    Args:
        queries: [B, D]; keys: [B, D], row i the positive of query i.
        negatives: [K, D].
        temperature: tau > 0.
        excluded: bool [B, K], which negatives a query leaves out; None for none.

    Returns:
        (loss float32 [B] in nats, correct bool [B]). The number of candidates is N = K + 1.
    """
    q, k = tf.cast(queries, tf.float32), tf.cast(keys, tf.float32)
    positive = tf.reduce_sum(q * k, axis=-1) / temperature  # [B]
    others = similarity_logits(q, negatives, temperature)  # [B, K]
    if excluded is not None:
        others = tf.where(excluded, -1e9, others)
    # -log(e^p / (e^p + sum e^n)) = softplus(logsumexp(n) - p), without a copy of [B, K + 1] logits
    loss = tf.nn.softplus(tf.reduce_logsumexp(others, axis=1) - positive)
    return loss, positive >= tf.reduce_max(others, axis=1)


def info_nce_bound(loss, num_candidates):
    """I_NCE = log(N) - L_NCE, a lower bound on I(v1; v2) in nats (section 3.1); at most log(N).

    Args:
        loss: L_NCE in nats.
        num_candidates: N, the positive included.
    """
    return math.log(num_candidates) - loss


def by_rows(function, z):
    """Results [B] of a function of rows [R, D] of z [B, D] and their places [R], some at a time.

    Thus a matrix [B, B] is never held in memory as a whole.
    """
    size, whole = z.shape[0], z.shape[0] // ROWS * ROWS
    places = tf.range(size)
    blocks = tf.reshape(z[:whole], [-1, ROWS, z.shape[1]]), tf.reshape(places[:whole], [-1, ROWS])
    how = {"parallel_iterations": 1, "fn_output_signature": tf.float32}
    found = tf.map_fn(lambda block: function(*block), blocks, **how)
    rest = [function(z[whole:], places[whole:])] if whole < size else []
    return tf.concat([tf.reshape(found, [-1]), *rest], axis=0)


def alignment(z1, z2):
    """Mean squared distance of positive pairs, E |z1 - z2|^2, in [0, 4] for unit vectors.

    Source: Wang and Isola, arXiv:2005.10242, section 4.1, alpha = 2.

    Args:
        z1, z2: [B, D], rows are positive pairs.
    """
    z1, z2 = tf.cast(z1, tf.float32), tf.cast(z2, tf.float32)
    return tf.reduce_mean(tf.reduce_sum(tf.square(z1 - z2), axis=-1))


def uniformity(z):
    """log E exp(-2 |z_i - z_j|^2) over pairs i != j; 0 when all are equal, about -4 when uniform.

    Source: Wang and Isola, arXiv:2005.10242, section 4.2, t = 2.

    Args:
        z: [B, D] unit vectors, B >= 2.
    """
    z = tf.cast(z, tf.float32)
    batch = tf.shape(z)[0]

    def exponents(rows, places):
        squared_distance = 2.0 - 2.0 * tf.matmul(rows, z, transpose_b=True)
        return tf.where(places[:, None] == tf.range(batch), -math.inf, -2.0 * squared_distance)

    if z.shape[0] and z.shape[0] > ROWS:
        sums = by_rows(lambda *rows: tf.reduce_logsumexp(exponents(*rows), axis=1), z)
    else:
        sums = exponents(z, tf.range(batch))
    pairs = tf.cast(batch, tf.float32) * tf.cast(batch - 1, tf.float32)
    return tf.reduce_logsumexp(sums) - tf.math.log(pairs)


def embedding_spread(z):
    """Mean over dimensions of the standard deviation over the batch, times sqrt(D).

    Near 0 on collapse, about 1 when unit vectors are spread evenly. Source: SimSiam,
    arXiv:2011.10566, section 4.1.

    Args:
        z: [B, D] unit vectors.
    """
    z = tf.cast(z, tf.float32)
    return tf.reduce_mean(tf.math.reduce_std(z, axis=0)) * math.sqrt(z.shape[-1])


def _cross_entropy(logits, labels):
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    correct = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
    return loss, correct
