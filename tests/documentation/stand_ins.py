"""Small sets of noise with the names and features of those that the documentation trains on, and a
folder of photographs.
"""

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

_RNG = np.random.default_rng(0)


def write(folder):
    """Writes all sets into a folder that takes the place of --data_dir=DIR."""
    ten = tfds.features.ClassLabel(num_classes=10)
    several = tfds.features.ClassLabel(num_classes=1000)
    for name in ("stl10", "imagenette96"):
        counts = {"train": 300, "test": 300, "unlabelled": 300}
        _write(folder, name, "1.0.0", counts, (96, 96, 3), label=ten)
    text, counts = tfds.features.Text(), {"train": 1500, "test": 300}
    _write(folder, "cifar10", "3.0.2", counts, (32, 32, 3), label=ten, id=text)
    _write(folder, "mnist", "3.0.1", {"train": 300, "test": 300}, (28, 28, 1), label=ten)
    counts = {"train": 300, "validation": 300}
    _write(folder, "imagenet2012", "5.1.0", counts, (256, 300, 3), label=several, file_name=text)
    _write(folder, "photos_hr", "1.0.0", {"train": 40}, (400, 500, 3))
    label_map = tfds.features.LabeledImage(shape=(None, None, 1), labels=40)
    _write(
        folder,
        "nyuv2_seg",
        "1.0.0",
        {"train": 40, "test": 20},
        (96, 128, 3),
        segmentation_label=label_map,
    )


def write_photos(folder):
    """Writes photos/ and sorted_photos/, each with a folder for each of two classes, and images/ as
    the gin files have it.
    """
    for top in ("photos", "sorted_photos", "images/unlabelled", "images/labelled"):
        for name in ("cats", "dogs"):
            (folder / top / name).mkdir(parents=True)
            for number in range(200):
                pixels = _RNG.integers(0, 256, (100, 120, 3), np.uint8)
                Image.fromarray(pixels).save(folder / top / name / f"{number}.jpg")


def _write(folder, name, version, counts, shape, **features):
    image = tfds.features.Image(shape=(None, None, shape[-1]))
    splits = {split: list(_examples(count, shape, features)) for split, count in counts.items()}
    tfds.dataset_builders.AdhocBuilder(
        name=name,
        version=version,
        features=tfds.features.FeaturesDict({"image": image, **features}),
        split_datasets=splits,
        data_dir=str(folder),
    ).download_and_prepare()


def _examples(count, shape, features):
    for number in range(count):
        example = {
            "image": _RNG.integers(0, 256, shape, np.uint8),
            "label": number % 10,
            "id": str(number),
            "file_name": f"{number}.jpg",
            "segmentation_label": _RNG.integers(0, 40, (*shape[:2], 1), np.uint8),
        }
        yield number, {name: example[name] for name in ("image", *features)}
