"""The commands from Python: the same flags and defaults, what they return and leave alone."""

import dataclasses
import inspect
import os

import gin
import keras
import numpy as np
import pytest
from PIL import Image

import infomin_tf
from infomin_tf import library
from infomin_tf.command_line import options, own_images
from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.experiment.experiment import Experiment
from tests import small

pytestmark = pytest.mark.usefixtures("clean_gin")
SMALL = (
    "TrainingLoop.steps_limit = 1",
    "AlexNetHalf.width = 0.03125",
    "AlexNetHalf.units = 8",
    "Pretrain.batch_size = 8",
    "view_size = 32",
    "Experiment.view_learning = None",  # raw views, which take half of the time
    "ChannelSplit.generator = None",
)


@pytest.mark.parametrize(
    ("function", "command"), [(library.train, "train"), (library.audit, "audit_views")]
)
def test_flags_have_the_same_names_and_defaults(function, command):
    flags = options.define(command)
    given = inspect.signature(function).parameters
    assert set(given) - {"images", "labels"} == set(flags) - {"help", "h", "images", "labels"}
    for name, parameter in given.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert (parameter.default or None) == (flags[name].default or None), name


def test_the_package_offers_them():
    assert infomin_tf.train is library.train and {"train", "embed", "audit"} <= set(dir(infomin_tf))
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        infomin_tf.fly  # noqa: B018


@pytest.fixture(scope="module")
def pixels():
    return small.images(24).images.numpy()


@pytest.fixture(scope="module")
def trained(pixels, tmp_path_factory):
    """A run without labels, and what gin knew before it."""
    gin.parse_config("Shapes.seed = 5")
    folder = tmp_path_factory.mktemp("library") / "run"
    return library.train(pixels, model_dir=folder, gin_param=SMALL)


def test_an_array_is_trained_on_and_embedded(trained, pixels):
    assert {"i_nce", "i_nce/training", "features"} <= set(trained.results)
    assert list(trained.stages) == ["pretrain", "export"]
    embedded = library.embed(trained.encoder, pixels, batch_size=7)
    assert embedded.features.shape == (24, trained.results["features"]) and embedded.paths == ()
    np.testing.assert_allclose(embedded.features, trained.encoder(pixels), atol=1e-5)


def test_what_a_person_has_bound_in_gin_stays(trained):
    gin.parse_config("Shapes.seed = 7")
    with gin_files.fresh():
        assert not gin.config._CONFIG
        gin.parse_config("Shapes.seed = 8")
    assert gin.query_parameter("Shapes.seed") == 7


def test_the_same_call_reads_what_is_finished_and_other_images_are_refused(trained, pixels, capfd):
    again = library.train(pixels, model_dir=trained.model_dir, gin_param=SMALL)
    assert again.results == trained.results and "pretrain is finished" in capfd.readouterr().err
    with pytest.raises(UserError, match="holds another run(.|\n)*ArrayFile.images"):
        library.train(pixels[::-1], model_dir=trained.model_dir, gin_param=SMALL)
    assert library.train(pixels, model_dir=trained.model_dir, gin_param=SMALL).results


def test_a_folder_is_embedded_in_the_order_of_its_paths(trained, pixels, tmp_path):
    side = trained.encoder.resize
    large = np.repeat(np.repeat(pixels[:3], 5, axis=1), 5, axis=2)[:, :side, :side]
    for name, image in zip(("b/x.png", "a.png", "c.png"), large, strict=True):
        (tmp_path / "photos" / "b").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / name)
    found = library.embed(f"{trained.model_dir}/export", tmp_path / "photos")
    assert found.paths == ("a.png", "b/x.png", "c.png")
    expected = library.embed(trained.encoder, large[[1, 0, 2]]).features
    np.testing.assert_allclose(found.features, expected, atol=1e-4)


def built(bindings, file):
    with gin_files.fresh():
        gin_files.parse([gin_files.find_file(file)], bindings)
        made = gin_files.build(Experiment)
        gin_files.check_all_used()
        return made._data.load(None)


