"""An exported encoder in a Keras model: frozen or not, saved, loaded, under every setting."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import infomin_tf
from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.models.resnet import ResNet18
from tests import small

pytestmark = pytest.mark.usefixtures("shallow_resnets")
RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 36, 36, 3), dtype=np.float32)
LABELS = np.array([0, 1, 0, 1])
KINDS = ["saved_model", "encoder.keras"]


def resnet():
    return small.image_encoder(backbones=[ResNet18(width=1 / 16, small_images=True)])


@pytest.fixture(params=[*KINDS, "resnet"])
def encoder(request, small_export):
    """Of learned views by both files, and one without a generator."""
    if request.param == "resnet":
        return resnet()
    return infomin_tf.load_encoder(small_export[1] / request.param)


def compiled(layers, eager=False):
    """A model to train, eagerly where that is for one step, which costs less than its graph."""
    model = keras.Sequential([keras.Input((36, 36, 3)), *layers])
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
        run_eagerly=eager,
    )
    return model


def classifier(encoder, eager=True):
    return compiled([encoder, keras.layers.Dense(2)], eager)


def changed_by_a_step(model):
    """Which weights of the encoder a step changes; the head's always change."""
    encoder, head = model.layers
    before = [np.array(v) for v in encoder.weights + head.weights]
    model.train_on_batch(IMAGES, LABELS)
    after = encoder.weights + head.weights
    changed = [np.any(a != np.array(b)) for a, b in zip(before, after, strict=True)]
    assert all(changed[-2:])
    return changed[:-2]


def test_frozen_changes_nothing(encoder):
    encoder.trainable = False
    model = classifier(encoder)
    assert len(model.trainable_variables) == 2
    assert not encoder.trainable_variables
    assert not any(changed_by_a_step(model))


def test_the_argument_freezes(small_export):
    for kind in KINDS:
        encoder = infomin_tf.load_encoder(small_export[1] / kind, trainable=False)
        assert len(classifier(encoder).trainable_variables) == 2


def test_freezing_the_model_around_it_freezes_it_and_can_be_undone(encoder):
    everything = len(encoder.trainable_variables)
    model = classifier(encoder)
    model.trainable = False
    assert not model.trainable_variables
    assert not encoder.trainable
    model.trainable = True
    assert len(model.trainable_variables) == everything + 2
    encoder.trainable = False
    assert len(model.trainable_variables) == 2
    encoder.trainable = True
    model = classifier(encoder)
    assert len(model.trainable_variables) == everything + 2
    changed = changed_by_a_step(model)
    assert (
        sum(changed) > 0.9 * everything
    )  # all but a few with no gradient, and the statistics besides


def test_both_files_have_the_same_to_train(small_export):
    model, directory = small_export
    counts = {len(infomin_tf.load_encoder(directory / kind).trainable_variables) for kind in KINDS}
    assert counts == {len(model.trainable_variables)}


def test_a_frozen_encoder_normalises_as_in_inference(encoder):
    encoder.trainable = False
    np.testing.assert_allclose(encoder(IMAGES, training=True), encoder(IMAGES), atol=1e-5)
    encoder.trainable = True
    assert np.abs(encoder(IMAGES, training=True) - encoder(IMAGES)).max() > 1e-2


def test_what_pre_training_froze_is_exported_as_trainable(tmp_path):
    model = small.image_encoder(backbones=[small.SmallBackbone()])
    everything = len(model.trainable_variables)
    model.extractor.split.trainable = False
    model.extractor.backbones[0].normalization.trainable = False
    export.save_encoder(model, tmp_path)
    assert not model.extractor.split.trainable
    assert not model.extractor.backbones[0].normalization.trainable
    with keras.saving.custom_object_scope({"SmallBackbone": small.SmallBackbone}):
        loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert len(loaded.trainable_variables) == everything


def reloaded(model, folder):
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), atol=1e-5)
    return loaded


