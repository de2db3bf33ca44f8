"""TFDS: real data where it is there, and the answers to mistakes."""

import numpy as np
import pytest

from infomin_tf.data.tfds_source import Tfds
from infomin_tf.errors import UserError


def test_a_set_that_is_nowhere_says_both_ways_to_get_it(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("socket.create_connection", offline)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError) as error:
        Tfds("stl10", "train").load(str(tmp_path))
    assert "--data_dir=DIR" in str(error.value) and "tfds.load('stl10')" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_name_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match="nearest names: .*cifar10"):
        Tfds("cifra10", "train").load(str(tmp_path))


@pytest.mark.real_data
def test_split_expressions_sizes_and_labels(real_data_dir):
    images = Tfds("imagenette96", "train[:40]+unlabelled[:20]", image_size=96).load(real_data_dir)
    assert images.size == 60 and images.image_shape == (96, 96, 3) and len(images.class_names) == 10
    assert np.all(images.labels[:40].numpy() >= 0) and np.all(images.labels[40:].numpy() == -1)
    digits = Tfds("mnist", "test[:10]").load(real_data_dir)
    assert digits.image_shape == (28, 28, 3)
    np.testing.assert_array_equal(digits.images[..., 0], digits.images[..., 2])


@pytest.mark.real_data
def test_streamed_images_equal_those_in_memory(real_data_dir):
    source = {"name": "imagenette96", "split": "train[:30]", "image_size": 48}
    memory, stream = (
        Tfds(**source).load(real_data_dir),
        Tfds(**source, memory_limit_gib=0).load(real_data_dir),
    )
    assert type(memory) is not type(stream) and memory.size == stream.size
    np.testing.assert_array_equal(memory.images, stream.sample(30))


@pytest.mark.real_data
def test_mistakes_on_real_data(real_data_dir):
    with pytest.raises(UserError, match="it has train, test, unlabelled"):
        Tfds("imagenette96", "valid").load(real_data_dir)
    with pytest.raises(UserError, match="bind Tfds.image_size"):
        Tfds("imagenette96", "train[:5]+unlabelled[:5]").load(real_data_dir)
    with pytest.raises(UserError, match="imagenette96:9.0.0"):
        Tfds("imagenette96", "train", version="9.0.0").load(real_data_dir)
