"""Variational bounds on I(v1; v2) in nats, of embeddings or of a critic's scores.

A gin file names one of these classes. All share one interface: `bound(z1, z2)` is the estimate,
`bound.objective(scores)` what the critic is trained to maximise. Scores h are float32 [B, B], h_ij
of (v1_i, v2_j): the diagonal is drawn from the joint, the rest from the product of the marginals.
Bounds other than InfoNCE need embeddings that are not normalised (`LinearHead.normalize = False`),
because they have to represent log-density ratios of any size.
"""

import math

import tensorflow as tf

from infomin_tf.learners import losses
from infomin_tf.settings import ABOVE_ZERO, check


class Bound:
    """What bounds share: the critic h = z1 . z2 / temperature.

    Args:
        temperature: tau > 0.
    """

    def __init__(self, temperature=1.0):
        if not temperature > 0:
            raise ValueError(f"a temperature must be above 0, not {temperature}")
        self.temperature = temperature

    def __call__(self, z1, z2):
        """The estimate, a scalar in nats, of z1, z2 [B, D], rows of positive pairs, B >= 2."""
        return self.estimate(self.scores(z1, z2))

    def scores(self, z1, z2):
        """h, float32 [B, B]."""
        return losses.similarity_logits(z1, z2, self.temperature)

    def estimate(self, scores):
        """The estimate, a scalar in nats."""
        raise NotImplementedError

    def objective(self, scores):
        """What the critic maximises: the estimate itself, unless a bound says otherwise."""
        return self.estimate(scores)


class InfoNCE(Bound):
    """I_NCE = log(N) - L_NCE (equation 1), N = B, the two directions averaged.

    The batch is the candidates. At most log(N). (The authors' code sums the directions, which is
    not equation 1.) For unit-length embeddings.

    Args:
        temperature: tau > 0.
    """

    def __init__(self, temperature=0.07):
        super().__init__(temperature)

    def __call__(self, z1, z2):
        """See `Bound`; scores of many pairs are made by rows."""
        if z1.shape[0] <= losses.ROWS:
            return super().__call__(z1, z2)
        positive = tf.reduce_sum(z1 * z2, axis=1) / self.temperature

        def towards(keys):
            return lambda rows, _: tf.reduce_logsumexp(self.scores(rows, keys), axis=1)

        forward = losses.by_rows(towards(z2), z1) - positive
        return _mean_bound(forward, losses.by_rows(towards(z1), z2) - positive)

    def estimate(self, scores):
        """log(N) - L_NCE."""
        positive = tf.linalg.diag_part(scores)
        forward = tf.reduce_logsumexp(scores, axis=1) - positive
        return _mean_bound(forward, tf.reduce_logsumexp(scores, axis=0) - positive)


class DonskerVaradhan(Bound):
    """E_joint[h] - log E_marginals[exp h], the default of the authors' code. Its variance is high.

    Source: Donsker and Varadhan 1983, as used for neural critics in MINE, arXiv:1801.04062,
        equation 5.
    """

    def estimate(self, scores):
        """E_joint[h] - log E_marginals[exp h]."""
        return tf.reduce_mean(tf.linalg.diag_part(scores)) - _log_mean_exp_of_marginals(scores)


class NWJ(Bound):
    """E_joint[h] - E_marginals[exp(h - 1)] (Nguyen, Wainwright and Jordan).

    Unbiased, with high variance. Source: arXiv:0809.0853; as used for neural critics in
    arXiv:1905.06922, equation 6.
    """

    def estimate(self, scores):
        """E_joint[h] - E_marginals[exp(h - 1)]."""
        joint = tf.reduce_mean(tf.linalg.diag_part(scores))
        return joint - tf.exp(_log_mean_exp_of_marginals(scores) - 1.0)


class SMILE(Bound):
    """Donsker-Varadhan with exp(h) clipped to [exp(-clip), exp(clip)] in the marginals.

    Less variance, some bias; no longer a strict lower bound. The critic is trained by the
    Jensen-Shannon objective, as in the authors' code. Source: arXiv:1910.06222, equation 14 and
    section 5.

    Args:
        clip: tau of the source, above 0.
        temperature: of the scores.
    """

    def __init__(self, clip=5.0, temperature=1.0):
        super().__init__(temperature)
        check(self, ABOVE_ZERO, clip=clip)
        self.clip = clip

    def estimate(self, scores):
        """E_joint[h] - log E_marginals[clipped exp h]."""
        clipped = tf.clip_by_value(scores, -self.clip, self.clip)
        return tf.reduce_mean(tf.linalg.diag_part(scores)) - _log_mean_exp_of_marginals(clipped)

    def objective(self, scores):
        """E_joint[-softplus(-h)] - E_marginals[softplus(h)], largest at the log-density ratio."""
        joint = tf.reduce_mean(-tf.nn.softplus(-tf.linalg.diag_part(scores)))
        all_pairs = tf.nn.softplus(scores)
        marginals = tf.reduce_sum(all_pairs) - tf.linalg.trace(all_pairs)
        return joint - marginals / _pairs(scores)


def _mean_bound(forward, backward):
    """I_NCE of the losses [B] of both directions."""
    loss = (tf.reduce_mean(forward) + tf.reduce_mean(backward)) / 2
    return losses.info_nce_bound(loss, forward.shape[0])


def _pairs(scores):
    """B (B - 1), the number of pairs of the marginals."""
    batch = tf.cast(tf.shape(scores)[0], tf.float32)
    return batch * (batch - 1.0)


def _log_mean_exp_of_marginals(scores):
    """log of the mean of exp(h) off the diagonal."""
    diagonal = tf.eye(tf.shape(scores)[0], dtype=tf.bool)
    off_diagonal = tf.where(diagonal, -math.inf, scores)
    return tf.reduce_logsumexp(off_diagonal) - tf.math.log(_pairs(scores))
