"""Image files of any kind as arrays."""

import errno
import functools
import io
import os

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from infomin_tf.data import deep_images, near_duplicates, threads
from infomin_tf.data.passed_over import PassedOver, is_of_system
from infomin_tf.errors import UserError

ENDINGS = (*(".jpg", ".jpeg", ".jpe", ".jfif"), *(".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"))
_ORIENTATION = 0x0112


def find_images(directory):
    """Image files at any depth, by their endings; one warning counts the other files.

    Links to folders are followed. Each folder is read once, under its own name rather than that of
    a link, so loops end. Hidden files and folders, whose names begin with a dot, and those of
    systems (`@eaDir`, `$RECYCLE.BIN`, `__MACOSX` and the like) are left out, and so are folders
    that a command of this package has written.

    Returns:
        Paths relative to the directory, in order.

    Raises:
        UserError: a folder cannot be listed.
    """
    top, seen, found, waiting = os.path.realpath(directory), set(), [], [directory]
    others = PassedOver(directory)
    while waiting:
        for root, folders, files in os.walk(waiting.pop(0), onerror=_refuse):
            place = os.path.realpath(root)
            folders[:] = sorted(name for name in folders if not is_of_system(name))
            again = place in seen or top.startswith(os.path.join(place, ""))
            if again or root != directory and others.holds_run(root, files):
                folders.clear()
                continue
            seen.add(place)
            inside = [os.path.join(root, name) for name in folders]
            waiting += [path for path in inside if os.path.islink(path)]
            images = [n for n in files if n.lower().endswith(ENDINGS) and not is_of_system(n)]
            others.add_files(root, set(files).difference(images))
            found += [os.path.join(root, name) for name in images]
    others.warn(ENDINGS)
    return sorted(os.path.relpath(path, directory) for path in found)


def _refuse(error):
    raise UserError(
        f"the folder {error.filename} cannot be listed ({error.strerror}); "
        "make it readable, or move it elsewhere"
    ) from error


def open_image(path):
    """The file, opened by Pillow; OSError for other things, such as a pipe, which would block."""
    if not os.path.isfile(path):
        raise OSError("it is not a regular file, or it is a broken link")
    return Image.open(path)


def is_plain_jpeg(path):
    """Whether a file is an upright colour or grey JPEG, which TensorFlow decodes as Pillow does."""
    with open_image(path) as image:
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        if image.format != "JPEG" or image.mode not in ("RGB", "L") or not upright:
            return False
    try:
        tf.io.decode_jpeg(tf.io.read_file(os.fsencode(path)))
    except tf.errors.InvalidArgumentError:  # damaged, in a way that Pillow overlooks
        return False
    return True


def read_image(path, side, scales=None):
    """Reads an image file as RGB, upright as its EXIF data says, resized and cut to a square.

    Greyscale, palette, CMYK, transparent (on black), 16-bit and floating-point images (nan is
    black) are converted.

    Args:
        path: of the file.
        side: pixels.
        scales: `deep_images.Scales` of the folder; None to scale a deep image by its own brightest
            pixel, which suits a single image only.

    Returns:
        uint8 [side, side, 3].

    Raises:
        Exception: of many kinds; the file cannot be read, or is too large.
    """
    with open_image(path) as image:
        image.draft("RGB", (2 * side, 2 * side))
        square = ImageOps.fit(_as_rgb(image, scales), (side, side), Image.Resampling.BILINEAR)
        return np.asarray(square)


def read_thumbnails(directory, paths, scales=None):
    """Thumbnails of `near_duplicates` of images under a folder.

    Args:
        directory: the folder.
        paths: of the images, relative to it.
        scales: see `read_image`.

    Returns:
        (float32 [M, D], nan where a file cannot be read; whether the next start would find the
        same, as no file failed for another reason than what it holds).
    """
    found = np.full((len(paths), near_duplicates.SIDE**2), np.nan, np.float32)
    full = [os.path.join(directory, path) for path in paths]
    lasts = True
    read = threads.in_order(lambda path: _thumbnail(path, scales), full)
    for place, (thumbnail, error) in enumerate(read):
        if error is None:
            found[place] = thumbnail
        passing = getattr(error, "errno", None) not in (None, errno.ENOENT)
        lasts &= not (passing or isinstance(error, MemoryError))
    return found, lasts


def _thumbnail(path, scales):
    """(thumbnail, None), or (None, why it cannot be read)."""
    try:
        status = os.stat(path)
        return _known_thumbnail(path, status.st_size, status.st_mtime_ns, scales), None
    except Exception as error:  # decoders fail in many ways; who loads the file counts and names it
        return None, error


@functools.lru_cache(2**16)  # training, test and unlabelled images often come from one folder
def _known_thumbnail(path, size, changed, scales):
    """Of a file; `size` and `changed` tell one that is written anew."""
    image = read_image(path, near_duplicates.SIDE, scales)
    return image.mean(axis=-1, dtype=np.float32).ravel()


def read_whole(path, scales=None):
    """An image file of any kind, upright, of its own size, uint8 [H, W, 3]; see `read_image`."""
    with open_image(path) as image:
        return np.asarray(_as_rgb(image, scales))


def read_as_png(path, scales=None):
    """An image file of any kind as bytes of an upright RGB PNG of its size; see `read_image`."""
    with open_image(path) as image, io.BytesIO() as file:
        _as_rgb(image, scales).save(file, "PNG", compress_level=0)
        return file.getvalue()


def _as_rgb(image, scales):
    """An upright RGB copy of a Pillow image of any mode."""
    deep = deep_images.pixel_type(image)
    image = ImageOps.exif_transpose(image)
    if deep is not None:
        values = deep_images.pixel_values(image, deep)
        scale = (scales or deep_images.Scales()).of(deep, values)
        image = Image.fromarray(scale.to_bytes(values))
    elif "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")
