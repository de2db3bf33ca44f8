"""I_NCE against known mutual information: pairs of shapes that share only a chosen set of factors.

python examples/mutual_information_of_shapes.py

Trains one encoder for each set by InfoNCE on fresh pairs and estimates I_NCE on pairs it has not
seen, N candidates each. The truth is the entropy of the shared factors; the best value that I_NCE
can take with N candidates lies a little below.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import math

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from infomin_tf.data import shapes
from infomin_tf.learners import bounds, contrastive, negatives
from infomin_tf.models import alexnet, encoder, heads
from infomin_tf.views import color, splits

CANDIDATES = 256
TEMPERATURE = 0.1
SETS = [
    ("texture",),
    ("color",),
    ("position",),
    ("color", "texture"),
    ("shape", "color", "texture"),
]


def views(seed, batch_size, shared):
    """A pair of 32x32 views [B, 32, 32, 3] in [0, 1] that share the named factors."""
    images = [tf.cast(x, tf.float32) for x in shapes.pair_batch(seed, batch_size, shared)[:2]]
    return tuple(tf.nn.avg_pool2d(x / 255.0, 2, 2, "VALID") for x in images)


def best_possible(shared, candidates):
    """I_NCE of the perfect critic: log N - E log(1 + how many of N - 1 others share them, too)."""
    chance = math.prod(1 / shapes.FACTORS[name] for name in shared)
    others = np.arange(candidates)
    weights = stats.binom.pmf(others, candidates - 1, chance)
    return math.log(candidates) - float(weights @ np.log1p(others))


def estimate(shared, steps=150, draws=8, seed=0):
    """Trains an encoder on pairs that share the factors; (mean I_NCE, its error) on new ones."""
    keras.utils.set_random_seed(seed)
    split = splits.Whole(color.RGB(), (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
    split.build((None, 32, 32, 3))
    network = encoder.Encoder(alexnet.AlexNetHalf(0.25), heads.MlpHead(32))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps))
    negative = negatives.InBatch(TEMPERATURE)
    model = contrastive.ContrastiveLearner(split, [network], negative, optimizer)
    model.build((32, 32, 3))
    step = tf.function(model.train_step, autograph=False)
    for index in range(steps):
        step((views(1000 + index, CANDIDATES, shared), tf.zeros([CANDIDATES], tf.int32)))
    bound = bounds.InfoNCE(TEMPERATURE)
    pairs = (views(index, CANDIDATES, shared) for index in range(draws))
    values = [float(bound(*model.embed(*pair))) for pair in pairs]
    return np.mean(values), np.std(values, ddof=1) / math.sqrt(draws)


def main():
    """Prints a table."""
    print(f"N {CANDIDATES}, log N {math.log(CANDIDATES):.3f} nats")
    print(f"{'shared factors':<24}{'truth':>8}{'best I_NCE':>12}{'I_NCE':>8}{'+-':>7}")
    for shared in SETS:
        mean, error = estimate(shared)
        truth, best = shapes.entropy(*shared), best_possible(shared, CANDIDATES)
        row = f"{', '.join(shared):<24}{truth:>8.3f}{best:>12.3f}{mean:>8.3f}{error:>7.3f}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
