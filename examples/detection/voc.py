"""Images with boxes from a folder in the format of Pascal VOC."""

import dataclasses
import pathlib
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image

_PARTS = ("Annotations", "JPEGImages", "ImageSets/Main")
_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class VocError(Exception):
    """The folder is not in VOC format; the message says what is wrong and how to fix it."""


@dataclasses.dataclass(frozen=True)
class Boxes:
    """The boxes of one image.

    Args:
        file: path of the image.
        size: (width, height) of the image in pixels.
        corners: float32 [N, 4], left, top, right and bottom edges in pixels, within the image. VOC
            counts pixels from 1, most programs that draw boxes write edges from 0: taken as these.
        names: the N classes.
        difficult: bool [N]; such boxes are not trained on, and finding them is neither right nor
            wrong.
        bad: how many were left out, because nothing of them lies within the image.
    """

    file: pathlib.Path
    size: tuple[int, int]
    corners: np.ndarray
    names: tuple[str, ...]
    difficult: np.ndarray
    bad: int


class Voc:
    """Annotations/NAME.xml, JPEGImages/NAME.jpg and ImageSets/Main/DIVISION.txt under a folder.

    Args:
        folder: that holds the three.

    Raises:
        VocError: one of them is missing.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).expanduser()
        if missing := [part for part in _PARTS if not (self.folder / part).is_dir()]:
            raise VocError(
                f"{folder} is not in VOC format, because it lacks {', '.join(missing)}; give the "
                f"folder that holds {', '.join(_PARTS)}"
            )

    def names(self, division):
        """Names of the images of a division, such as "train", in the order of its list."""
        path = self.folder / "ImageSets" / "Main" / f"{division}.txt"
        if not path.is_file():
            there = sorted(file.stem for file in path.parent.glob("*.txt"))
            raise VocError(
                f"{path} is missing, which lists the division {division!r}; there is "
                f"{', '.join(there) or 'no list'}"
            )
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise VocError(f"{path} is not text in UTF-8 ({error}); save it as UTF-8") from error
        names = [line.split()[0] for line in lines if line.strip()]
        if not names:
            raise VocError(f"{path} lists no image; write the name of an image on each line")
        return names

    def image_file(self, name):
        """Path of the image called `name`."""
        for ending in _ENDINGS:
            if (path := self.folder / "JPEGImages" / (name + ending)).is_file():
                return path
        raise VocError(
            f"{self.folder / 'JPEGImages' / name} has no file with an ending of JPEG or PNG; add "
            "the image, or take its name out of ImageSets/Main"
        )

    def read(self, division):
        """List of the `Boxes` of the images of a division."""
        files = {name: self.image_file(name) for name in self.names(division)}
        annotations = self.folder / "Annotations"
        return [read_boxes(annotations / f"{name}.xml", file) for name, file in files.items()]


def open_image(path):
    """The image in RGB, decoded.

    Raises:
        VocError: it cannot be.
    """
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except OSError as error:
        raise _unreadable(path, error) from error


def read_boxes(path, image_file):
    """The `Boxes` of an annotation.

    Args:
        path: of the XML file.
        image_file: path of its image.

    Raises:
        VocError: the file is missing or not of VOC, or its boxes are of an image of another size.
    """
    width, height = _size(image_file)
    try:
        root = ElementTree.parse(path).getroot()
        size = tuple(int(root.findtext(f"size/{side}", "0")) for side in ("width", "height"))
        objects = root.findall("object")
        corners = [[float(one.findtext(f"bndbox/{side}")) for side in _SIDES] for one in objects]
        names = [one.findtext("name").strip() for one in objects]
    except (OSError, ElementTree.ParseError, ValueError, TypeError, AttributeError) as error:
        raise VocError(
            f"{path} is no annotation of VOC ({error}); each object needs a name and a bndbox of "
            f"{', '.join(_SIDES)}"
        ) from error
    if all(size) and size != (width, height):
        raise VocError(
            f"{path} has boxes of an image of {size[0]}x{size[1]}, but the image has "
            f"{width}x{height}; give the image that was annotated"
        )
    difficult = [one.findtext("difficult", "0").strip() == "1" for one in objects]
    corners = np.array(corners, np.float32).reshape(-1, 4)
    corners = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
    kept = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return Boxes(
        image_file,
        (width, height),
        corners[kept],
        tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        np.array(difficult, bool)[kept],
        int((~kept).sum()),
    )


def _size(path):
    """(width, height) of an image that is not decoded yet."""
    try:
        with Image.open(path) as file:
            return file.size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    return VocError(
        f"{path} cannot be read ({error}); replace it, or take its name out of ImageSets/Main"
    )
