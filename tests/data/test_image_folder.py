"""A person's own images: odd files, class folders, divisions."""

import numpy as np
import pytest
from PIL import Image

from infomin_tf.data import pipeline
from infomin_tf.data.image_folder import ImageFolder, read_image
from infomin_tf.errors import UserError

RED = (200, 30, 40)


def save(path, mode="RGB", size=(30, 20), color=RED, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, color)
    image = image.quantize() if mode == "P" else image.convert(mode)
    image.save(path, **options)


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


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1", "I;16"])
def test_other_kinds_of_pixels_become_rgb(tmp_path, mode):
    grey = (120, 120, 120)
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    if mode == "I;16":
        Image.fromarray(np.full((20, 30), 120 * 257, np.uint16)).save(path)
    else:
        save(path, mode, color=(255, 255, 255) if mode == "1" else grey)
    expected = 255 if mode == "1" else 120
    image = read_image(str(path), 8)
    assert image.shape == (8, 8, 3) and image.dtype == np.uint8
    assert np.abs(image.astype(int) - expected).max() <= 2


def test_exif_rotation_is_applied(tmp_path):
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:10] = 255  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    image = read_image(str(tmp_path / "turned.png"), 20)
    assert image[:, 15:].min() == 255 and image[:, :5].max() == 0


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


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        ImageFolder(str(tmp_path / "none")).load()
    with pytest.raises(UserError, match="has no images"):
        ImageFolder(str(tmp_path)).load()
    with pytest.raises(UserError, match="none of all, train, test"):
        ImageFolder(str(tmp_path), split="valid")
