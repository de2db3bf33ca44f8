"""Exports in processes without this package and gin: the same features, from the examples."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.training import precision
from infomin_tf.views import bands, color, generators, splits
from tests import small
from tests.formats import encoders

EXAMPLES = encoders.ROOT / "examples"
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(an encoder with learned views, the folder with its export in all formats that carry it)."""
    model, folder = small.image_encoder(), tmp_path_factory.mktemp("formats")
    export.save_encoder(model, folder, ("saved_model", "keras", "onnx", "litert"))
    return model, folder


def by_onnx(folder, images):
    session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"))
    return session.run(["features"], {"images": images})[0]


def by_litert(folder, images):
    interpreter = Interpreter(str(folder / "encoder.tflite"))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], images.shape)
    [features] = interpreter.get_signature_runner("serve")(images=images).values()
    return features


RUNTIMES = pytest.mark.parametrize("name, run", [("onnx", by_onnx), ("litert", by_litert)])


@pytest.mark.parametrize("program", ["keras", "onnx_runtime", "litert"])
def test_an_example_without_this_package_gives_the_features(program, exported, tmp_path):
    model, folder = exported
    files, images = encoders.pictures(tmp_path, ((50, 50), (33, 33)))
    program = EXAMPLES / f"use_in_{program}.py"
    assert "2 images, 16 features" in encoders.run_alone(program, folder, *files, folder=tmp_path)
    expected = np.concatenate([model(image[None]) for image in images])
    np.testing.assert_allclose(np.load(tmp_path / "features.npy"), expected, rtol=0, atol=1e-5)


def test_the_example_of_scikit_learn_gives_the_features_and_an_accuracy(exported, tmp_path):
    model, folder = exported
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "b").mkdir()
    images = [
        image
        for name in "ab"
        for image in encoders.pictures(tmp_path / "photos" / name, [(40, 40)] * 5)[1]
    ]
    program = EXAMPLES / "use_in_scikit_learn.py"
    said = encoders.run_alone(program, folder, tmp_path / "photos", folder=tmp_path)
    assert "accuracy" in said
    expected = model(np.stack(images))
    np.testing.assert_allclose(np.load(tmp_path / "features.npy"), expected, rtol=0, atol=1e-5)


@RUNTIMES
def test_a_batch_of_any_size_gives_the_features_of_the_saved_model(name, run, exported):
    folder = exported[1]
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    for shape in ((1, 36, 36), (5, 20, 61), (2, 200, 150)):
        images = RNG.integers(0, 256, (*shape, 3), np.uint8)
        np.testing.assert_allclose(run(folder, images), loaded.serve(images), rtol=0, atol=1e-5)


def test_the_onnx_graph_has_names_and_free_sizes(exported):
    graph = onnx.load(str(exported[1] / "encoder.onnx")).graph
    [images], [features] = graph.input, graph.output
    assert (images.name, features.name) == ("images", "features")
    axes = images.type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in axes] == ["batch", "height", "width", 3]
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8


CONSTANTS = (0.4, 0.4, 0.4), (0.3, 0.3, 0.3)
SPLITS = {
    "Lab": lambda: splits.ChannelSplit(color.Lab(), None, (50.0, 0.0, 0.0), (30.0, 20.0, 20.0)),
    "HSV": lambda: splits.ChannelSplit(color.HSV(), None, *CONSTANTS),
    "bands": lambda: splits.ChannelSplit(bands.Bands(), None, *CONSTANTS),
    "frequencies": lambda: splits.FrequencySplit(1.0, None, *CONSTANTS),
    "affine": lambda: splits.ChannelSplit(
        color.RGB(), generators.AffineGenerator(num_blocks=1), *CONSTANTS
    ),
    "reversible": lambda: splits.ChannelSplit(
        color.RGB(), generators.ReversibleGenerator(num_blocks=1), *CONSTANTS
    ),
}


@RUNTIMES
@pytest.mark.parametrize("kind", SPLITS)
def test_every_split_and_generator_is_carried(kind, name, run, tmp_path):
    model = encoders.of_halves(SPLITS[kind]())
    export.save_encoder(model, tmp_path, name)
    np.testing.assert_allclose(run(tmp_path, IMAGES), model(IMAGES), rtol=1e-4, atol=1e-5)


@RUNTIMES
def test_a_network_of_half_precision_is_written_in_single_precision(name, run, tmp_path):
    precision.use("mixed_bfloat16")
    try:
        model = encoders.of_network(encoders.ShallowResNet(width=0.25))
    finally:
        precision.use("float32")
    exact = encoders.of_network(encoders.ShallowResNet(width=0.25))
    exact.set_weights(model.get_weights())
    export.save_encoder(model, tmp_path, name)
    np.testing.assert_allclose(run(tmp_path, IMAGES), exact(IMAGES), rtol=1e-4, atol=1e-4)
    assert np.abs(model(IMAGES) - exact(IMAGES)).max() > 1e-3


class Antialiased(keras.layers.Layer):
    """Has an operation that other runtimes lack."""

    output_dimension = 3

    def call(self, x, training=None):
        return tf.reduce_mean(tf.image.resize(x, [7, 7], antialias=True), axis=(1, 2))


@RUNTIMES
def test_an_operation_that_a_runtime_lacks_is_told_and_nothing_is_written(name, run, tmp_path):
    model = encoders.of_network(Antialiased())
    with pytest.raises(UserError, match="ScaleAndTranslate.*use the formats saved_model or keras"):
        export.save_encoder(model, tmp_path, ("saved_model", name))
    assert not list(tmp_path.iterdir())
