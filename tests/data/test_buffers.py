"""Large sets are held once: NumPy fills the memory that TensorFlow reads."""

import subprocess
import sys

import numpy as np
import tensorflow as tf

from infomin_tf.data import buffers

# Reads batches of 256 MiB of images; says how many MiB this adds to what the process holds.
SCRIPT = """
import numpy as np
from infomin_tf.data import buffers
from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order

def held():
    [line] = [line for line in open("/proc/self/status") if line.startswith("RssAnon")]
    return int(line.split()[1]) // 1024

small = ArrayImages("warm-up", np.zeros((8, 4, 4, 3), np.uint8))
list(small.in_order(4))
before = held()
array = buffers.empty((1024, 256, 341, 3))
array[:] = 7
images = ArrayImages("large", buffers.tensor(array))
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
    made = buffers.tensor(array)
    assert made.dtype == tf.uint8
    kept = array.copy()
    array[0, 0, 0, 0] += 1  # as nobody should
    assert made[0, 0, 0, 0] == made[:3][0, 0, 0, 0] == 1
    array[0, 0, 0, 0] -= 1
    del array
    np.testing.assert_array_equal(made, kept)
    assert buffers.tensor(buffers.empty((0, 4, 4, 3))).shape == (0, 4, 4, 3)


def test_reading_batches_copies_no_set():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    filled, grown = map(int, done.stdout.split())
    assert 240 < filled < 330 and grown < 128


def test_images_stay_in_the_memory_of_the_host():
    done = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["CPU:0"]
