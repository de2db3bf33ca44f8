"""A person's own images: odd files, class folders, divisions."""

import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.data import pipeline
from infomin_tf.data.image_files import read_image
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.errors import UserError

RED = (200, 30, 40)


def save(path, size=(30, 20), color=RED):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def test_unlabelled_images_at_any_depth_in_the_order_of_paths(tmp_path):
    for index, name in enumerate(["a.png", "deep/er/b.png", "z.jpg", "déjà vu.png"]):
        save(tmp_path / name, color=(50 * index, 0, 0))
    (tmp_path / "notes.txt").write_text("no image")
    images = ImageFolder(str(tmp_path), image_size=8).load()
    assert images.size == 4 and images.image_shape == (8, 8, 3) and images.class_names == ()
    assert np.all(images.labels.numpy() == -1)
    np.testing.assert_array_equal(images.images[:3, 4, 4, 0], [0, 50, 150])


def test_class_folders_are_labels_in_alphabetical_order(tmp_path):
    for name in ("dog/1.png", "cat/x/2.png", "dog/3.png"):
        save(tmp_path / name)
    images = ImageFolder(str(tmp_path), 8, labelled=True).load()
    assert images.class_names == ("cat", "dog")
    np.testing.assert_array_equal(images.labels, [0, 1, 1])
    save(tmp_path / "stray.png")
    with pytest.raises(UserError, match="stray.png lies outside the class folders"):
        ImageFolder(str(tmp_path), 8, labelled=True).load()


def test_division_is_complete_disjoint_and_stable(tmp_path):
    for index in range(60):
        save(tmp_path / f"{index}.png", size=(4, 4), color=(index, 0, 0))
    parts = {s: ImageFolder(str(tmp_path), 4, split=s).load() for s in ("train", "test")}
    values = {s: set(images.images[:, 0, 0, 0].numpy()) for s, images in parts.items()}
    assert (
        values["train"] | values["test"] == set(range(60)) and not values["train"] & values["test"]
    )
    save(tmp_path / "new.png", size=(4, 4), color=(99, 0, 0))
    again = set(ImageFolder(str(tmp_path), 4, split="test").load().images[:, 0, 0, 0].numpy())
    assert again - {99} == values["test"]


@pytest.mark.parametrize(
    "pixels, expected",
    [
        (np.full((8, 8), 200, np.uint16), 1),  # a dark image stays dark
        (np.full((8, 8), 51400, np.int32), 200),
        (np.full((8, 8), 0.5, np.float32), 128),
        (np.full((8, 8), 90.0, np.float32), 90),
    ],
)
def test_the_scale_of_deep_images(tmp_path, pixels, expected):
    Image.fromarray(pixels).save(tmp_path / "deep.tiff")
    assert np.all(read_image(str(tmp_path / "deep.tiff"), 8) == expected)


@pytest.mark.parametrize("limit", [4.0, 1e-9])
def test_corrupt_images_are_named_and_only_fatal_when_many(tmp_path, limit, caplog):
    for index in range(9):
        save(tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "0.png").read_bytes()[:50])
    with pytest.raises(UserError, match="1 of 10 images.*\n.*broken.png"):
        ImageFolder(str(tmp_path), 8, memory_limit_gib=limit).load()
    folder = ImageFolder(str(tmp_path), 8, max_corrupt_share=0.2, memory_limit_gib=limit)
    images = folder.load()
    assert images.size == 9 and "broken.png" in caplog.text
    counted = sum(len(x) for x, _ in pipeline.evaluation_batches(images, 4))
    assert counted == 9


def test_streamed_images_equal_those_in_memory(tmp_path):
    for index, name in enumerate(
        [b"b/1.png", b"a/caf\xe9.png", b"a/2.png"]
    ):  # one name is not UTF-8
        save(tmp_path / os.fsdecode(name), color=(60 * index, 9, 9))
    (tmp_path / "a" / "broken.png").write_bytes(b"none")
    memory, stream = (
        ImageFolder(str(tmp_path), 8, True, max_corrupt_share=0.5, memory_limit_gib=limit).load()
        for limit in (1.0, 0.0)
    )
    assert type(memory) is not type(stream)
    pairs = zip(*[pipeline.evaluation_batches(x, 3) for x in (memory, stream)], strict=True)
    for (x, y), (again_x, again_y) in pairs:
        np.testing.assert_array_equal(y, [0, 0, 1])
        np.testing.assert_array_equal(y, again_y)
        np.testing.assert_array_equal(x, again_x)


def test_streamed_files_of_any_kind_give_their_whole_image(tmp_path):
    """JPEGs as they are, others as an upright RGB PNG: crops come from the whole photograph."""
    pixels = np.zeros((30, 20, 3), np.uint8)
    pixels[:, :5] = 200
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(pixels).save(tmp_path / "b.jpg", quality=95, exif=turned)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "c.png")
    images = ImageFolder(str(tmp_path), 8, memory_limit_gib=0.0).load()
    assert images.encoded is not None
    expected = [pixels, np.rot90(pixels, -1), pixels]
    for (encoded, label), whole in zip(images.records().map(images.encoded), expected, strict=True):
        decoded = tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
        assert decoded.shape == whole.shape and label == -1
        assert np.abs(decoded.astype(int) - whole).max() <= 16  # ringing of JPEG


def labelled_by_file(tmp_path, text):
    for name in ("a.png", "deep/b.png", "c.png", "d.png"):
        save(tmp_path / "images" / name)
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    return ImageFolder(str(tmp_path / "images"), 8, labels_file=str(tmp_path / "labels.csv"))


def test_a_csv_file_labels_images_and_leaves_others_out(tmp_path):
    text = "label,file,note\nowl,c.png,x\nant,./deep/b.png,y\nowl,a.png,z\n,d.png,\n"
    images = labelled_by_file(tmp_path, text).load()
    assert images.class_names == ("ant", "owl")
    np.testing.assert_array_equal(images.labels, [1, 1, 0])  # a, c, deep/b


def test_a_limit_takes_the_same_images_of_each_split_when_others_are_added(tmp_path):
    for index in range(60):
        save(tmp_path / f"{index}.png", size=(4, 4), color=(index, 0, 0))

    def values(**arguments):
        return set(ImageFolder(str(tmp_path), 4, **arguments).load().images[:, 0, 0, 0].numpy())

    few = values(split="train", limit=10)
    assert len(few) == 10 and few < values(split="train")
    assert few < values(split="train", limit=20)