@pytest.mark.parametrize("labels", ["folder", "table", "array", "none"])
def test_labels_come_from_folders_from_a_table_or_with_the_array(labels, tmp_path, pixels):
    rows = ["file,label"]
    for index in range(12):
        path = tmp_path / "photos" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[index]).save(path)
        rows.append(f"{path.parent.name}/{index}.png,{'ab'[index % 2]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    images, given = {
        "folder": (tmp_path / "photos", str(tmp_path / "photos")),
        "table": (tmp_path / "photos", str(tmp_path / "labels.csv")),
        "array": (pixels[:12], ["a", "b"] * 5 + ["", "a"]),
        "none": (pixels[:12], None),
    }[labels]
    file = own_images.default_file(None) if given is None else own_images.default_file("labels")
    with library._array_files(tmp_path) as keep:
        unlabelled, train, test, _ = built(library._data(images, given, keep), file)
    assert unlabelled.size == 12
    if given is None:
        assert train is None
        return
    assert train.class_names == test.class_names == ("a", "b")
    assert train.size + test.size == (11 if labels == "array" else 12) and test.size > 0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 8, 8, 3)), "convert floats in .0, 1. with np.uint8"),
        (np.zeros((8, 8), np.uint8), r"images holds uint8 \[8, 8\]"),
        (np.zeros((4, 8, 8, 4), np.uint8), r"images must be uint8 \[M, H, W, 3\]"),
        (np.zeros((0, 8, 8, 3), np.uint8), "at least 1"),
    ],
)
def test_other_arrays_are_refused(images, message, tmp_path):
    with pytest.raises(UserError, match=message):
        library.train(images, model_dir=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [{}, {"gin_file": "gin/quickstart.gin", "labels": "photos"}])
def test_without_images_a_gin_file_has_to_name_them(arguments, tmp_path):
    with pytest.raises(UserError, match="or a gin_file that names both"):
        library.train(model_dir=tmp_path, **arguments)
    images, test, *_ = built(library._data(None, None, None), "gin/quickstart.gin")
    assert images.size == 8000 and test.class_names == tuple("01234567")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 1]}, "labels holds int64 .2.; labels must be integers or strings .24."),
        ({"labels": ["a", None] * 12}, "labels holds object"),
        ({"labels": np.ones(24)}, "labels holds float64"),
        ({"seed": -1}, "train.seed"),
        ({"model_dir": "s3://bucket/run"}, "is a URL"),
        ({"gin_param": "Pretrain.epoch = 1"}, "nearest valid name: epochs"),
        ({"until": "evaluate"}, "until=evaluate is not one of this experiment's stages"),
        ({"strategy": "many"}, "many is not one of auto"),
        ({"gin_file": "gin/folder_unsup_view.gin"}, "nearest: gin/folder_unsup_views.gin"),
    ],
)
def test_wrong_arguments_are_one_message_and_leave_no_image(arguments, message, pixels, tmp_path):
    with pytest.raises((UserError, ValueError), match=message):
        library.train(pixels, **{"model_dir": tmp_path / "run"} | arguments)
    assert not list(tmp_path.rglob("*.npy"))


def test_a_folder_takes_no_array_of_labels(tmp_path, pixels):
    for function in (library.train, library.audit):
        with pytest.raises(UserError, match="labels"):
            function(tmp_path, [0, 1])
    with pytest.raises(UserError, match="audit reads a folder"):
        library.audit(pixels)


def test_a_precision_of_the_run_is_not_that_of_the_caller():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with library._settings_restored():
            keras.config.set_dtype_policy("float32")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_arrays_of_the_run_alone_are_kept(tmp_path):
    old = tmp_path / "images" / "images_0.npy"
    old.parent.mkdir()
    old.write_bytes(b"of a run before")
    with pytest.raises(UserError), library._array_files(tmp_path) as keep:
        new = keep("images", np.zeros((1, 2, 2, 3), np.uint8))
        assert os.path.exists(new)
        raise UserError("holds another run")
    assert os.listdir(old.parent) == [old.name]
    with library._array_files(tmp_path) as keep:
        new = keep("images", np.zeros((1, 2, 2, 3), np.uint8))
    assert os.listdir(old.parent) == [os.path.basename(new)]


def test_embed_says_what_it_cannot_take(trained, pixels, tmp_path):
    for wrong, message in ((pixels[:0], "at least 1"), (pixels / 255.0, "np.uint8")):
        with pytest.raises(UserError, match=message):
            library.embed(trained.encoder, wrong)
    with pytest.raises(ValueError, match="embed.batch_size must be a whole number"):
        library.embed(trained.encoder, pixels, batch_size=0)
    grey = library.embed(trained.encoder, pixels[..., 0]).features
    expected = library.embed(trained.encoder, np.repeat(pixels[..., :1], 3, axis=-1)).features
    np.testing.assert_array_equal(grey, expected)
    with pytest.raises(UserError, match="a SavedModel does not say what size"):
        library.embed(f"{trained.model_dir}/export/saved_model", tmp_path)
    unfinished = dataclasses.replace(trained, stages={})
    with pytest.raises(UserError, match="has no export yet"):
        unfinished.encoder  # noqa: B018


def test_what_would_change_after_training_is_told_with_its_command():
    said = library._again("my run", ["Evaluate.raw_pixels = True"], "evaluate")
    assert said == "bin/evaluate '--model_dir=my run' '--gin_param=Evaluate.raw_pixels = True'"
