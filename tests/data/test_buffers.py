"""Sets are held once, in memory that NumPy fills and TensorFlow reads, or in a file."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.data import buffers
from infomin_tf.data.images import ArrayImages, RepeatedImages
from infomin_tf.data.order import Order
from infomin_tf.errors import UserError

# Reads batches of 256 MiB of images; says how many MiB this adds to what the process holds.
SCRIPT = """
import sys
import numpy as np
from infomin_tf.data import buffers
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order

def held():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024

small = ArrayImages("warm-up", np.zeros((8, 4, 4, 3), np.uint8))
list(small.in_order(4))
before = held()
buffers._MOST_IN_MEMORY = int(sys.argv[1])
array = buffers.empty((1024, 256, 341, 3))
for start in range(0, 1024, 64):
    array[start : start + 64] = np.full((64, 256, 341, 3), 7)
images = ArrayImages("large", buffers.filled(array))
filled = held()
batches = images.raw(Order(16, seed=0), 16)
next(iter(batches))
next(iter(images.in_order(16)))
print(filled - before, held() - filled)
"""

# Stands for a GPU by a second logical device that has everything that is not said to be elsewhere.
DEVICES = """
import numpy as np
import tensorflow as tf
from infomin_tf.data import buffers
from infomin_tf.data.images import ArrayImages

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.device("CPU:1"):
    images = ArrayImages("all", np.zeros((8, 4, 4, 3), np.uint8))
    moved = ArrayImages("moved", tf.identity(images.images))
    parts = [images, moved, images.thin(3), images.between(2, 4), *images.hold_out(2)]
    parts += [images.numbered()]
print(*{part.images.device[-5:] for part in parts})
"""


def test_a_tensor_shares_the_memory_of_its_array():
    array = buffers.empty((5, 4, 3, 3))
    array[:] = np.arange(array.size).reshape(array.shape)
    made = buffers.filled(array)
    assert made.dtype == tf.uint8
    kept = array.copy()
    array[0, 0, 0, 0] += 1  # as nobody should
    assert made[0, 0, 0, 0] == made[:3][0, 0, 0, 0] == 1
    array[0, 0, 0, 0] -= 1
    del array
    np.testing.assert_array_equal(made, kept)
    assert buffers.filled(buffers.empty((0, 4, 4, 3))).shape == (0, 4, 4, 3)


@pytest.mark.parametrize(("limit", "least", "most"), [(2**30, 240, 330), (0, 0, 90)])
def test_reading_batches_copies_no_set(limit, least, most):
    line = [sys.executable, "-c", SCRIPT, str(limit)]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    filled, grown = map(int, done.stdout.split())
    assert least <= filled < most and grown < 128


def test_images_stay_in_the_memory_of_the_host():
    done = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["CPU:0"]


def kept_both_ways(monkeypatch):
    """Random images in memory, and the same in a file."""
    pixels = np.random.default_rng(0).integers(0, 256, (23, 4, 5, 3), np.uint8)
    monkeypatch.setattr(buffers, "_MOST_IN_MEMORY", 0)
    stored = buffers.empty((30, 4, 5, 3))
    assert isinstance(stored, buffers.Stored)
    for start in range(0, 20, 5):
        stored[start : start + 5] = tf.constant(pixels[start : start + 5])
    for place in range(20, 23):
        stored[place] = pixels[place]
    sets = pixels, buffers.filled(stored[:23])
    return [ArrayImages("numbered", images, np.arange(23) % 4, "abcd") for images in sets]


def test_images_in_a_file_are_those_in_memory(monkeypatch):
    in_memory, in_file = kept_both_ways(monkeypatch)
    assert in_file.size == 23 and in_file.image_shape == (4, 5, 3)
    assert in_file.fingerprints() == in_memory.fingerprints()
    ways = [
        lambda images: [images],
        lambda images: [images.thin(7).thin(3)],
        lambda images: [images.between(5, 20).between(2, 9)],
        lambda images: images.between(3, 23).hold_out(3),
        lambda images: [images.numbered()],
        lambda images: [RepeatedImages(images, 3), RepeatedImages(images, 2).thin(5)],
        lambda images: [images.part(np.array([], int))],
    ]
    for way in ways:
        for ours, expected in zip(way(in_file), way(in_memory), strict=True):
            assert isinstance(ours.images, buffers.Stored) and ours.size == expected.size
            np.testing.assert_array_equal(ours.images.numpy(), expected.images)
            np.testing.assert_array_equal(ours.sample(5), expected.sample(5))
            for batches in (lambda s: s.in_order(4), lambda s: s.raw(Order(3, seed=1), 3).take(9)):
                read = zip(batches(ours), batches(expected), strict=True) if ours.size else ()
                for found, other in read:
                    np.testing.assert_array_equal(found[0], other[0])
                    np.testing.assert_array_equal(found[1], other[1])


def test_images_in_a_file_are_used_like_a_tensor(monkeypatch):
    in_memory, in_file = (images.images for images in kept_both_ways(monkeypatch))
    assert in_file.dtype == in_memory.dtype and in_file.shape == in_memory.shape
    for use in (
        np.asarray,
        tf.constant,
        list,
        lambda images: images[3].numpy(),
        lambda images: images[np.int64(-1)],
        lambda images: tf.cast(images[:2], tf.float32),
        lambda images: np.asarray(images, np.float32),
        lambda images: copy.deepcopy(images)[4:],
        lambda images: pickle.loads(pickle.dumps(images)),
        lambda images: list(tf.data.Dataset.from_tensor_slices(images)),
    ):
        np.testing.assert_array_equal(use(in_file), use(in_memory))
    with pytest.raises(IndexError):
        in_file[23]
    with pytest.raises(TypeError, match=r"\.numpy\(\)"):
        in_file[..., 0]


def test_a_file_is_read_and_written_bit_by_bit_where_the_system_does_so(monkeypatch):
    for name in ("preadv", "pwritev"):
        whole = getattr(os, name)
        few = lambda file, memory, offset, move=whole: move(file, [memory[0][:7]], offset)
        monkeypatch.setattr(os, name, few)
    in_memory, in_file = kept_both_ways(monkeypatch)
    np.testing.assert_array_equal(in_file.images.numpy(), in_memory.images)
    monkeypatch.setattr(os, "preadv", lambda *_: 0)
    with pytest.raises(OSError, match="ends early"):
        in_file.images.numpy()
    monkeypatch.setattr(os, "pwritev", full_disk)
    with pytest.raises(UserError, match="No space left on device.*TMPDIR"):
        buffers.empty((3, 4, 4, 3))[:1] = np.zeros((1, 4, 4, 3))


def test_the_file_leaves_no_name_behind_and_images_stay_in_memory_without_room(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(buffers, "_MOST_IN_MEMORY", 100)
    assert isinstance(buffers.empty((2, 4, 4, 3)), np.ndarray)
    stored = buffers.empty((3, 4, 4, 3))
    assert isinstance(stored, buffers.Stored) and not list(tmp_path.iterdir())
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    assert isinstance(buffers.empty((3, 4, 4, 3)), np.ndarray)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full_disk)
    assert isinstance(buffers.empty((3, 4, 4, 3)), np.ndarray)
    monkeypatch.delattr(os, "posix_fallocate")
    assert isinstance(buffers.empty((3, 4, 4, 3)), np.ndarray)


def full_disk(*_):
    raise OSError(28, "No space left on device")
