"""Set before TensorFlow is imported: oneDNN on, four logical CPUs to stand for replicas, nothing of
the user's own; fixtures.
"""

import contextlib
import ctypes
import gc
import os
import pathlib
import resource
import tempfile
from unittest import mock

LIBC = ctypes.CDLL(None)
IS_GLIBC = hasattr(LIBC, "malloc_trim") and os.path.exists("/proc/self/statm")

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"
# LLVM takes most of the time of a test under XLA, and what it compiles runs once.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
_CACHE = tempfile.TemporaryDirectory()  # of the user, with what folders of images hold
os.environ["XDG_CACHE_HOME"] = _CACHE.name
for name in ("TF_CONFIG", "TPU_NAME"):
    os.environ.pop(name, None)
with mock.patch.dict(os.environ, KERAS_HOME=os.path.join(os.devnull, "keras")):  # has no keras.json
    import keras

import gin
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.auditing import names  # noqa: F401
from infomin_tf.configuration import experiment_names  # noqa: F401

ROOT = pathlib.Path(__file__).parents[1]

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)
tf.config.experimental.enable_op_determinism()
tf.random.set_seed(0)


LONGEST = (
    "conformance",
    "real_runs",
    "end_to_end",
    "training",
    "learner",
    "families",
    "generators",
    "commands",
)


def pytest_collection_modifyitems(items):
    """Long tests run where they are asked for; the longest files come first, so that at the end no
    worker waits for one (with --no-loadscope-reorder).
    """
    if "INFOMIN_LONG_TESTS" not in os.environ:
        left_out = pytest.mark.skip(reason="takes long; set INFOMIN_LONG_TESTS=1, as CI does")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(left_out)
    places = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_collection_finish():
    """What is imported by now stays, and need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item):
    """A test sees the same random numbers alone and among others: those of Python, NumPy,
    TensorFlow and the initial weights of Keras, and its module's generator RNG.
    """
    keras.utils.set_random_seed(0)
    if generator := getattr(getattr(item, "module", None), "RNG", None):
        generator.bit_generator.state = np.random.default_rng(0).bit_generator.state


def pytest_runtest_logfinish():
    """After a test that has made the process grow, what it has built goes back to the system; else
    XLA's compiler alone would leave some 90 MiB a test.
    """
    if IS_GLIBC and resident_mib() > RESIDENT_MIB[0] + 30:
        free_memory()


def free_memory():
    """Gives back to the system what nothing holds any more."""
    gc.collect()
    if IS_GLIBC:
        LIBC.malloc_trim(0)
        RESIDENT_MIB[0] = resident_mib()


def resident_mib():
    """Physical memory of this process."""
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize() // 2**20


RESIDENT_MIB = [0]  # after memory was freed last


@pytest.fixture(autouse=True, scope="module")
def freed_memory():
    """What Keras keeps of the models of a file of tests is forgotten after it."""
    yield
    keras.utils.clear_session(free_memory=False)
    free_memory()


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
    """A MirroredStrategy over two logical CPUs; one for all, as those of several would mix."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture
def shallow_resnets(monkeypatch):
    """Residual networks have two stages of one and two blocks, for tests of all but their depth."""
    from infomin_tf.models import resnet

    for network in (resnet.ResNet18, resnet.ResNet50, resnet.ResNeXt50):
        monkeypatch.setattr(network, "blocks_per_stage", (1, 2))


@pytest.fixture(scope="session")
def small_export(tmp_path_factory):
    """(a small encoder with learned views, the folder of its export), which no test changes."""
    from infomin_tf import export
    from tests import small

    model, directory = small.image_encoder(), tmp_path_factory.mktemp("export")
    model.extractor.split.trainable = False  # as pre-training leaves it
    export.save_encoder(model, directory)
    model.extractor.split.trainable = True
    return model, directory
