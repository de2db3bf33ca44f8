"""I_NCE on held-out images."""

import numpy as np
import tensorflow as tf

from infomin_tf.data import pipeline


def estimate_i_nce(estimate, images, pair, seed, num_candidates=128, draws=20):
    """Mean of a bound on I(v1; v2) over several batches of view pairs.

    Args:
        estimate: function (x1, x2) -> scalar in nats, for views [N, H, W, 3] whose rows are positive pairs; trained
            encoders in inference mode.
        images: loaded images that the encoders have not been trained on.
        pair: function (images, seed) -> (x1, x2).
        seed: of the batches and the views.
        num_candidates: N, the positive included; at most the number of images. I_NCE cannot exceed log(N).
        draws: batches.

    Returns:
        (mean, standard error of the mean, N), in nats.
    """
    num_candidates = min(num_candidates, images.size)
    compiled = tf.function(estimate)
    batches = pipeline.training_batches(images, num_candidates, seed, pair).take(draws)
    values = [float(compiled(x1, x2)) for (x1, x2), _ in batches]
    error = np.std(values, ddof=1) / np.sqrt(draws) if draws > 1 else np.nan
    return float(np.mean(values)), float(error), num_candidates
