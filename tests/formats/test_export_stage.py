"""The stage that exports, and save_encoder: which formats, what stays, what is refused early."""

import pathlib

import numpy as np
import pytest

import infomin_tf
from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.experiment.export import Export
from infomin_tf.formats import format
from infomin_tf.models.saved_encoder import SavedEncoder
from infomin_tf.views import splits
from infomin_tf.views.pairs import CenterCrop
from tests import small
from tests.formats import encoders


@pytest.fixture
def run(tmp_path):
    """With a finished pre-training of a network that every format can carry."""
    made = small.run_of(tmp_path, small.whole())
    network = encoders.ShallowResNet()
    made.extractor = encoders.of_network(network, split=made.split).extractor
    made.backbones = [network]
    made.finish("pretrain", [], 3)
    return made


def entries(run):
    return {path.name for path in pathlib.Path(run.directory("export")).iterdir()}


def test_a_format_comes_to_those_of_the_same_training_and_replaces_those_of_another(run):
    written = {"results.json", "torchvision", "detectron2"}
    Export(CenterCrop(12, 12), ("torchvision", "detectron2")).run(run)
    assert entries(run) == written
    assert run.results_of("export")["measurements"][0]["protocol"].endswith(
        "torchvision, detectron2"
    )
    Export(CenterCrop(12, 12), ("onnx",)).run(run)
    assert entries(run) == written | {"encoder.onnx"}
    pathlib.Path(run.directory("export"), "results.json").unlink()  # as a longer training does
    Export(CenterCrop(12, 12), ("detectron2",)).run(run)
    assert entries(run) == {"results.json", "detectron2"}


def test_what_a_format_cannot_carry_is_told_before_the_training(run):
    run.split = splits.FrequencySplit()
    with pytest.raises(UserError, match="the format torchvision carries .* a FrequencySplit; use"):
        Export(formats=("saved_model", "torchvision")).check(run)
    Export(formats=("saved_model", "onnx", "litert")).check(run)


@pytest.mark.parametrize("names", [(), ("gguf",), ("onnx", "pytorch")])
def test_an_unknown_format_is_refused(names):
    with pytest.raises(UserError, match="formats of an export are saved_model, keras, .* not "):
        format.make(names)


def test_a_missing_package_is_told_with_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert len(format.make(format.DEFAULT)) == 2
    with pytest.raises(UserError, match=r"needs the package tf2onnx.*'infomin_tf\[onnx\]'"):
        format.make("onnx")


def test_from_python_an_encoder_is_written_again_whatever_it_was_loaded_for(small_export, tmp_path):
    encoder = infomin_tf.load_encoder(small_export[1], dtype="uint8", trainable=False)
    infomin_tf.save_encoder(encoder, tmp_path, ("saved_model", "litert"))
    assert {path.name for path in tmp_path.iterdir()} == {"saved_model", "encoder.tflite"}
    assert encoder.white == 255 and not encoder.trainable
    images = np.random.default_rng(0).random((2, 40, 40, 3), np.float32)
    layer = infomin_tf.load_encoder(tmp_path / "saved_model")
    np.testing.assert_allclose(layer(images), small_export[0](images), atol=1e-5)
    assert layer.trainable_variables
    with pytest.raises(UserError, match="writes an ImageEncoder, not a SavedEncoder; load it from"):
        infomin_tf.save_encoder(SavedEncoder(str(tmp_path / "saved_model")), tmp_path)


@pytest.mark.parametrize("name", ["torchvision", "detectron2", "onnx", "litert"])
def test_a_full_disk_keeps_what_was_there(name, full_disk, tmp_path):
    encoder = encoders.of_network(encoders.ShallowResNet(), resize=None)
    [written] = format.make(name)
    (tmp_path / written.entry).write_text("of before")
    with full_disk(), pytest.raises(UserError, match="the export could not be written"):
        export.save_encoder(encoder, tmp_path, name)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of before"]


def test_half_written_formats_are_never_seen(monkeypatch, tmp_path):
    encoder = small.image_encoder(backbones=[encoders.ShallowResNet()])
    monkeypatch.setattr("json.dumps", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.save_encoder(encoder, tmp_path, ("detectron2", "torchvision"))
    assert not list(tmp_path.iterdir())
