"""Folders as people have them: other files, folders of systems, of runs and parts, odd classes."""

import json
import shutil

import numpy as np
import pytest

from infomin_tf.data import folder_layout
from infomin_tf.data.image_files import find_images
from infomin_tf.data.image_folder import ImageFolder
from tests.bad_inputs.cases import Refused, check_refused
from tests.bad_inputs.test_folders import load, save

refused = Refused()


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_that_are_passed_over_are_counted_in_one_warning(tmp_path, caplog):
    save(tmp_path / "a.png")
    others = ["1.heic", "b/2.HEIC", "3.avif", "4.ppm", "5.cr2", "b/6.pdf", "IMG_7", "notes.txt"]
    touch(tmp_path, *others)
    for _ in range(2):
        assert find_images(str(tmp_path)) == ["a.png"]
    [record] = caplog.records
    said = record.getMessage()
    assert f"{len(others)} files are passed over" in said and "2 .heic" in said
    for part in ("1 .avif", "1 .ppm", "1 .cr2", "1 .pdf", "1 without an ending", "1 .txt"):
        assert part in said
    for fix in ("heif-convert", "develop them", "extract these", "convert them to PNG"):
        assert fix in said


def test_jpegs_of_other_endings_are_read_and_nothing_is_said(tmp_path, caplog):
    for name in ("a.jpg", "b.jpg"):
        save(tmp_path / name, value=90)
    shutil.move(tmp_path / "a.jpg", tmp_path / "a.JFIF")
    shutil.move(tmp_path / "b.jpg", tmp_path / "b.jpe")
    images = load(tmp_path)
    assert images.size == 2 and np.all(np.abs(images.images.numpy().astype(int) - 90) < 2)
    assert not caplog.text


def test_what_systems_put_into_folders_is_no_image_and_no_class(tmp_path, caplog):
    save(tmp_path / "owl" / "a.png")
    save(tmp_path / "ant" / "b.png")
    for name in ("@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX"):
        save(tmp_path / name / "c.png")
        save(tmp_path / "owl" / name / "c.png")
    save(tmp_path / ".Trash-1000" / "c.png")
    touch(tmp_path, "Thumbs.db", "owl/desktop.ini", ".DS_Store", "owl/._a.png")
    assert load(tmp_path, labelled=True).class_names == ("ant", "owl")
    assert "are passed over" not in caplog.text and "are not classes" not in caplog.text


@pytest.mark.parametrize(
    "name, text",
    [
        ("config.gin", ""),
        ("sweep.json", "{}"),
        ("copies.json", "{}"),
        ("results.json", json.dumps({"measurements": [], "versions": {}})),
    ],
)
def test_what_the_package_has_written_is_no_image(name, text, tmp_path, caplog):
    save(tmp_path / "a.png")
    save(tmp_path / "runs" / "exp" / "views" / "b.png")
    (tmp_path / "runs" / "exp" / name).write_text(text)
    assert find_images(str(tmp_path)) == ["a.png"]
    assert "1 folders are passed over because this package wrote to them" in caplog.text
    assert find_images(str(tmp_path / "runs" / "exp")) == ["views/b.png"]  # who asks for it gets it


def test_results_of_another_program_hide_no_images(tmp_path):
    save(tmp_path / "owl" / "a.png")
    (tmp_path / "owl" / "results.json").write_text("[1, 2]")
    assert find_images(str(tmp_path)) == ["owl/a.png"]


def classes(folder, *paths):
    folder_layout.check_classes(
        [path.replace("N", str(i)) for i, path in enumerate(paths)], str(folder)
    )


@refused.by(
    "are parts of a data set, not classes: test .1 image in cat., train .2 images in cat, dog.",
    "to the training folder .*/train.*split = .all.",
)
def parts_for_classes(folder):
    classes(folder, "train/cat/N.png", "train/dog/N.png", "test/cat/N.png")


@refused.by("are parts of a data set, not classes: Train .1 image., valid .1 image.", "split = ")
def parts_without_classes(folder):
    classes(folder, "Train/N.png", "valid/N.png")


@refused.by(
    "are parts of a data set, not classes: test_images .1 image., train2017 .1 image.", "split"
)
def parts_with_other_words(folder):
    classes(folder, "train2017/N.png", "test_images/N.png")


@refused.by("are parts of a data set, not classes: fold1 .1 image., fold2 .1 image.", "split")
def folds(folder):
    classes(folder, "fold1/N.png", "fold2/N.png")


@refused.by("not classes: JPEGImages .1 image., SegmentationClass .1 image.", "/JPEGImages")
def pascal(folder):
    classes(folder, "JPEGImages/N.png", "SegmentationClass/N.png")


@refused.by("not classes: images .2 images., labels .1 image.", "a labels_file or without labels")
def images_and_label_maps(folder):
    classes(folder, "images/N.png", "images/N.png", "labels/N.png")


@refused.by("not classes: images .1 image.", "a labels_file or without labels")
def images_alone(folder):
    classes(folder, "images/N.png")


@refused.by(
    "has only one class, photographs .3 images in ant, owl.", "directory = '.*/photographs'"
)
def classes_one_folder_deeper(folder):
    classes(folder, "photographs/ant/N.png", "photographs/owl/N.png", "photographs/N.png")


@pytest.mark.parametrize("function, pattern", refused)
def test_folders_that_are_no_classes_are_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


@pytest.mark.parametrize(
    "paths, said",
    [
        (
            ["plants/fern/N.png", "plants/moss/N.png", "ant/N.png", "ant/N.png"],
            "All images of plants lie in subfolders",
        ),
        (["2019/N.png", "2019/N.png", "2020/N.png", "2020/N.png"], "2019, 2020 look like dates"),
        (["2019-07/N.png", "2019-08/N.png"], "2019-07, 2019-08 look like dates"),
        (["Dog/N.png", "dog/N.png", "cat/N.png"], "Dog, dog differ only in case"),
        (["cat /N.png", "cat /N.png", "cat/N.png"], "cat, cat  differ only in case, spaces"),
        (["cat/N.png", "cat/N.png", "dog/N.png"], "dog have a single image"),
        (["train/N.png", "test/N.png", "cat/N.png"], "test, train look like parts of a data set"),
    ],
)
def test_odd_classes_are_told_with_their_numbers(paths, said, tmp_path, caplog):
    classes(tmp_path, *paths)
    [record] = caplog.records
    numbers = [path.split("/")[0] for path in paths]
    assert said in record.getMessage()
    assert f"is read as {len(set(numbers))} classes" in record.getMessage()
    assert f"{numbers[0]} ({numbers.count(numbers[0])} image" in record.getMessage()


def test_usual_classes_are_not_worth_a_word_and_empty_ones_are(tmp_path, caplog):
    for name in ("0/a.png", "0/b.png", "1/deep/a.png", "1/b.png"):
        save(tmp_path / name)
    assert load(tmp_path, labelled=True).class_names == ("0", "1") and not caplog.text
    (tmp_path / "2").mkdir()
    load(tmp_path, labelled=True)
    assert "2 have no images, so they are not classes" in caplog.text


def test_label_maps_among_unlabelled_images_are_told(tmp_path, caplog):
    save(tmp_path / "images" / "a.png")
    save(tmp_path / "masks" / "a.png")
    assert ImageFolder(str(tmp_path), 8).load().size == 2
    assert "masks (1 image) seem to be label maps" in caplog.text
