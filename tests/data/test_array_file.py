"""Images in .npy files: what is read, how it is divided, what is refused."""

import numpy as np
import pytest

from infomin_tf.data import buffers
from infomin_tf.data.array_file import ArrayFile
from infomin_tf.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 6, 5, 3), np.uint8)


@pytest.fixture
def saved(tmp_path):
    def save(name, array):
        np.save(tmp_path / name, array)
        return str(tmp_path / name)

    return save


def test_images_and_labels_are_those_of_the_arrays(saved):
    labels = np.array(["owl", "ant", "", "bee", "ant"] * 10)
    loaded = ArrayFile(saved("p.npy", PIXELS), saved("l.npy", labels)).load()
    assert loaded.name == "p:all" and loaded.class_names == ("ant", "bee", "owl")
    np.testing.assert_array_equal(loaded.images, PIXELS[labels != ""])
    np.testing.assert_array_equal(loaded.labels, [2, 0, 1, 0] * 10)
    numbers = ArrayFile(saved("p.npy", PIXELS), saved("n.npy", np.arange(50) % 3 - 1)).load()
    assert numbers.size == 33 and numbers.class_names == ("0", "1")
    assert ArrayFile(saved("p.npy", PIXELS)).load().known_labels().max() == -1


def test_grey_images_have_three_equal_channels(saved):
    loaded = ArrayFile(saved("g.npy", PIXELS[..., 0])).load()
    np.testing.assert_array_equal(loaded.images, np.stack([PIXELS[..., 0]] * 3, axis=-1))


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 0]], ids=["colour", "grey"])
def test_many_images_lie_in_a_file(saved, monkeypatch, pixels):
    path, labels = saved("p.npy", pixels), saved("l.npy", np.arange(50) % 3 - 1)
    expected = ArrayFile(path, labels).load().images
    monkeypatch.setattr(buffers, "_MOST_IN_MEMORY", 0)
    monkeypatch.setattr(buffers, "_COPIED_TOGETHER", 7 * 90)
    found = ArrayFile(path, labels).load().images
    assert isinstance(found, buffers.Stored)
    np.testing.assert_array_equal(found, expected)


def test_the_split_divides_and_is_stable_when_images_are_added(saved):
    def parts(pixels):
        path = saved(f"p{len(pixels)}.npy", pixels)
        return [ArrayFile(path, split=s, test_share=0.3).load().images for s in ("train", "test")]

    train, test = parts(PIXELS)
    assert len(train) + len(test) == 50 and 8 <= len(test) <= 22
    both = {image.tobytes() for part in (train, test) for image in np.array(part)}
    assert len(both) == 50
    fewer_train, fewer_test = parts(PIXELS[:30])
    np.testing.assert_array_equal(fewer_train, train[: len(fewer_train)])
    np.testing.assert_array_equal(fewer_test, test[: len(fewer_test)])


def test_what_is_no_array_of_images_is_refused(saved, tmp_path):
    (tmp_path / "text.npy").write_text("no array")
    np.savez(tmp_path / "two.npz", PIXELS, PIXELS)
    path = saved("p.npy", PIXELS)
    for arguments, message in (
        ((str(tmp_path / "none.npy"),), "is not a readable .npy file"),
        ((str(tmp_path / "text.npy"),), "is not a readable .npy file"),
        ((saved("f.npy", PIXELS / 255.0),), "holds float64 .* images must be uint8"),
        ((saved("w.npy", PIXELS[..., :2]),), "images must be uint8"),
        ((path, saved("s.npy", np.arange(49))), r"labels must be integers or strings \[50\]"),
        ((path, saved("r.npy", np.arange(50) / 2)), "labels must be integers or strings"),
        (
            (path, saved("m.npy", np.full(50, -1))),
            "none of the 50 images .* is labelled and in the split",
        ),
        ((str(tmp_path / "two.npz"),), "holds several arrays"),
        ((path, None, "valid"), "not one of all, train, test"),
    ):
        with pytest.raises(UserError, match=message):
            ArrayFile(*arguments).load()
