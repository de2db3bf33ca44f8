"""Mutual information, alignment and uniformity of trained encoders on held-out images."""

import dataclasses

import numpy as np

from infomin_tf import graphs
from infomin_tf.data import pipeline
from infomin_tf.data.moving_mnist import Sequences


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over batches.

    Args:
        mean: in the unit of the measure; nats for a bound.
        standard_error: of the mean, over batches; nan for a single one. Where N x draws exceeds the images, batches hold
            the same ones in new views; the choice of images is in it only as far as batches differ.
        num_candidates: N, pairs in a batch, the positive included. I_NCE cannot exceed log(N).
        draws: batches.
        images: which images were in them, in words.
    """

    mean: float
    standard_error: float
    num_candidates: int
    draws: int
    images: str

    @property
    def protocol(self):
        """How it came about, in words."""
        counts = f"N {self.num_candidates}, {self.draws} batches of {self.images}"
        return f"{counts}, standard error {self.standard_error:.3f}"


def estimate(embed, measures, images, pair, seed, num_candidates=128, draws=20):
    """Measures embeddings of view pairs, a fixed number of candidates at a time.

    Args:
        embed: function (x1, x2) -> (z1, z2), [N, D] each, of views [N, H, W, 3] whose rows are positive pairs: any
            trained pair of encoders in inference mode.
        measures: dict name -> function (z1, z2) -> scalar, such as an object of `contrastive.bounds`.
        images: loaded images that the encoders have not been trained on.
        pair: function (images, seed) -> (x1, x2), of `views.pairs`.
        seed: of the batches and the views.
        num_candidates: N; all images when there are fewer.
        draws: batches, at least 1.

    Returns:
        dict name -> `Estimate`.
    """
    num_candidates = min(num_candidates, images.size)

    @graphs.compiled
    def measure(x1, x2):
        z1, z2 = embed(x1, x2)
        return {name: function(z1, z2) for name, function in measures.items()}

    batches = pipeline.training_batches(images, num_candidates, seed, pair).take(draws)
    rows = [measure(x1, x2) for (x1, x2), _ in batches]
    result = {}
    for name in measures:
        values = [float(row[name]) for row in rows]
        error = np.std(values, ddof=1) / np.sqrt(draws) if draws > 1 else np.nan
        result[name] = Estimate(
            float(np.mean(values)),
            float(error),
            num_candidates,
            draws,
            _which_images(images, num_candidates, draws),
        )
    return result


def _which_images(images, num_candidates, draws):
    """Which images are in so many batches; each comes once before any comes again, and a pass has whole batches only."""
    if isinstance(images, Sequences):
        return "new sequences"
    drawn, left_out = num_candidates * draws, images.size % num_candidates
    if drawn <= images.size:
        return f"{drawn} of {images.size} images"
    passes = f"{images.size} images in new views"
    return f"{passes}, {left_out} of them left out of each pass" if left_out else passes
