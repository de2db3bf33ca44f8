"""Memory of large sets of images that NumPy fills and TensorFlow reads, without a copy."""

import math

import numpy as np
import tensorflow as tf

_ALIGNMENT = 64  # bytes; what TensorFlow asks of memory that it shares


def empty(shape):
    """An array uint8 of a shape, not filled, that `tensor` can hand over."""
    memory = np.empty(math.prod(shape) + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + math.prod(shape)].reshape(shape)


def tensor(array):
    """The tensor that shares the memory of an array of `empty`, which must not change any more."""
    if not array.size:
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
