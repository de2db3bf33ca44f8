"""Decodes what `export_images.py` packed; needs NumPy and Pillow.

python decode_images.py FILE.npz OUT.npz --size=96 --labelled=9469

OUT holds the set `unlabelled`, and its first images as the set `train`, with labels. Pillow's and
TensorFlow's decoders differ by about one grey level.
"""

import argparse
import concurrent.futures
import io

import numpy as np
from PIL import Image


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packed")
    parser.add_argument("out")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--labelled", type=int, required=True)
    values = parser.parse_args()
    with np.load(values.packed) as arrays:
        encoded, ends, labels = (arrays[name] for name in ("encoded", "ends", "labels"))
    files = [part.tobytes() for part in np.split(encoded, ends[:-1])]

    def decode(file):
        image = Image.open(io.BytesIO(file)).convert("RGB")
        return np.asarray(image.resize((values.size, values.size), Image.Resampling.BILINEAR))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        images = np.stack(list(pool.map(decode, files)))
    chosen = slice(values.labelled)
    np.savez(
        values.out,
        unlabelled=images,
        unlabelled_labels=labels,
        train=images[chosen],
        train_labels=labels[chosen],
    )


if __name__ == "__main__":
    main()
