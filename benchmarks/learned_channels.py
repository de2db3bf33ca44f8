"""What runs have learned of colours: their channels on photographs, and correlations with YDbDr.

    python benchmarks/learned_channels.py runs/table5/points/*supervised_*_seed0 --out=channels.png

The runs have learned views with a generator. Needs the test extra.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import numpy as np
import tensorflow as tf
from PIL import Image
from skimage import data

matplotlib.use("Agg")
from matplotlib import pyplot

from infomin_tf.runs import results
from infomin_tf.views import color, saved

_CHANNELS = ("v1", "v2.1", "v2.2")
_SHOWN = 2  # photographs in the picture; correlations are over all


def photographs(size):
    """uint8 [3, size, size, 3]: the central squares of photographs in the public domain."""
    found = []
    for image in (data.astronaut(), data.coffee(), data.chelsea()):
        side = min(image.shape[:2])
        top, left = ((extent - side) // 2 for extent in image.shape[:2])
        square = Image.fromarray(image[top : top + side, left : left + side])
        found.append(np.asarray(square.resize((size, size), Image.Resampling.LANCZOS)))
    return np.stack(found)


def load(model_dir):
    """The `ChannelSplit` that a run has learned."""
    folder = os.path.join(model_dir, "learn_views")
    with open(os.path.join(folder, results.VIEWS), encoding="utf-8") as file:
        split = keras.saving.deserialize_keras_object(json.load(file)["split"])
    if not split.built:
        split.build((None, 96, 96, 3))
    saved.load_into(split, folder)
    return split


def channels_of(split, rgb):
    """The channels [M, H, W, 3] of g(X) in the order of the views: that of part 1 first."""
    order = [*split.first_channels, *split.other_channels]
    return np.asarray(split.transform(rgb))[..., order]


def draw(rows, images, path):
    """Writes a picture: a row per space, three channels of each photograph, each stretched."""
    count = len(images)
    size = (1.1 * (3 * count + 1.4), 1.1 * (len(rows) + 1))
    figure, axes = pyplot.subplots(len(rows) + 1, 3 * count, figsize=size, dpi=64)
    for ax in axes.flat:
        ax.set_axis_off()
    for place, image in enumerate(images):
        axes[0, 3 * place + 1].imshow(image)
    for row, (title, channels) in zip(axes[1:], rows, strict=True):
        row[0].text(-0.08, 0.5, title, transform=row[0].transAxes, ha="right", va="center")
        for column, ax in enumerate(row):
            ax.imshow(channels[column // 3, ..., column % 3], cmap="gray")
    figure.subplots_adjust(left=0.19, right=1, bottom=0, top=1, wspace=0.03, hspace=0.03)
    figure.savefig(path, pil_kwargs={"optimize": True})


def main():
    """Prints a table and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dirs", nargs="+")
    parser.add_argument("--out", help="a .png")
    arguments = parser.parse_args()
    images = photographs(96)
    rgb = tf.constant(images / 255.0, tf.float32)
    designed = color.YDbDr().from_rgb(rgb).numpy()
    rows = [("RGB", rgb.numpy()), ("YDbDr", designed)]
    print("| run | channel | Y | Db | Dr |\n|---|---|---|---|---|")
    for model_dir in arguments.model_dirs:
        name = os.path.basename(os.path.normpath(model_dir)).rpartition("_seed")[0] or model_dir
        learned = channels_of(load(model_dir), rgb)
        rows.append((name.replace("_", "\n"), learned))
        both = (np.reshape(x, [-1, 3]).T for x in (learned, designed))
        for title, row in zip(_CHANNELS, np.corrcoef(*both)[:3, 3:], strict=True):
            print(f"| {name} | {title} | " + " | ".join(f"{value:.2f}" for value in row) + " |")
    if arguments.out:
        draw(rows, images[:_SHOWN], arguments.out)


if __name__ == "__main__":
    main()
