"""Image files of any kind as arrays."""

import io

import numpy as np
from PIL import Image, ImageOps

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
_ORIENTATION = 0x0112


def is_plain_jpeg(path):
    """Whether a file is an upright colour or grey JPEG, which TensorFlow decodes to what Pillow does."""
    with Image.open(path) as image:
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        return image.format == "JPEG" and image.mode in ("RGB", "L") and upright


def read_image(path, side):
    """Reads an image file as RGB, upright as its EXIF data says, resized and cut to a square.

    Greyscale, palette, CMYK, transparent (on black), 16-bit and floating-point images are converted.

    Args:
        path: of the file.
        side: pixels.

    Returns:
        uint8 [side, side, 3].

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: the file cannot be read, or is too large.
    """
    with Image.open(path) as image:
        image.draft("RGB", (2 * side, 2 * side))
        return np.asarray(ImageOps.fit(_as_rgb(image), (side, side), Image.Resampling.BILINEAR))


def read_as_png(path):
    """An image file of any kind as the bytes of an upright RGB PNG of the same size; errors as `read_image`."""
    with Image.open(path) as image, io.BytesIO() as file:
        _as_rgb(image).save(file, "PNG", compress_level=0)
        return file.getvalue()


def _as_rgb(image):
    """An upright RGB copy of a Pillow image of any mode."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        scale = 255.0 / _white(image.mode, values.max())
        image = Image.fromarray(np.round(values * scale).clip(0, 255).astype(np.uint8))
    elif "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")


def _white(mode, brightest):
    """The value that stands for white; integers of 32 bits and floats do not say, so the brightest pixel decides."""
    if mode.startswith("I;16"):
        return 65535.0
    ranges = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    return next((white for white in ranges if brightest <= white), brightest)
