"""Time and memory of bin/embed on many JPEGs of 224 px, which are links to a few files.

.venv/bin/python benchmarks/embedding.py EXPORT --images=100000 --image_size=224
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
FILES = 10


def write_images(folder, count):
    """Writes JPEGs of smooth noise, and links to them, 1,000 in a folder."""
    numbers = np.random.default_rng(0)
    for number in range(FILES):
        small = Image.fromarray(numbers.integers(0, 256, (14, 14, 3), np.uint8))
        small.resize((224, 224), Image.Resampling.BICUBIC).save(
            folder / f"{number}.jpg", quality=90
        )
    for number in range(count):
        place = folder / "photos" / f"{number // 1000:04d}" / f"{number:07d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / f"{number % FILES}.jpg", place)
    return folder / "photos"


def main():
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--image_size", type=int, default=224)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--ending", default=".parquet")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = write_images(pathlib.Path(folder), given.images)
        out = pathlib.Path(folder, f"features{given.ending}")
        flags = [f"--export={given.export}", f"--images={photos}", f"--out={out}"]
        flags += [f"--image_size={given.image_size}", f"--batch_size={given.batch_size}"]
        started = time.monotonic()
        subprocess.run([sys.executable, ROOT / "bin" / "embed", *flags], check=True)
        seconds = time.monotonic() - started
        size = out.stat().st_size / 2**20
    gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(
        f"{given.images} images in {seconds:.0f} s, {given.images / seconds:.0f} a second with the "
        f"start; peak memory {gib:.2f} GiB; file {size:.0f} MiB"
    )


if __name__ == "__main__":
    main()
