"""Image files of every kind that a folder may hold, with their pixels, worked out by hand."""

import dataclasses
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

SIDE = 16
COLORS = np.array([[(200, 30, 40), (90, 200, 60)], [(10, 120, 220), (230, 230, 200)]], np.uint8)
QUADRANTS = np.kron(COLORS, np.ones((8, 8, 1), np.uint8))  # whole blocks of a JPEG
GREY = QUADRANTS[..., 0]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A file that must be read.

    Args:
        case: what is odd about it.
        name: of the file, bytes where it is no text.
        make: function -> (bytes of the file, expected pixels [SIDE, SIDE] or [SIDE, SIDE, 3]).
        tolerance: largest difference of a pixel; JPEGs round.
    """

    case: str
    name: str | bytes
    make: Callable
    tolerance: int = 0


def encoded(image, kind="PNG", **options):
    """Bytes of a file; `image` is an array or a Pillow image."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def jpeg(image=QUADRANTS, **options):
    """A JPEG that keeps flat blocks."""
    return encoded(image, "JPEG", quality=98, subsampling=0, **options)


def alpha():
    """uint8 [SIDE, SIDE]: none in the upper half, half lower left, all lower right."""
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[8:, :8], values[8:, 8:] = 128, 255
    return values


def on_black(pixels):
    """Pixels under `alpha` on black."""
    opacity = alpha()[..., None] / 255.0
    return np.round(pixels.reshape(SIDE, SIDE, -1) * opacity).astype(np.uint8)


def palette_with_transparency():
    image = Image.new("P", (SIDE, SIDE), 0)
    image.putpalette([200, 30, 40, 90, 200, 60])
    image.paste(1, (0, 8, SIDE, SIDE))
    expected = np.zeros((SIDE, SIDE, 3), np.uint8)
    expected[8:] = (90, 200, 60)
    return encoded(image, transparency=0), expected


def transparent_color():
    expected = QUADRANTS.copy()
    expected[:8, :8] = 0
    return encoded(QUADRANTS, transparency=tuple(int(v) for v in COLORS[0, 0])), expected


def cmyk(kind, **options):
    """Ink 0, 50, 100 and black 51: (255 - ink) (255 - black) / 255."""
    ink = np.full((SIDE, SIDE, 4), (0, 50, 100, 51), np.uint8)
    light = (255 - ink[..., :3].astype(float)) * (255 - 51) / 255
    return encoded(Image.fromarray(ink, "CMYK"), kind, **options), np.round(light)


def ycck():
    """An Adobe JPEG of Y, Cb, Cr, inverted black: stored as plain channels, called otherwise."""
    y, cb, cr, light = 120.0, 100.0, 160.0, 204
    stored = np.full((SIDE, SIDE, 4), (y, cb, cr, light), np.uint8)
    data = encoded(Image.fromarray(255 - stored, "CMYK"), "JPEG", quality=98)
    place = data.index(b"Adobe") + len(b"Adobe") + 6
    assert data[place] == 0
    # YCbCr stands for the complement of what plain channels would hold: inverted inks.
    ink = np.array(
        [
            y + 1.402 * (cr - 128),
            y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
            y + 1.772 * (cb - 128),
        ]
    )
    expected = np.broadcast_to(np.round((255 - ink) * light / 255), (SIDE, SIDE, 3))
    return data[:place] + b"\x02" + data[place + 1 :], expected


def rgb_of_16_bits():
    """A PNG that Pillow cannot write: the high bytes are the picture, the low ones noise."""
    low = np.random.default_rng(0).integers(0, 256, QUADRANTS.shape, dtype=np.uint16)
    rows = (QUADRANTS.astype(np.uint16) * 256 + low).astype(">u2").reshape(SIDE, -1)
    return png(b"".join(b"\0" + row.tobytes() for row in rows), depth=16, color=2), QUADRANTS


def png(scanlines, depth=8, color=2, width=SIDE, height=SIDE):
    """A PNG of raw scanlines, each with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(scanlines)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def scaled(values, dtype, factor):
    """A one-channel TIFF or PNG of deep pixels, whose 8-bit picture is `values`."""
    kind = "PNG" if dtype == np.uint16 else "TIFF"
    return encoded((values.astype(np.float64) * factor).astype(dtype), kind), values


def not_finite():
    """nan and -inf are black, inf is white; the others are in [0, 1] as they are."""
    values, expected = GREY / np.float32(255), GREY.copy()
    values[0, :3], expected[0, :3] = (np.nan, -np.inf, np.inf), (0, 0, 255)
    return encoded(values, "TIFF"), expected


def big_endian():
    """A TIFF as Motorola wrote them."""
    pixels = (GREY.astype(np.uint16) * 257).astype(">u2").tobytes()
    return encoded(Image.frombytes("I;16B", (SIDE, SIDE), pixels), "TIFF"), GREY


def turned(orientation):
    """What is stored in the way that an EXIF orientation undoes."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: np.swapaxes(x, 0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(np.swapaxes(x, 0, 1), 2),
        8: lambda x: np.rot90(x, -1),
    }[orientation](QUADRANTS)
    return jpeg(np.ascontiguousarray(stored), exif=exif), QUADRANTS


def corrupt_exif():
    """A camera's data that make no sense, before good pixels."""
    noise = np.random.default_rng(0).integers(0, 256, 200, dtype=np.uint8).tobytes()
    return jpeg(exif=b"Exif\0\0MM\0*" + noise), QUADRANTS


def huge_metadata():
    """A colour profile over several segments, and a full EXIF block."""
    exif = Image.Exif()
    exif[0x9286] = "x" * 60000
    return jpeg(exif=exif, icc_profile=bytes(300_000)), QUADRANTS


def frames(kind, **options):
    """The first of several pictures."""
    images = [Image.fromarray(np.full((SIDE, SIDE, 3), v, np.uint8)) for v in (80, 160, 240)]
    data = encoded(images[0], kind, save_all=True, append_images=images[1:], **options)
    return data, np.full((SIDE, SIDE), 80)


def of_shape(height, width, **options):
    """One grey pixel's colour all over an image of any shape."""
    pixels = np.full((height, width), 120, np.uint8)
    expected = np.full((SIDE, SIDE), 120)
    return (jpeg(pixels) if options.get("as_jpeg") else encoded(pixels)), expected


def without_end():
    """A JPEG whose end marker is damaged: Pillow reads it, TensorFlow does not."""
    return jpeg()[:-1] + b"\x01", QUADRANTS