@pytest.mark.parametrize("make", [None, resnet])
def test_a_frozen_encoder_is_frozen_after_reload(make, small_export, tmp_path):
    encoder = make() if make else infomin_tf.load_encoder(small_export[1])
    everything = len(encoder.trainable_variables)
    encoder.trainable = False
    model = reloaded(classifier(encoder), tmp_path)
    assert len(model.trainable_variables) == 2
    assert not model.layers[0].trainable_variables
    assert not any(changed_by_a_step(model))
    model.layers[0].trainable = True
    assert len(model.trainable_variables) == everything + 2


def test_a_part_that_is_frozen_is_frozen_after_reload(small_export, tmp_path):
    encoder = infomin_tf.load_encoder(small_export[1])
    everything = len(encoder.trainable_variables)
    encoder.extractor.split.trainable = False
    encoder.extractor.backbones[1].convolutions[0].trainable = False
    left = len(encoder.trainable_variables)
    assert left < everything
    model = reloaded(classifier(encoder), tmp_path)
    again = model.layers[0]
    assert len(model.trainable_variables) == left + 2
    assert not again.extractor.split.generator.trainable_variables
    assert not again.extractor.backbones[1].convolutions[0].trainable
    assert again.extractor.backbones[1].convolutions[1].trainable


def test_a_model_is_saved_and_loaded_with_its_optimizer_and_dtype(small_export, tmp_path):
    model = classifier(infomin_tf.load_encoder(small_export[1], dtype="uint8"), eager=False)
    images = (255 * IMAGES).astype(np.uint8)
    model.train_on_batch(images, LABELS)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(images), model(images), rtol=1e-4, atol=1e-4)
    assert loaded.layers[0].white == 255
    assert [v.shape for v in loaded.optimizer.variables] == [
        v.shape for v in model.optimizer.variables
    ]


def test_a_saved_model_inside_a_model_is_not_saved_as_keras(small_export, tmp_path):
    model = compiled([infomin_tf.load_encoder(small_export[1] / "saved_model")])
    with pytest.raises(UserError, match="^a model with the layer of a SavedModel cannot be saved"):
        model.save(tmp_path / "model.keras")


@pytest.fixture
def keras_settings():
    yield
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


SETTINGS = {
    "mixed_float16": lambda: keras.config.set_dtype_policy("mixed_float16"),
    "mixed_bfloat16": lambda: keras.config.set_dtype_policy("mixed_bfloat16"),
    "float16": lambda: (
        keras.config.set_floatx("float16"),
        keras.config.set_dtype_policy("float16"),
    ),
    "float64": lambda: (
        keras.config.set_floatx("float64"),
        keras.config.set_dtype_policy("float64"),
    ),
    "channels_first": lambda: keras.config.set_image_data_format("channels_first"),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_export_under_every_setting(
    small_export, kind, setting, keras_settings
):
    model, directory = small_export
    expected = model(IMAGES).numpy()
    SETTINGS[setting]()
    encoder = infomin_tf.load_encoder(directory / kind)
    np.testing.assert_allclose(encoder(IMAGES), expected, atol=1e-5)
    around = keras.Sequential([keras.Input((36, 36, 3), dtype="float32"), encoder])
    np.testing.assert_allclose(around(IMAGES), expected, atol=1e-5)
    around = keras.Sequential([encoder, keras.layers.Dense(2)])
    assert np.isfinite(around(IMAGES)).all()  # of images that Keras may have rounded


_BOTH_ORDERS = """
import sys
import infomin_tf
assert not {"keras", "tensorflow"} & set(sys.modules)
import keras
def check():
    names = "ImageEncoder", "FeatureExtractor", "ResNet18", "Lab", "AffineGenerator", "LinearHead"
    for name in names:
        assert keras.saving.get_registered_object(f"infomin_tf>{name}").__name__ == name
check()
for name in [name for name in sys.modules if name.split(".")[0] == "infomin_tf"]:
    del sys.modules[name]
keras.saving.get_custom_objects().clear()
import infomin_tf
check()
"""


def test_the_package_registers_its_layers_before_and_after_keras():
    root = pathlib.Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", _BOTH_ORDERS], check=True, cwd=root)
