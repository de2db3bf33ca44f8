"""Set before TensorFlow is imported: oneDNN on, four logical CPUs to stand for replicas; fixtures for real data."""

import contextlib
import os
import pathlib
import resource

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"

import gin
import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)
tf.config.experimental.enable_op_determinism()
tf.random.set_seed(0)


@pytest.fixture(autouse=True)
def same_random_numbers(request):
    """A module's generator RNG starts anew in each test, which so sees the same numbers alone and among others."""
    if generator := getattr(request.module, "RNG", None):
        generator.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture
def real_data_dir():
    """Folder of prepared TFDS data sets; the test is skipped where there is none."""
    folder = pathlib.Path(os.environ.get("INFOMIN_DATA_DIR", ROOT.parent / "shared" / "tfds"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set INFOMIN_DATA_DIR")
    return str(folder)


@pytest.fixture
def full_disk():
    """A context in which no file can grow beyond 2000 bytes."""

    @contextlib.contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def clean_gin():
    """No binding of another test, before and after."""
    _forget_bindings()
    yield
    _forget_bindings()


def _forget_bindings():
    gin.clear_config()
    gin.config._IMPORTS.clear()


@pytest.fixture(scope="session")
def two_replicas():
    """A MirroredStrategy over two logical CPUs; one for all tests, as collectives of several would mix."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
