"""The commands from Python: the same flags and defaults, what they return and leave alone."""

import inspect

import gin
import numpy as np
import pytest
from PIL import Image

import infomin_tf
from infomin_tf import library
from infomin_tf.command_line import options
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
    "LearnViews.batch_size = 8",
    "view_size = 32",
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
    assert {"i_nce", "i_nce/view_learning", "features"} <= set(trained.results)
    assert list(trained.stages) == ["learn_views", "pretrain", "export"]
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
    file = library._WITHOUT if given is None else library._WITH_LABELS
    unlabelled, train, test, _ = built(library._data(images, given, str(tmp_path)), file)
    assert unlabelled.size == 12
    if given is None:
        assert train is None
        return
    assert train.class_names == test.class_names == ("a", "b")
    assert train.size + test.size == (11 if labels == "array" else 12) and test.size > 0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 8, 8, 3)), "become so by np.uint8"),
        (np.zeros((8, 8), np.uint8), r"not uint8 \[8, 8\]"),
    ],
)
def test_other_arrays_are_refused(images, message, tmp_path):
    with pytest.raises(UserError, match=message):
        library.train(images, model_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_audit_needs_a_folder(pixels):
    with pytest.raises(UserError, match="audit reads a folder"):
        library.audit(pixels)
