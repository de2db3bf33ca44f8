"""Writes images of a TFDS data set as a folder for each class, to try bin/audit_views with.

python examples/write_image_folder.py imagenette96 photos --data_dir=DIR --images_per_class=200
bin/audit_views --images=photos --labels=photos
"""

import argparse
import collections
import os
import re

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow_datasets as tfds
from PIL import Image


def main():
    """The first images of each class, as JPEG of quality 95."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="TFDS name")
    parser.add_argument("directory", help="where the folders are written")
    parser.add_argument("--split", default="train")
    parser.add_argument("--data_dir", help="folder of prepared TFDS data sets")
    parser.add_argument("--images_per_class", type=int, default=200)
    arguments = parser.parse_args()
    dataset, info = tfds.load(
        arguments.name, split=arguments.split, data_dir=arguments.data_dir, with_info=True
    )
    names, written = info.features["label"].names, collections.Counter()
    for example in tfds.as_numpy(dataset):
        label = int(example["label"])
        if label >= 0 and written[label] < arguments.images_per_class:
            folder = os.path.join(arguments.directory, re.sub(r"[^\w-]", "_", names[label]))
            os.makedirs(folder, exist_ok=True)
            image = Image.fromarray(example["image"].squeeze())
            image.save(os.path.join(folder, f"{written[label]:04d}.jpg"), quality=95)
            written[label] += 1
    count = sum(written.values())
    print(f"wrote {count} images of {len(written)} classes to {arguments.directory}")


if __name__ == "__main__":
    main()
