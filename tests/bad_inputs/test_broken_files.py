"""Files that are no images: left out, counted and named, in memory as streamed.

What systems hide there is passed over.
"""

import os
import socket
import struct

import numpy as np
import pytest
from PIL import Image

from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.errors import UserError
from tests.bad_inputs import pictures as p
from tests.bad_inputs.pictures import GREY, QUADRANTS

GOOD = 3


def bad_checksum():
    """A PNG in whose pixels a bit has changed."""
    data = bytearray(p.encoded(QUADRANTS))
    data[data.index(b"IDAT") + 12] ^= 1
    return bytes(data)


def without_header():
    """A JPEG whose frame header is overwritten."""
    data = p.jpeg()
    place = data.index(b"\xff\xc0")
    return data[:place] + bytes(20) + data[place + 20 :]


CONTENTS = {
    "jpeg cut in the header": ("a.jpg", p.jpeg()[:40]),
    "jpeg cut in the pixels": ("a.jpg", p.jpeg()[:-30]),
    "progressive jpeg cut": ("a.jpg", p.jpeg(progressive=True)[:-30]),
    "jpeg without frame header": ("a.jpg", without_header()),
    "png cut": ("a.png", p.encoded(QUADRANTS)[:-30]),
    "png with a bad checksum": ("a.png", bad_checksum()),
    "png with too few pixels": ("a.png", p.png(bytes(40))),
    "gif cut": ("a.gif", p.encoded(GREY, "GIF")[:60]),
    "webp cut": ("a.webp", p.encoded(QUADRANTS, "WEBP")[:40]),
    "tiff that points nowhere": ("a.tif", b"II*\0" + struct.pack("<I", 9999)),
    "tiff whose pages are a circle": ("a.tif", b"II*\0" + struct.pack("<IHI", 8, 0, 8)),
    "bmp of no size": (
        "a.bmp",
        b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 0, 0, 1, 24) + bytes(24),
    ),
    "empty": ("a.jpg", b""),
    "text": ("a.jpg", b"to do: take this picture"),
    "web page": ("a.png", b"<!DOCTYPE html><title>404 Not Found</title>"),
    "zeros": ("a.jpg", bytes(5000)),
    "bomb": ("a.png", p.png(bytes(100), width=100_000, height=100_000)),
    "bomb of a bmp": (
        "a.bmp",
        b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 90_000, 90_000, 1, 24) + bytes(24),
    ),
    "named like a format": ("%s%d{}.jpg", b""),
    "named not in utf-8": (b"caf\xe9.jpg", b""),
}


def pipe(path):
    os.mkfifo(path)


def named_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)


def link_to_nowhere(path):
    os.symlink("nowhere.jpg", path)


def link_to_itself(path):
    os.symlink(os.path.basename(path), path)


@pytest.fixture
def with_good_files(tmp_path, monkeypatch):
    """A folder, the working directory, with three good files."""
    monkeypatch.chdir(tmp_path)
    for index in range(GOOD):
        Image.fromarray(QUADRANTS).save(f"good{index}.png")


def check_left_out(name, caplog):
    for gib in (1.0, 0.0):
        caplog.clear()
        images = ImageFolder(".", 16, max_corrupt_share=0.5, memory_limit_gib=gib).load()
        assert images.size == GOOD and len(images.sample(10)) == GOOD
        assert "1 of 4 images in . cannot be read" in caplog.text
        shown = os.fsencode(name).decode(errors="backslashreplace")
        assert shown in caplog.text and "left out" in caplog.text
    with pytest.raises(UserError, match="(?s)1 of 4.*remove or fix them, or raise max_corrupt"):
        ImageFolder(".", 16).load()


@pytest.mark.parametrize("case", CONTENTS)
def test_what_is_no_image_is_left_out_and_named(case, with_good_files, caplog):
    name, content = CONTENTS[case]
    with open(name, "wb") as file:
        file.write(content)
    check_left_out(name, caplog)
    assert ("decompression bomb" in caplog.text) == case.startswith("bomb")


@pytest.mark.parametrize("make", [pipe, named_socket, link_to_nowhere, link_to_itself])
def test_what_is_no_file_is_left_out_and_never_waited_for(make, with_good_files, caplog):
    make("odd.jpg")
    check_left_out("odd.jpg", caplog)


def test_a_file_that_may_not_be_read_is_left_out(with_good_files, caplog, monkeypatch):
    Image.fromarray(QUADRANTS).save("secret.png")
    really_open = Image.open

    def refuse(path, *arguments, **options):
        if "secret" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(Image, "open", refuse)  # as root, no mode keeps a file from being read
    check_left_out("secret.png", caplog)


@pytest.mark.parametrize(
    "path",
    ["._good0.png", ".DS_Store", "Thumbs.db", ".thumbnails/a.png", "__MACOSX/._a.jpg", "notes.txt"],
)
def test_what_systems_leave_beside_images_is_passed_over(path, with_good_files, caplog):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"\0\5\x16\7")
    assert ImageFolder(".", 16).load().size == GOOD and not caplog.text


def test_a_folder_named_like_an_image_is_a_folder(with_good_files, caplog):
    os.mkdir("album.jpg")
    Image.fromarray(GREY).save("album.jpg/grey.png")
    images = ImageFolder(".", 16).load()
    np.testing.assert_array_equal(images.images[0, ..., 1], GREY)
    assert images.size == GOOD + 1 and not caplog.text
