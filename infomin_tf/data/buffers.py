"""Memory of sets of images, without a copy; large sets lie in a file.

NumPy fills the memory that TensorFlow reads. Beyond 256 MiB images are put into a temporary file
instead and read by place: what is in use stays in the system's page cache, which takes as much
memory as nothing else needs.
"""

import itertools
import math
import os
import tempfile

import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError, warn_once

_ALIGNMENT = 64  # bytes; what TensorFlow asks of memory that it shares
_MOST_IN_MEMORY = 2**28  # bytes of a set
_COPIED_TOGETHER = 2**26  # bytes


def empty(shape):
    """Images uint8 of a shape [M, H, W, 3], not filled, for `filled`.

    An array, or `Stored` if there are many and a file can be had. Both take `images[places] = ...`
    and are cut by `images[:count]`.
    """
    if math.prod(shape) > _MOST_IN_MEMORY and hasattr(os, "posix_fallocate"):  # as on Linux
        try:
            return _in_file(shape)
        except OSError as error:  # no such folder, or no room
            warn_once(
                f"{_gib(shape)} of images are held in memory, as {_folder()} takes no temporary "
                f"file of them ({error.strerror}); TMPDIR can name another folder"
            )
    memory = np.empty(math.prod(shape) + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + math.prod(shape)].reshape(shape)


def filled(images):
    """What `ArrayImages` takes of images of `empty`, which must not change any more.

    A tensor that shares the memory of an array; `Stored` as it is.
    """
    if isinstance(images, Stored):
        return images
    if not images.size:
        return tf.constant(images)
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def copy(images, places):
    """What `ArrayImages` takes of uint8 [M, H, W, 3] at places int [B]."""
    found = empty((len(places), *images.shape[1:]))
    together = max(1, _COPIED_TOGETHER // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(places), together):
        some = places[start : start + together]
        found[start : start + len(some)] = images[some]
    return filled(found)


def rows(images, places):
    """uint8 [B, H, W, 3], the images at an array of places of a tensor or of `Stored`."""
    if isinstance(images, Stored):
        return images[places].numpy()
    return np.asarray(images)[places]


class Stored:
    """Images in a temporary file that has no name, so it is gone when the process ends.

    Args:
        file: raw file.
        image_shape: (H, W, 3).
        places: int [M], where in the file the images are.
    """

    dtype = tf.uint8

    def __init__(self, file, image_shape, places):
        self._file, self._image_shape, self._places = file, tuple(image_shape), places

    @property
    def shape(self):
        """(M, H, W, 3)."""
        return (len(self._places), *self._image_shape)

    def __len__(self):
        return len(self._places)

    def __getitem__(self, chosen):
        """The images at a slice or an array of places, which stay in the same file.

        The tensor of one image at a whole number; what lies within images is cut from `numpy()`.
        """
        if isinstance(chosen, tuple):
            raise TypeError("only places of images can be chosen; take .numpy() first")
        if np.ndim(chosen) == 0 and not isinstance(chosen, slice):
            return tf.constant(self[[chosen]].numpy()[0])
        return Stored(self._file, self._image_shape, self._places[chosen])

    def __array__(self, dtype=None, copy=None):
        return self.numpy().astype(dtype or np.uint8, copy=False)

    def __deepcopy__(self, memo):
        return self[:]  # images do not change

    def __reduce__(self):
        return tf.constant, (self.numpy(),)  # another process has no such file

    def __setitem__(self, chosen, images):
        """Writes images to a place, or to a slice of neighbours."""
        places = np.atleast_1d(self._places[chosen])
        if not len(places):
            return
        try:
            self._move(os.pwritev, np.ascontiguousarray(images, np.uint8), places[0])
        except OSError as error:
            raise UserError(
                f"the temporary file of images in {_folder()} cannot be written "
                f"({error.strerror}); make room there, or set TMPDIR to a folder with room"
            ) from error

    def numpy(self):
        """All of them as an array uint8."""
        images = np.empty(self.shape, np.uint8)
        starts = np.flatnonzero(np.diff(self._places, prepend=-2) != 1)  # of neighbours in the file
        for start, stop in itertools.pairwise([*starts, len(images)]):
            self._move(os.preadv, images[start:stop], self._places[start])
        return images

    def _move(self, transfer, images, place):
        """Reads or writes images from a place on; a single call need not move all."""
        memory = memoryview(images).cast("B")
        offset = int(place) * math.prod(self._image_shape)
        while memory:
            moved = transfer(self._file.fileno(), [memory], offset)
            if not moved:
                raise OSError("the temporary file of images ends early")
            memory, offset = memory[moved:], offset + moved


def _folder():
    """For temporary files. /tmp often lies in memory; /var/tmp is for large files."""
    usual = "/var/tmp" if os.path.isdir("/var/tmp") else tempfile.gettempdir()
    return os.environ.get("TMPDIR") or usual


def _gib(shape):
    return f"{math.prod(shape) / 2**30:.1f} GiB"


def _in_file(shape):
    """`Stored` of a shape; OSError if the file system has no room for it."""
    file = tempfile.TemporaryFile(buffering=0, dir=_folder())  # noqa: SIM115, as long as its images
    os.posix_fallocate(file.fileno(), 0, math.prod(shape))
    return Stored(file, shape[1:], np.arange(shape[0]))
