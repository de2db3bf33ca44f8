"""Do encoders depend on JPEG? I_NCE of a finished run's encoders on images compressed or not.

    python benchmarks/jpeg_blocks.py runs/imagenette96_semisup_views --data_dir=DIR

Encoders and views stay as they were trained. The images are the run's test images, and images that
never were JPEG at this size: reduced from large photographs, photos_hr, a TFDS set of 58 of them
that was prepared by hand; any set whose examples have a large "image" will do. JPEG usually stores
colour at half resolution (4:2:0), in blocks: full resolution with blocks, and half resolution
without them, tell the two apart. Prints Markdown.
"""

import argparse
import io
import itertools
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from infomin_tf.configuration import experiment_names, gin_files  # noqa: F401
from infomin_tf.data.images import ArrayImages
from infomin_tf.evaluation import mutual_information
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.learners.bounds import InfoNCE
from infomin_tf.training.checkpoint import Checkpoint

TILE = 384


def compressed(image, quality, subsampling):
    """An image uint8 [H, W, 3] as JPEG leaves it; subsampling 2 is 4:2:0, 0 none."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def half_chroma(image):
    """An image uint8 [H, W, 3] with its colour reduced to half and enlarged, without blocks."""
    y, *chroma = Image.fromarray(image).convert("YCbCr").split()
    half = [c.resize((y.width // 2, y.height // 2), Image.Resampling.BOX) for c in chroma]
    soft = [c.resize(y.size, Image.Resampling.BILINEAR) for c in half]
    return np.asarray(Image.merge("YCbCr", (y, *soft)).convert("RGB"))


CHANGES = {
    "as they are": lambda image: image,
    "chroma halved, no JPEG": half_chroma,
    "JPEG 95, full chroma": lambda image: compressed(image, 95, 0),
    "JPEG 50, full chroma": lambda image: compressed(image, 50, 0),
    "JPEG 95, 4:2:0": lambda image: compressed(image, 95, 2),
    "JPEG 75, 4:2:0": lambda image: compressed(image, 75, 2),
    "JPEG 25, 4:2:0": lambda image: compressed(image, 25, 2),
}


def tiles(name, data_dir, size):
    """uint8 [M, size, size, 3]: squares of 384 px of large photographs, reduced, without blocks."""
    found = []
    for photograph in tfds.as_numpy(tfds.load(name, split="train", data_dir=data_dir)):
        image = photograph["image"]
        starts = (range(0, side - TILE + 1, TILE) for side in image.shape[:2])
        for top, left in itertools.product(*starts):
            tile = Image.fromarray(image[top : top + TILE, left : left + TILE])
            found.append(np.asarray(tile.resize((size, size), Image.Resampling.LANCZOS)))
    return np.stack(found)


def restored(model_dir, data_dir):
    """(run, learner of the pre-training with trained weights, temperature) of a finished run."""
    experiment, _ = gin_files.load(Experiment, [os.path.join(model_dir, "config.gin")], [])
    strategy = tf.distribute.get_strategy()
    run = experiment._prepare(model_dir, strategy, 0, data_dir, "")
    stages = {stage.name: stage for stage in experiment._stages}
    if "learn_views" in stages:
        stages["learn_views"].restore(run)
    learner, task = stages["pretrain"].prepare(run)
    Checkpoint(learner, task.directory).restore()
    return run, learner, stages["pretrain"]._negatives.temperature


def main():
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir")
    parser.add_argument("--data_dir")
    parser.add_argument("--photographs", default="photos_hr", help="TFDS name")
    arguments = parser.parse_args()
    run, learner, temperature = restored(arguments.model_dir, arguments.data_dir)
    own = run.test.images.numpy()
    clean = tiles(arguments.photographs, arguments.data_dir, own.shape[1])
    measures = {"I_NCE": InfoNCE(temperature)}
    print(f"{len(own)} test images, {len(clean)} tiles of photographs\n")
    print(f"| images | {' | '.join(CHANGES)} |\n|---|" + "---|" * len(CHANGES))
    for name, images in ((run.test.name, own), ("photographs, reduced", clean)):
        cells = []
        for change in CHANGES.values():
            changed = np.stack([change(image) for image in images])
            arrays, pair = ArrayImages(name, changed), run.pair.plain()
            found = mutual_information.estimate(learner.embed, measures, arrays, pair, seed=1)
            found = found["I_NCE"]
            cells.append(f"{found.mean:.2f} ± {found.standard_error:.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
