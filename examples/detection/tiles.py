"""Cuts the images of one division of a folder in VOC format into square tiles, to pre-train on.

    python examples/detection/tiles.py --images=VOC --out=tiles

Leave the test images out of what is pre-trained on: the result is measured on them.
"""

import argparse
import pathlib
import sys

from PIL import Image
from voc import Voc, VocError, open_image


def cut(image, side, size):
    """Tiles of `size` x `size` that overlap by half, of an image whose shorter side becomes `side`.

    What is left over at the right and at the bottom belongs to no tile.
    """
    scale = side / min(image.size)
    image = image.resize([round(scale * extent) for extent in image.size], Image.Resampling.BOX)
    width, height = image.size
    for top in range(0, height - size + 1, size // 2):
        for left in range(0, width - size + 1, size // 2):
            yield image.crop((left, top, left + size, top + size))


def parser():
    """The flags."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--images", required=True, help="folder in VOC format")
    made.add_argument("--out", required=True, help="folder of the tiles")
    made.add_argument("--division", default="train", help="list in ImageSets/Main, %(default)s")
    made.add_argument("--side", type=int, default=240, help="shorter side before, %(default)s")
    made.add_argument("--size", type=int, default=96, help="side of a tile, %(default)s")
    return made


def _check_empty(out):
    """Refuses a folder that may hold tiles of other images: all files in it are trained on."""
    if out.is_dir() and any(out.iterdir()):
        sys.exit(f"error: {out} is not empty; give --out a new folder, or delete the old tiles")
    if out.exists() and not out.is_dir():
        sys.exit(f"error: {out} is a file; give --out a folder")


def main(words=None):
    """Writes the tiles as PNG files."""
    arguments = parser().parse_args(words)
    if not 2 <= arguments.size <= arguments.side:
        sys.exit(
            f"error: --size must be 2 to {arguments.side}, which is --side, not {arguments.size}"
        )
    out, count = pathlib.Path(arguments.out), 0
    try:
        _check_empty(out)
        voc = Voc(arguments.images)
        files = [voc.image_file(name) for name in voc.names(arguments.division)]
        out.mkdir(parents=True, exist_ok=True)
        for file in files:
            tiles = cut(open_image(file), arguments.side, arguments.size)
            for number, tile in enumerate(tiles):
                tile.save(out / f"{file.stem}_{number:02}.png")
                count += 1
    except VocError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error}; make room, or give --out another folder")
    print(f"{out}: {count} tiles of {len(files)} images")


if __name__ == "__main__":
    main()
