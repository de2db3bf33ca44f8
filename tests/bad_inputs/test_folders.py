"""Folders of own images that are not as they should be: trees, links, classes, tables of labels."""

import os

import numpy as np
import pytest
from PIL import Image

from infomin_tf.data.image_files import find_images
from infomin_tf.data.image_folder import ImageFolder
from tests.bad_inputs.cases import Refused, check_refused

refused = Refused()


def save(path, shape=(8, 8, 3), value=100, dtype=np.uint8):
    """An image of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, dtype)).save(path)


def load(folder, **arguments):
    return ImageFolder(str(folder), 8, **arguments).load()


def labelled_by(text, encoding="utf-8"):
    """A function of a folder that labels a.png, b/c.png and "é, 1.png" by a table."""

    def labelled(folder):
        for name in ("a.png", "b/c.png", "é, 1.png"):
            save(folder / "images" / name)
        (folder / "labels.csv").write_bytes(text.encode(encoding))
        return load(folder / "images", labels_file=str(folder / "labels.csv"))

    return labelled


@refused.by("none' is not a folder", "give one that holds images")
def missing(folder):
    load(folder / "none")


@refused.by("has no images; looked for .jpg", "give another folder")
def empty(folder):
    load(folder)


@refused.by("is not a folder", "give one that holds images")
def file_for_a_folder(folder):
    save(folder / "a.png")
    load(folder / "a.png")


@refused.by("has no images; looked for .jpg", "not hidden; give another folder")
def nothing_but_hidden_images(folder):
    save(folder / ".trash" / "a.png")
    save(folder / "._a.png")
    load(folder)


@refused.by(r"secret cannot be listed \(Permission denied\)", "make it readable")
def folder_that_may_not_be_listed(folder):
    save(folder / "a.png")
    (folder / "secret").mkdir()
    really_scan = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return really_scan(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", refuse)  # as root, no mode keeps a folder from being read
        load(folder)


@refused.by("stray.png lies outside the class folders", "put every image into DIRECTORY/class/")
def image_outside_of_the_classes(folder):
    save(folder / "ant" / "a.png")
    save(folder / "stray.png")
    load(folder, labelled=True)


@refused.by("none of the 1 images in .* is in the split 'test'", "another ImageFolder.test_share")
def nothing_to_test_on(folder):
    save(folder / "a.png")
    load(folder, split="test", test_share=0.0)


@refused.by("4 of 4 images .* cannot be read", "remove or fix them")
def nothing_that_can_be_read(folder):
    for index in range(4):
        (folder / f"{index}.png").touch()
    load(folder, max_corrupt_share=1.0)


@refused.by("columns name, class; its first line must be", "file,label")
def other_columns(folder):
    labelled_by("name,class\na.png,owl\n")(folder)


@refused.by("columns none; its first line must be", "file,label")
def empty_table(folder):
    labelled_by("")(folder)


@refused.by("has no labels", "write a line FILE,LABEL for each image")
def table_of_blank_labels(folder):
    labelled_by("file,label\na.png,\nb/c.png, \n")(folder)


@refused.by("cannot be read .*No such file", "give a csv file in UTF-8")
def table_that_is_not_there(folder):
    save(folder / "a.png")
    load(folder, labels_file=str(folder / "none.csv"))


@refused.by("cannot be read", "give a csv file in UTF-8")
def folder_for_a_table(folder):
    save(folder / "a.png")
    load(folder, labels_file=str(folder))


@refused.by("line 3: e.png is not an image under", "give paths relative to it")
def labelled_file_that_is_not_there(folder):
    labelled_by("file,label\na.png,owl\ne.png,owl\n")(folder)


@refused.by(r"line 2: \.\./out.png is not an image under", "give paths relative to it")
def labelled_file_outside(folder):
    save(folder / "out.png")
    labelled_by("file,label\n../out.png,owl\n")(folder)


@refused.by("line 5: a.png is labelled ant, but was owl", "above; remove one of them")
def two_labels_of_one_image(folder):
    labelled_by('file,label\n"a.png","owl"\n"b/c.png","or\nca"\na.png,ant\n')(folder)


@pytest.mark.parametrize("function, pattern", refused)
def test_folders_that_are_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


def test_links_are_followed_each_folder_once_and_loops_end(tmp_path):
    """As a person collects folders that lie elsewhere; own names come before those of links."""
    save(tmp_path / "pool" / "1.png")
    top = tmp_path / "photos"
    save(top / "zoo" / "2.png")
    (top / "a_link_to_zoo").symlink_to(top / "zoo")
    (top / "pool").symlink_to(tmp_path / "pool")
    (top / "pool_again").symlink_to(tmp_path / "pool")
    (tmp_path / "pool" / "back").symlink_to(top)
    (top / "zoo" / "up").symlink_to("..")
    (top / "above").symlink_to(tmp_path)
    (top / "round").symlink_to("round")
    assert find_images(str(top)) == ["pool/1.png", "zoo/2.png"]
    (tmp_path / "name").symlink_to(top)
    assert load(tmp_path / "name", labelled=True).class_names == ("pool", "zoo")


def test_classes_that_are_odd_but_right(tmp_path):
    """Nested, not in ASCII, with an empty one, which is no class."""
    for name in ("猫/deep/er/1.png", "müll/2.png", "with space/3.png"):
        save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    images = load(tmp_path, labelled=True)
    assert images.class_names == ("müll", "with space", "猫")
    np.testing.assert_array_equal(images.labels, [0, 1, 2])


def test_tables_that_are_odd_but_right(tmp_path):
    """A mark at the start, quoted comma and line break, repeated, blank rows, Windows line ends."""
    text = '\ufefffile,label\r\n"é, 1.png","or\r\nca"\r\n\r\n./a.png,owl\r\na.png,owl\r\n'
    images = labelled_by(text)(tmp_path)
    assert images.size == 2 and {name.split()[0] for name in images.class_names} == {"or", "owl"}
