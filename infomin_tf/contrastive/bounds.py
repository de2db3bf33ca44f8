"""Bounds on I(v1; v2) that view learning minimises; a gin file names one of these classes."""

import tensorflow as tf

from infomin_tf.contrastive import losses


class InfoNCE:
    """I_NCE = log(N) - L_NCE with the batch as candidates, the two directions averaged (equation 1).

    (The authors' code sums the directions, which is not equation 1.) For unit-length embeddings.

    Args:
        temperature: tau > 0.
    """

    def __init__(self, temperature=0.07):
        self.temperature = temperature

    def __call__(self, z1, z2):
        """The estimate in nats, a scalar of at most log(B), for z1, z2 [B, D] whose rows are positive pairs."""
        forward, _ = losses.in_batch_info_nce(z1, z2, self.temperature)
        backward, _ = losses.in_batch_info_nce(z2, z1, self.temperature)
        loss = (tf.reduce_mean(forward) + tf.reduce_mean(backward)) / 2
        return losses.info_nce_bound(loss, z1.shape[0])


class DonskerVaradhan:
    """The Donsker-Varadhan bound with the critic h = z1 . z2, the default of the authors' code.

    For embeddings that are not normalised (`heads.LinearHead.normalize = False`). Its variance is high.
    """

    def __call__(self, z1, z2):
        """The estimate in nats, a scalar, for z1, z2 [B, D] whose rows are positive pairs."""
        return losses.donsker_varadhan_bound(losses.similarity_logits(z1, z2, temperature=1.0))
