"""Images of other than 8 bits a pixel: which value stands for white, one for a whole folder."""

import dataclasses
import functools
import math
import os

import numpy as np
from PIL import Image

from infomin_tf.data import threads
from infomin_tf.errors import warn_once

# Of white, above it and below 0: so much is clipped, as resampling and sharpening leave it.
_OVERSHOOT, _UNDERSHOOT = 1.11, 0.1
_UNUSED = 1 / 16
_BITS, _SAMPLE_FORMAT, _SIGNED = 258, 339, 2  # TIFF tags, and a value of the second


@dataclasses.dataclass(frozen=True)
class Scale:
    """Which pixel values are shown as 0 and 255.

    Args:
        black, white: these values; what lies beyond them is clipped.
    """

    black: float
    white: float

    def to_bytes(self, values):
        """uint8 of pixel values of any shape and type; nan is black."""
        shown = (values - self.black) * (255.0 / (self.white - self.black))
        shown = np.nan_to_num(shown, posinf=255.0, neginf=0.0)
        return np.round(shown).clip(0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Scales:
    """Those of the deep images of a folder.

    Args:
        floats, integers: `Scale` of images of this type; None where the folder has none.
    """

    floats: Scale | None = None
    integers: Scale | None = None

    def of(self, pixel_type, values):
        """The `Scale` of one image.

        Where the folder has none of its type: all of 16 bits, or what the brightest pixel says.
        """
        scale = self.floats if np.issubdtype(pixel_type, np.floating) else self.integers
        if scale is None and pixel_type is np.uint16:
            return Scale(0.0, 65535.0)
        return scale or _scale([_Range(pixel_type, *_extremes(values))], None)

    def __str__(self):
        scales = filter(None, (self.floats, self.integers))
        return " and ".join(f"{scale.black:g} to {scale.white:g}" for scale in scales)


@dataclasses.dataclass(frozen=True)
class _Range:
    pixel_type: type
    low: float
    high: float


def pixel_type(image):
    """The numpy type of the pixels of an image that Pillow has opened; None for unsigned bytes."""
    tags = getattr(image, "tag_v2", {})
    signed = tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED
    if image.mode == "F":
        return np.float32
    if image.mode.startswith("I;16"):
        return np.uint16
    if image.mode == "I":
        return np.uint32 if tags.get(_BITS) == (32,) and not signed else np.int32
    return np.int8 if image.mode == "L" and signed else None


def pixel_values(image, kind):
    """float64 [H, W] of a deep image of Pillow, of the type that `pixel_type` has found."""
    values = np.asarray(image)
    if kind in (np.uint32, np.int8):  # which Pillow holds under another name
        values = values.view(kind)
    return values.astype(np.float64)


def find_scales(directory, paths, white=None):
    """Looks at all deep images of a folder; warns of a guess, or of images of little contrast.

    White is 1 where no float is above, and otherwise the largest number of 8, 10, 12, 14, 16 or
    more bits that none is above; 1.1 of it is not above it yet. For floats below 16 it is a power
    of two. Where the lowest value is below -0.1 of white, black is -white, of 7 to 16 bits,
    otherwise 0.

    Args:
        directory: the folder.
        paths: of all its images, relative to it.
        white: of all of them; None to find it.

    Returns:
        `Scales`.
    """
    full = [os.path.join(directory, path) for path in paths]
    ranges = [found for found in threads.in_order(_range_of_file, full) if found]
    coloured = [r for r in ranges if r.pixel_type is np.uint8]
    if dark := sum(r.high < 256 * _UNUSED for r in coloured):
        warn_once(
            f"{dark} of {len(coloured)} colour images of 16 bits in {directory} use less than a "
            "sixteenth of their range, but only the upper 8 bits of colours are read; multiply "
            "their values so that white is 65535"
        )
    deep, scales = [r for r in ranges if r.pixel_type is not np.uint8], {}
    for name, kind in (("floats", np.floating), ("integers", np.integer)):
        if part := [r for r in deep if np.issubdtype(r.pixel_type, kind)]:
            scales[name] = _scale(part, white)
            _warn(scales[name], part, name, directory, white)
    return Scales(**scales)


def _range_of_file(path):
    """`_Range` of a file of more than 8 bits per pixel, of colours of their upper 8; or None."""
    try:
        if not os.path.isfile(path):  # to open a pipe would wait for ever
            return None
        with open(path, "rb") as file:
            start = file.read(32)
        if not _may_be_deep(start):
            return None
        status = os.stat(path)
        return _known_range(path, status.st_size, status.st_mtime_ns)
    except Exception:  # decoders fail in many ways; who loads the file counts and names it
        return None


def _may_be_deep(start):
    """Whether a file that starts so may hold pixels of more than 8 bits.

    These are PNGs that say so, TIFFs, JPEG 2000 and portable maps.
    """
    if start.startswith(b"\x89PNG"):
        return start[24:25] == b"\x10"
    return start.startswith((b"II", b"MM", b"\0\0\0\x0cjP", b"\xff\x4f\xff", b"P2", b"P5", b"Pf"))


@functools.lru_cache(2**17)  # training, test and unlabelled images often come from one folder
def _known_range(path, size, changed):
    """Of a file; `size` and `changed` tell one that is written anew."""
    with Image.open(path) as image:
        kind = pixel_type(image)
        if kind is not None:
            return _Range(kind, *_extremes(pixel_values(image, kind)))
        bits = getattr(image, "tag_v2", {}).get(_BITS, (16,))
        if max(bits) <= 8 or image.mode not in ("RGB", "RGBA", "LA"):
            return None
        return _Range(np.uint8, *_extremes(np.asarray(image.convert("RGB"))))


def _extremes(values):
    """(lowest, highest) of the finite values; (0, 0) for none."""
    finite = {"where": np.isfinite(values), "initial": 0}
    return float(values.min(**finite)), float(values.max(**finite))


def _scale(ranges, white):
    """The `Scale` of images of such ranges."""
    low, high = min(r.low for r in ranges), max(r.high for r in ranges)
    floats = np.issubdtype(ranges[0].pixel_type, np.floating)
    found = white or _white(high, floats)
    if low >= -_UNDERSHOOT * found:
        return Scale(0.0, found)
    found = white or _white(max(high, -low), floats, range(7, 17))  # one bit is the sign
    return Scale(-found, found)


def _white(highest, floats, bits=(8, 10, 12, 14, 16)):
    """The value that stands for white: all ones of so many bits, or of as many as are needed."""
    highest = highest / _OVERSHOOT
    if floats and highest <= 1.0:
        return 1.0
    if floats and highest < 255 * _UNUSED:
        return 2.0 ** math.ceil(math.log2(highest))
    usual = (number for number in bits if highest <= 2**number - 1)
    return 2.0 ** next(usual, math.ceil(math.log2(highest + 1))) - 1


def _warn(scale, ranges, name, directory, white):
    """Warns where white is a guess, or images use little of what lies between black and it."""
    sixteen_bits = any(r.pixel_type is np.uint16 for r in ranges)
    usual = (65535.0,) if sixteen_bits else (1.0, 255.0, 65535.0)
    dark = sum(max(r.high, -r.low) < scale.white * _UNUSED for r in ranges)
    said = []
    if white is None and (scale.white not in usual or scale.black):
        said.append(f"{scale.black:g} is taken for black and {scale.white:g} for white")
    if dark:
        span = f"{scale.black:g} to {scale.white:g}"
        said.append(f"{dark} of them use less than a sixteenth of the range of {span}")
    if said:
        low, high = min(r.low for r in ranges), max(r.high for r in ranges)
        warn_once(
            f"the {len(ranges)} images of {name} with more than 8 bits in {directory} have values "
            f"from {low:g} to {high:g}: {'; '.join(said)}; to change that, bind ImageFolder.white"
        )
