"""The programs of examples/detection can be imported, and a folder in VOC format for them."""

import pathlib

import numpy as np
import pytest
from PIL import Image

PROGRAMS = pathlib.Path(__file__).parents[2] / "examples" / "detection"
OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


@pytest.fixture(autouse=True)
def beside_the_programs(monkeypatch):
    monkeypatch.syspath_prepend(str(PROGRAMS))


def write_annotation(path, boxes, size=(64, 48)):
    """Writes an XML file; boxes are (name, corners) or (name, corners, difficult)."""
    objects = [
        OBJECT.format(*corners, name=name, difficult=int(any(difficult)))
        for name, corners, *difficult in boxes
    ]
    width, height = size
    path.write_text(
        f"<annotation><size><width>{width}</width><height>{height}</height></size>"
        f"{''.join(objects)}</annotation>"
    )


def write_voc(folder, counts):
    """Writes images of 64x48 with a red square and sometimes a larger blue one; dict division ->
    number of images.
    """
    rng = np.random.default_rng(0)
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for division, count in counts.items():
        names = [f"{division}{number}" for number in range(count)]
        (folder / "ImageSets" / "Main" / f"{division}.txt").write_text("\n".join(names))
        for number, name in enumerate(names):
            image, boxes = rng.integers(90, 110, (48, 64, 3), np.uint8), []
            for color, side in (("red", 16), ("blue", 26))[: 1 + number % 2]:
                left = int(rng.integers(0, 32 - side) + (32 if color == "blue" else 0))
                top = int(rng.integers(0, 48 - side))
                value = (220, 20, 20) if color == "red" else (20, 20, 220)
                image[top : top + side, left : left + side] = value
                boxes.append((color, (left, top, left + side, top + side)))
            Image.fromarray(image).save(folder / "JPEGImages" / f"{name}.png")
            write_annotation(folder / "Annotations" / f"{name}.xml", boxes)
    return folder


@pytest.fixture
def voc_folder(tmp_path):
    return write_voc(tmp_path / "voc", {"train": 8, "val": 2, "test": 3})
