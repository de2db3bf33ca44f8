"""Mutual information, alignment and uniformity of trained encoders on held-out images."""

import dataclasses

import numpy as np
import tensorflow as tf

from infomin_tf import graphs, seeds
from infomin_tf.data.order import Order

CHUNK = 2048  # pairs that are embedded at a time, where there are more


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over batches.

    Args:
        mean: in the unit of the measure; nats for a bound.
        standard_error: of the mean, over batches; nan for a single one. If N x draws exceeds the
            number of images, batches hold the same images in new views, and the choice of images
            affects it only as far as batches differ.
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
        """How it was measured, in words."""
        counts = f"N {self.num_candidates}, {self.draws} batches of {self.images}"
        return f"{counts}, standard error {self.standard_error:.3f}"


def estimate(embed, measures, images, pair, seed, num_candidates=128, draws=20):
    """Measures embeddings of view pairs, a fixed number of candidates at a time.

    Args:
        embed: function (x1, x2) -> (z1, z2), [N, D] each, of views [N, H, W, 3] whose rows are
            positive pairs: any trained pair of encoders in inference mode.
        measures: dict name -> function (z1, z2) -> scalar, such as an object of `learners.bounds`.
        images: loaded images on which the encoders were not trained.
        pair: `Pair`, whose batches hold (x1, x2).
        seed: of the batches and the views.
        num_candidates: N; all images when there are fewer. Above 2048 it is rounded down to a
            multiple of 2048, and batches are embedded in parts and are fewer, but at least 2.
        draws: batches, at least 1.

    Returns:
        dict name -> `Estimate`.
    """
    num_candidates = min(num_candidates, images.size)

    def measure(z1, z2):
        return {name: function(z1, z2) for name, function in measures.items()}

    if num_candidates > CHUNK:
        num_candidates -= num_candidates % CHUNK
        draws, compiled = max(2, draws * CHUNK // num_candidates), graphs.compiled(measure)
        embeddings = _in_chunks(embed, images, pair, seed, num_candidates, draws)
        rows = [compiled(z1, z2) for z1, z2 in embeddings]
        which = f"{num_candidates} of {images.size} images, chosen anew for each"
    else:
        compiled = graphs.compiled(lambda x1, x2: measure(*embed(x1, x2)))
        batches = pair.batches(images, Order(num_candidates, seed)).take(draws)
        rows = [compiled(x1, x2) for (x1, x2), _ in batches]
        which = images.in_batches(num_candidates, draws)
    result = {}
    for name in measures:
        values = [float(row[name]) for row in rows]
        error = np.std(values, ddof=1) / np.sqrt(draws) if draws > 1 else np.nan
        mean = float(np.mean(values))
        result[name] = Estimate(mean, float(error), num_candidates, draws, which)
    return result


def _in_chunks(embed, images, pair, seed, num_candidates, draws):
    """(z1, z2) [N, D] of batch after batch, whose images differ, embedded some at a time."""
    compiled = graphs.compiled(embed)
    for draw in range(draws):
        chunks = pair.batches(images, Order(CHUNK, seeds.stream(seed, f"draw {draw}")))
        parts = [compiled(x1, x2) for (x1, x2), _ in chunks.take(num_candidates // CHUNK)]
        yield tuple(tf.concat(part, axis=0) for part in zip(*parts, strict=True))
