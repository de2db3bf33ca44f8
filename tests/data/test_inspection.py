"""What is said of sets that share images, and of classes that are missing on one side."""

import os

import numpy as np
import pytest

from infomin_tf.data import inspection
from infomin_tf.data.facts import Facts
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.images import ArrayImages, Repeat
from infomin_tf.errors import UserError
from infomin_tf.experiment.run import Run, print_results
from infomin_tf.runs import results
from tests.bad_inputs.test_folders import save


@pytest.fixture
def photos(tmp_path):
    """20 images of two classes, all different."""
    for index in range(20):
        save(tmp_path / "photos" / ("ant", "owl")[index % 2] / f"{index}.png", value=10 * index)
    return tmp_path / "photos"


def load(folder, **arguments):
    return ImageFolder(str(folder), 8, **arguments).load()


@pytest.mark.parametrize("gib", [1.0, 0.0])
def test_test_images_among_the_unlabelled_are_counted_and_said(photos, gib, caplog):
    """As docs/own_images.md has it: all photographs to learn from, and the same ones sorted."""
    everything = load(photos, memory_limit_gib=gib)
    train, test = (load(photos, labelled=True, split=s) for s in ("train", "test"))
    assert 0 < test.size == inspection.count_shared(everything, test)
    assert inspection.count_shared(train, test) == 0
    assert inspection.count_shared(everything.thin(20), test) == (test.size if gib else 0)
    inspection.warn(everything, train, test, test)
    [record] = caplog.records
    said = record.getMessage()
    assert said.startswith(
        f"{test.size} of {test.size} images of photos:test are also among the unl"
    )
    inspection.warn(train, train, test, test)
    assert len(caplog.records) == 1


def run(directory, unlabelled, train, test, held_out):
    strategy = type("OneDevice", (), {"num_replicas_in_sync": 1})
    return Run(str(directory), strategy, 0, unlabelled, train, test, held_out, *3 * [None])


def test_results_say_what_is_learned_from_and_how_many_classes_there_are(photos, tmp_path, capsys):
    everything = load(photos)
    train, test = (load(photos, labelled=True, split=s) for s in ("train", "test"))
    mixed = run(tmp_path / "run", everything, train, test, test)
    said = f"photos:test ({test.size} of {test.size} are learned from, too)"
    assert mixed.held_out_name == said
    mixed.finish("pretrain", [results.Measurement("a", "a", 1.0, "", "")], 1, 0.0)
    data = mixed.results_of("pretrain")["data"]
    assert data["unlabelled"] == "photos:all, 20 images"
    assert data["train"] == f"photos:train, {train.size} images, 2 classes"
    assert data["held out"] == f"{said}, {test.size} images"
    print_results(mixed.model_dir)
    assert f"train: photos:train, {train.size} images, 2 classes" in capsys.readouterr().out
    assert run(tmp_path, train, train, test, test).held_out_name == "photos:test"


def test_copies_in_training_and_test_images_are_counted(photos, caplog):
    train, test = (load(photos, labelled=True, split=s) for s in ("train", "test"))
    both = np.concatenate([train.images, test.images[:2]])
    labels = np.concatenate([train.labels, test.labels[:2]])
    inspection.warn(None, ArrayImages("copied", both, labels, train.class_names), test, None)
    assert (
        f"2 of {test.size} images of photos:test are also among the training images" in caplog.text
    )


@pytest.mark.parametrize("gib", [1.0, 0.0])
def test_a_class_without_training_or_test_images_is_told_with_its_numbers(photos, gib, caplog):
    for index in range(3):
        save(photos / "rare" / f"{index}.png", value=5 + index)
    arguments = {"labelled": True, "test_share": 0.6, "memory_limit_gib": gib}
    train, test = (load(photos, split=s, **arguments) for s in ("train", "test"))
    counts = [inspection.count_classes(images) for images in (train, test)]
    assert sum(counts).tolist() == [10, 10, 3]
    inspection.warn(None, train, test, None)
    assert not caplog.text
    one, none = (ArrayImages("x", np.zeros((2, 8, 8, 3)), y, "abc") for y in ([0, 2], [0, 1]))
    inspection.warn(None, one, none, None)
    assert (
        "2 of 3 classes have no images to train on or none to test on: b (0 to train on, 1 to test"
        in caplog.text
    )


def test_slices_of_one_prepared_set_are_compared_by_their_places():
    first, second, other = (ArrayImages("x", np.zeros((9, 8, 8, 3)), 9 * [0]) for _ in range(3))
    first.facts = Facts(places=("tfds/tiny", [("train", 0, 9)]))
    second.facts = Facts(places=("tfds/tiny", [("test", 0, 4), ("train", 7, 12)]))
    other.facts = Facts(places=("tfds/tiny", [("test", 0, 9)]))
    assert inspection.count_shared(first, second) == 2
    assert inspection.count_shared(first, other) == 0


def test_no_picture_is_written_into_a_folder_of_images(photos, tmp_path, monkeypatch):
    sources = (Repeat(ImageFolder(str(photos), 8), 3), None)

    def check(path):
        inspection.check_outside(path, sources)

    check(str(tmp_path / "views.png"))
    check(str(tmp_path / "photos_of_views.png"))
    for path in (photos / "views.png", photos / "new" / "views.png"):
        with pytest.raises(UserError, match="lies in .*photos, a folder of images"):
            check(str(path))
    monkeypatch.chdir(photos / "ant")
    with pytest.raises(UserError, match="give an --out elsewhere"):
        check("views.png")
    assert "views.png" not in os.listdir()
