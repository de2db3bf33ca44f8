"""What a run has learned of RGB: its channels on four photographs, and correlations with YDbDr.

    python benchmarks/learned_channels.py runs/imagenette96_semisup_views --out=channels.png

The run is one of `gin/imagenette96_*_views.gin` with `gin/views/rgb.gin`, whose view learning has
ended. Needs the test extra.
"""

import argparse
import os
import shutil
import tempfile
import types

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image
from skimage import data

from infomin_tf.experiment import pictures
from infomin_tf.runs import results
from infomin_tf.views import color, generators, saved, splits


def photographs(size):
    """uint8 [4, size, size, 3]: the central squares of photographs in the public domain."""
    found = []
    for image in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()):
        side = min(image.shape[:2])
        top, left = ((extent - side) // 2 for extent in image.shape[:2])
        square = Image.fromarray(image[top : top + side, left : left + side])
        found.append(np.asarray(square.resize((size, size), Image.Resampling.LANCZOS)))
    return np.stack(found)


def main():
    """Prints a table and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("--out", help="a .png")
    arguments = parser.parse_args()
    images = photographs(96)
    split = splits.ChannelSplit(color.RGB(), generators.AdditiveGenerator())
    split.build((None, *images.shape[1:]))
    saved.load_into(split, os.path.join(arguments.model_dir, "learn_views"))
    rgb = tf.constant(images / 255.0, tf.float32)
    channels = split.transform(rgb), color.YDbDr().from_rgb(rgb)  # learned, designed
    correlations = np.corrcoef(*(np.reshape(x, [-1, 3]).T for x in channels))[:3, 3:]
    print("| learned channel | Y | Db | Dr |\n|---|---|---|---|")
    for title, row in zip(("v1", "v2.1", "v2.2"), correlations, strict=True):
        print(f"| {title} | " + " | ".join(f"{value:.2f}" for value in row) + " |")
    if arguments.out:
        held_out = types.SimpleNamespace(sample=lambda count: images[:count])
        with tempfile.TemporaryDirectory() as folder:
            pictures.write_channels(types.SimpleNamespace(split=split, held_out=held_out), folder)
            shutil.copy(os.path.join(folder, results.CHANNELS_PICTURE), arguments.out)


if __name__ == "__main__":
    main()
