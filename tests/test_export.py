"""Exported encoders give the features that were evaluated, load alone, and fine-tune."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import infomin_tf
from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.models.image_encoder import ImageEncoder
from infomin_tf.models.saved_encoder import SavedEncoder
from infomin_tf.views import pairs
from tests import small

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 50, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", ["saved_model", "encoder.keras"])
def test_features_are_those_of_the_model(small_export, name, dtype):
    model, directory = small_export
    images = IMAGES if dtype == "uint8" else IMAGES.astype(np.float32) / 255
    layer = infomin_tf.load_encoder(directory / name, dtype=dtype)
    expected = model.extractor(pairs.CenterCrop(36, 32)(IMAGES))
    np.testing.assert_allclose(layer(images), expected, atol=1e-4)
    assert expected.shape == (4, 16)


def test_an_export_in_a_folder_whose_name_is_a_pattern_is_read(small_export, tmp_path):
    model, directory = small_export
    copy = shutil.copytree(directory / "saved_model", tmp_path / "lr=[0.1]" / "saved_model")
    layer = infomin_tf.load_encoder(copy.parent, dtype="uint8")
    np.testing.assert_allclose(layer(IMAGES), model(IMAGES), atol=1e-4)
    assert layer.filepath == str(copy)


def test_a_saved_model_needs_no_code_of_ours(small_export):
    model, directory = small_export
    loaded = tf.saved_model.load(str(directory / "saved_model"))
    np.testing.assert_allclose(loaded.serve(IMAGES), model(IMAGES), atol=1e-4)


def test_its_graph_has_only_operations_that_other_runtimes_have(small_export):
    loaded = tf.saved_model.load(str(small_export[1] / "saved_model"))
    for name in ("serve", "serve_float"):
        graph = loaded.signatures[name].graph.as_graph_def()
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        found = {node.op for node in nodes} - {"Assert"}  # which TFLite and XLA leave out
        assert {"MatMul", "Conv2D"} <= found
        assert not found & {"ScaleAndTranslate", "ResizeBilinear", "PyFunc", "If", "While"}


def test_an_export_of_an_earlier_version_is_not_compiled_by_xla(small_export, tmp_path):
    module = tf.Module()
    module.variable = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), name="images")])
    def serve(images):
        return module.variable * tf.image.resize(images, [3, 3], antialias=True)

    module.serve_float = module.train_float = serve
    tf.saved_model.save(module, str(tmp_path), {"serve_float": serve})
    assert not infomin_tf.load_encoder(tmp_path).supports_jit
    assert infomin_tf.load_encoder(small_export[1] / "saved_model").supports_jit


def test_an_export_folder_is_read_by_what_is_in_it(small_export, tmp_path):
    _, directory = small_export
    assert isinstance(infomin_tf.load_encoder(directory), ImageEncoder)
    shutil.copytree(directory / "saved_model", tmp_path / "saved_model")
    assert isinstance(infomin_tf.load_encoder(tmp_path), SavedEncoder)


def test_an_export_whose_variables_are_cut_is_refused(small_export, tmp_path):
    copy = shutil.copytree(small_export[1], tmp_path / "export")
    [data] = copy.glob("saved_model/variables/variables.data*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged or is not an export of this package"):
        infomin_tf.load_encoder(copy / "saved_model")


def test_a_file_that_carries_code_is_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    carrier = keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs))
    carrier.save(tmp_path / "encoder.keras")
    with pytest.raises(UserError, match="unsafe"):
        infomin_tf.load_encoder(tmp_path / "encoder.keras")


def test_without_resizing_only_the_views_size_is_taken(tmp_path):
    model = small.image_encoder(resize=None, backbones=[small.SmallBackbone()])
    export.save_encoder(model, str(tmp_path))
    for layer in (model, infomin_tf.load_encoder(tmp_path / "saved_model")):
        assert layer(IMAGES[:, :32, :32]).shape == (4, 6)
        with pytest.raises(
            UserError, match=r"images \[B, 32, 32, 3\], not \[4, 50, 40, 3\]; resize"
        ):
            layer(IMAGES)


def test_exporting_again_replaces(tmp_path):
    model = small.image_encoder(backbones=[small.SmallBackbone()])
    for _ in range(2):
        export.save_encoder(model, str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.keras", "saved_model"]


def test_a_full_disk_keeps_the_export_before(small_export, full_disk):
    model, directory = small_export
    files = sorted(directory.rglob("*"))
    other = small.image_encoder(backbones=[small.SmallBackbone()])
    with full_disk(), pytest.raises(UserError, match="the export could not be written"):
        export.save_encoder(other, str(directory))
    assert sorted(directory.rglob("*")) == files
    loaded = tf.saved_model.load(str(directory / "saved_model"))
    np.testing.assert_allclose(loaded.serve(IMAGES), model(IMAGES), atol=1e-4)


def test_mistakes_are_explained(tmp_path):
    with pytest.raises(UserError, match="neither a SavedModel nor a .keras file"):
        infomin_tf.load_encoder(tmp_path)
    with pytest.raises(UserError, match='dtype "float32" or "uint8"'):
        infomin_tf.load_encoder(tmp_path, dtype="int8")
