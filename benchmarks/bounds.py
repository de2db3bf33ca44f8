"""Bounds on mutual information against the truth: Gaussian pairs, and views that share factors.

    python benchmarks/bounds.py --out=docs/figures/bounds.png

Each bound trains critics of its own by its own objective, N = 128 pairs a step, and is then
estimated with the same N on 50 fresh batches. Gaussian pairs: 10 dimensions of equal correlation, I
= -5 log(1 - rho^2) nats; critics of two layers of 128 units. Shapes: the entropy of the shared
factors; two convolutional critics, gradients clipped to a norm of 1, without which Donsker-Varadhan
and NWJ diverge. Prints Markdown and draws estimate against truth with log N, at which I_NCE
saturates; bars are the standard error over batches.
"""

import argparse
import math
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import numpy as np
import tensorflow as tf

from infomin_tf.data import shapes
from infomin_tf.learners import bounds
from infomin_tf.models import alexnet, encoder, heads

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

CANDIDATES, DIMENSIONS = 128, 10
GAUSSIAN = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
FACTORS = [("texture",), ("position",), ("color", "texture"), ("shape", "color", "texture")]
BOUNDS = {
    "InfoNCE": bounds.InfoNCE(1.0),
    "Donsker-Varadhan": bounds.DonskerVaradhan(),
    "NWJ": bounds.NWJ(),
    "SMILE": bounds.SMILE(),
}


def gaussian_pairs(truth):
    """A function index -> (x, y), float32 [N, 10] each, of mutual information `truth` nats."""
    rho = math.sqrt(1.0 - math.exp(-2.0 * truth / DIMENSIONS))

    def pairs(index):
        x, noise = tf.unstack(tf.random.stateless_normal([2, CANDIDATES, DIMENSIONS], (index, 1)))
        return x, rho * x + math.sqrt(1.0 - rho**2) * noise

    return pairs


def shape_pairs(shared):
    """A function index -> views [N, 32, 32, 3] in [-1, 1] that share only the named factors."""

    def pairs(index):
        images = shapes.pair_batch(int(index), CANDIDATES, shared)[:2]
        unit = [tf.cast(x, tf.float32) / 127.5 - 1.0 for x in images]
        return tuple(tf.nn.avg_pool2d(x, 2, 2, "VALID") for x in unit)

    return pairs


def dense_critic():
    """Two layers of 128 units, then 32 dimensions."""
    units = [keras.layers.Dense(128, "relu") for _ in range(2)]
    return keras.Sequential([*units, keras.layers.Dense(32)])


def convolutional_critic():
    """A tiny AlexNet of a quarter of the width, then 32 dimensions."""
    return encoder.Encoder(alexnet.AlexNetHalf(0.25), heads.LinearHead(32, normalize=False))


def estimate(bound, pairs, make_critic, steps, clip, draws=50):
    """Trains critics, clipped to a norm or not; (mean, standard error) of the bound afterwards."""
    keras.utils.set_random_seed(0)
    critics = make_critic(), make_critic()
    for critic, x in zip(critics, pairs(0), strict=True):
        critic.build((None, *x.shape[1:]))
    variables = [v for critic in critics for v in critic.trainable_variables]
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=clip)
    optimizer.build(variables)

    @tf.function
    def train(x, y):
        with tf.GradientTape() as tape:
            z = [f(v, training=True) for f, v in zip(critics, (x, y), strict=True)]
            loss = -bound.objective(bound.scores(*z))
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    @tf.function
    def measure(x, y):
        return bound(*[f(v, training=False) for f, v in zip(critics, (x, y), strict=True)])

    for index in range(steps):
        train(*pairs(1000 + index))
    values = [float(measure(*pairs(10**6 + index))) for index in range(draws)]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(draws))


def table(title, truths, results):
    """Prints a Markdown table."""
    print(f"\n| {title} | truth | " + " | ".join(BOUNDS) + " |")
    print("|---" * (2 + len(BOUNDS)) + "|")
    for label, truth in truths.items():
        cells = [f"{mean:.2f} ± {error:.2f}" for mean, error in results[label]]
        print(f"| {label} | {truth:.2f} | " + " | ".join(cells) + " |", flush=True)


def draw(axes, title, truths, results):
    """Estimate against truth."""
    order = sorted(truths, key=truths.get)
    x = [truths[label] for label in order]
    for index, name in enumerate(BOUNDS):
        y, error = zip(*[results[label][index] for label in order], strict=True)
        axes.errorbar(x, y, error, marker="o", capsize=2, label=name)
    limit = 1.1 * max(x)
    axes.plot([0, limit], [0, limit], color="0.6", linestyle=":", label="truth")
    axes.axhline(math.log(CANDIDATES), color="0.3", linestyle="--", label="log N")
    axes.set(title=title, xlabel="truth, nats", ylabel="estimate, nats", ylim=(-0.5, 1.2 * limit))
    axes.grid(alpha=0.3)


def main():
    """Both tables, and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="bounds.png", help="the figure")
    parser.add_argument("--gaussian_steps", type=int, default=3000)
    parser.add_argument("--shapes_steps", type=int, default=600)
    arguments = parser.parse_args()
    figure, panels = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    gaussian = {f"{t:g}": (t, gaussian_pairs(t)) for t in GAUSSIAN}
    factors = {", ".join(f): (shapes.entropy(*f), shape_pairs(f)) for f in FACTORS}
    cases = [
        ("Gaussian pairs, 10-d", gaussian, dense_critic, arguments.gaussian_steps, None),
        ("shared factors of shapes", factors, convolutional_critic, arguments.shapes_steps, 1.0),
    ]
    for axes, (title, sets, *how) in zip(panels, cases, strict=True):
        truths = {label: truth for label, (truth, _) in sets.items()}
        results = {
            label: [estimate(bound, pairs, *how) for bound in BOUNDS.values()]
            for label, (_, pairs) in sets.items()
        }
        table(title, truths, results)
        draw(axes, title, truths, results)
    panels[0].legend()
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
