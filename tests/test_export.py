"""Exported encoders give the features that were evaluated, load alone, and fine-tune."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import infomin_tf
from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import FeatureExtractor
from infomin_tf.models.alexnet import AlexNetHalf
from infomin_tf.views import color, generators, pairs, splits

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 50, 40, 3), dtype=np.uint8)


def encoder(resize=36):
    keras.utils.set_random_seed(0)
    split = splits.ChannelSplit(
        color.YDbDr(), generators.GlowGenerator(), (0.4, 0.0, 0.0), (0.5, 1.2, 1.3)
    )
    backbones = [AlexNetHalf(0.0625, units=128) for _ in range(2)]
    model = export.ImageEncoder(FeatureExtractor(split, backbones), 32, resize)
    model.build()
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = encoder()
    for variable in model.trainable_variables:  # so that nothing equals its initial value
        variable.assign(variable.value + 0.01 * RNG.normal(size=variable.shape))
    directory = tmp_path_factory.mktemp("export")
    export.save_encoder(model, str(directory))
    return model, directory


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", ["", "saved_model", "encoder.keras"])
def test_features_are_those_of_the_model(exported, name, dtype):
    model, directory = exported
    images = IMAGES if dtype == "uint8" else IMAGES.astype(np.float32) / 255
    layer = infomin_tf.load_encoder(directory / name, dtype=dtype)
    expected = model.extractor(pairs.CenterCrop(36, 32)(IMAGES))
    np.testing.assert_allclose(layer(images), expected, atol=1e-4)
    assert expected.shape == (4, 16)


def test_an_export_in_a_folder_whose_name_is_a_pattern_is_read(exported, tmp_path):
    model, directory = exported
    copy = shutil.copytree(directory / "saved_model", tmp_path / "lr=[0.1]" / "saved_model")
    layer = infomin_tf.load_encoder(copy.parent, dtype="uint8")
    np.testing.assert_allclose(layer(IMAGES), model(IMAGES), atol=1e-4)
    assert layer.get_config()["filepath"] == str(copy)


def test_a_saved_model_needs_no_code_of_ours(exported):
    model, directory = exported
    loaded = tf.saved_model.load(str(directory / "saved_model"))
    np.testing.assert_allclose(loaded.serve(IMAGES), model(IMAGES), atol=1e-4)


def test_an_export_whose_variables_are_cut_is_refused(exported, tmp_path):
    copy = shutil.copytree(exported[1], tmp_path / "export")
    [data] = copy.glob("saved_model/variables/variables.data*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged or no export of this package"):
        infomin_tf.load_encoder(copy)


def test_a_file_that_carries_code_is_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    carrier = keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs))
    carrier.save(tmp_path / "encoder.keras")
    with pytest.raises(UserError, match="unsafe"):
        infomin_tf.load_encoder(tmp_path / "encoder.keras")


def test_all_trainable_variables_come_along_and_fine_tune(exported):
    model, directory = exported
    layer = infomin_tf.load_encoder(directory)
    encoders = sum(len(b.trainable_variables) for b in model.extractor.backbones)
    assert len(layer.trainable_variables) >= encoders
    network = keras.Sequential([layer, keras.layers.Dense(2)])
    network.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = IMAGES.astype(np.float32) / 255, np.array([0, 1, 0, 1])
    before = [v.numpy() for v in layer.trainable_variables]
    first = network.train_on_batch(x, y)
    for _ in range(10):
        last = network.train_on_batch(x, y)
    assert last < first
    changed = [
        np.any(a != b.numpy()) for a, b in zip(before, layer.trainable_variables, strict=True)
    ]
    assert np.mean(changed) > 0.8


def test_frozen_encoders_have_nothing_to_train(exported):
    _, directory = exported
    assert not infomin_tf.load_encoder(directory, trainable=False).trainable_variables


def test_without_resizing_only_the_views_size_is_taken(tmp_path):
    model = encoder(resize=None)
    export.save_encoder(model, str(tmp_path))
    layer = infomin_tf.load_encoder(tmp_path, dtype="uint8")
    assert layer(IMAGES[:, :32, :32]).shape == (4, 16)
    with pytest.raises((ValueError, TypeError)):
        layer(IMAGES)


def test_exporting_again_replaces(exported, tmp_path):
    model, _ = exported
    for _ in range(2):
        export.save_encoder(model, str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.keras", "saved_model"]


def test_a_full_disk_keeps_the_export_before(exported, full_disk):
    model, directory = exported
    files = sorted(directory.rglob("*"))
    with full_disk(), pytest.raises(UserError, match="the export could not be written"):
        export.save_encoder(encoder(), str(directory))
    assert sorted(directory.rglob("*")) == files
    loaded = tf.saved_model.load(str(directory / "saved_model"))
    np.testing.assert_allclose(loaded.serve(IMAGES), model(IMAGES), atol=1e-4)


def test_mistakes_are_explained(tmp_path):
    with pytest.raises(UserError, match="neither a SavedModel nor a .keras file"):
        infomin_tf.load_encoder(tmp_path)
    with pytest.raises(UserError, match='dtype "float32" or "uint8"'):
        infomin_tf.load_encoder(tmp_path, dtype="int8")
