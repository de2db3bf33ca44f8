"""Odd image files that must work, in memory and streamed, whole and cropped, with known pixels."""

import functools
import os
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.data import pipeline
from infomin_tf.data.image_folder import ImageFolder
from tests.bad_inputs import pictures as p
from tests.bad_inputs.pictures import GREY, QUADRANTS, SIDE, Picture

CASES = [
    Picture("png called jpg", "a.jpg", lambda: (p.encoded(QUADRANTS), QUADRANTS)),
    Picture("jpeg called png, upper case", "A.PNG", lambda: (p.jpeg(), QUADRANTS), 2),
    Picture("grey", "a.jpg", lambda: (p.jpeg(GREY), GREY), 2),
    Picture(
        "grey with alpha",
        "a.png",
        lambda: (p.encoded(np.dstack([GREY, p.alpha()])), p.on_black(GREY)[..., 0]),
        1,
    ),
    Picture(
        "palette",
        "a.png",
        lambda: (p.encoded(Image.fromarray(QUADRANTS).quantize(4)), QUADRANTS),
    ),
    Picture("palette with transparency", "a.png", p.palette_with_transparency),
    Picture("a colour that stands for none", "a.png", p.transparent_color),
    Picture(
        "alpha",
        "a.png",
        lambda: (p.encoded(np.dstack([QUADRANTS, p.alpha()])), p.on_black(QUADRANTS)),
        1,
    ),
    Picture("cmyk tiff", "a.tif", functools.partial(p.cmyk, "TIFF"), 2),
    Picture("cmyk jpeg", "a.jpg", functools.partial(p.cmyk, "JPEG", quality=98), 3),
    Picture("ycck jpeg", "a.jpg", p.ycck, 3),
    Picture("16-bit grey", "a.png", functools.partial(p.scaled, GREY, np.uint16, 257)),
    Picture("16-bit colour", "a.png", p.rgb_of_16_bits),
    Picture("16-bit, big end first", "a.tiff", p.big_endian),
    Picture("32-bit", "a.tiff", functools.partial(p.scaled, GREY, np.int32, 257)),
    Picture("float", "a.tiff", functools.partial(p.scaled, GREY, np.float32, 1 / 255)),
    Picture("float that is not finite", "a.tiff", p.not_finite),
    Picture(
        "one bit",
        "a.png",
        lambda: (p.encoded(Image.fromarray(GREY > 100)), np.where(GREY > 100, 255, 0)),
    ),
    Picture("one pixel", "a.png", functools.partial(p.of_shape, 1, 1)),
    Picture("one row", "a.png", functools.partial(p.of_shape, 1, 3000)),
    Picture("one column", "a.jpg", functools.partial(p.of_shape, 3000, 1, as_jpeg=True), 2),
    Picture(
        "24 million pixels", "a.jpg", functools.partial(p.of_shape, 4000, 6000, as_jpeg=True), 2
    ),
    *[Picture(f"exif {o}", "a.jpg", functools.partial(p.turned, o), 2) for o in range(2, 9)],
    Picture("exif that is damaged", "a.jpg", p.corrupt_exif, 2),
    Picture("exif and profile that are huge", "a.jpg", p.huge_metadata, 2),
    Picture("progressive", "a.jpg", lambda: (p.jpeg(progressive=True), QUADRANTS), 2),
    Picture("restart markers", "a.jpg", lambda: (p.jpeg(restart_marker_blocks=1), QUADRANTS), 2),
    Picture("end marker damaged", "a.jpg", p.without_end, 2),
    Picture("garbage after the end", "a.jpg", lambda: (p.jpeg() + bytes(500), QUADRANTS), 2),
    Picture("gif that moves", "a.gif", functools.partial(p.frames, "GIF")),
    Picture("webp that moves", "a.webp", functools.partial(p.frames, "WEBP", lossless=True)),
    Picture("tiff of several pages", "a.tif", functools.partial(p.frames, "TIFF")),
    *[
        Picture(f"named {case}", name, lambda: (p.jpeg(), QUADRANTS), 2)
        for case, name in {
            "not in ascii": "déjà 猫.jpg",
            "not in utf-8": b"caf\xe9.jpg",
            "with a line break": "two\nlines.jpg",
            "like a pattern": "[a-z]*?{x}.jpg",
            "like a format": "%s %d {}.jpg",
            "like an address": "gs:file.jpg",
            "at full length": 251 * "x" + ".jpg",
            "in upper case": "DSC1.JPEG",
        }.items()
    ],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All files, each in a folder of its own, in the order of the cases."""
    top = tmp_path_factory.mktemp("pictures")
    for number, case in enumerate(CASES):
        place = os.path.join(os.fsencode(top), b"%03d" % number)
        os.mkdir(place)
        with open(os.path.join(place, os.fsencode(case.name)), "wb") as file:
            file.write(case.make()[0])
    return str(top)


@pytest.fixture(scope="module")
def loaded(folder):
    """All images, in memory and streamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(EXIF|Truncated)", UserWarning)  # Pillow's own
        return [ImageFolder(folder, SIDE, memory_limit_gib=gib).load() for gib in (1.0, 0.0)]


@pytest.fixture(scope="module")
def read(loaded):
    """uint8 [2, cases, SIDE, SIDE, 3]: the pixels of both."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(EXIF|Truncated)", UserWarning)
        batches = [next(iter(pipeline.evaluation_batches(x, len(CASES)))) for x in loaded]
        return np.stack([pixels for pixels, _ in batches])


def whole(case):
    """Expected pixels, int [SIDE, SIDE, 3]."""
    expected = case.make()[1]
    return np.broadcast_to(expected.reshape(SIDE, SIDE, -1), (SIDE, SIDE, 3)).astype(int)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.case for case in CASES])
def test_odd_files_give_the_expected_pixels(number, read):
    case = CASES[number]
    for pixels in read[:, number]:
        assert np.abs(pixels - whole(case)).max() <= case.tolerance


def test_streamed_odd_files_are_whole_to_those_who_cut_crops_out_of_them(loaded):
    """TensorFlow decodes each, also in part, to the same picture: the mean tells, at any size."""
    files = loaded[1].records().map(loaded[1].encoded)
    for case, (file, _) in zip(CASES, files, strict=True):
        picture = tf.io.decode_image(file, channels=3, expand_animations=False).numpy()
        assert np.abs(picture.mean((0, 1)) - whole(case).mean((0, 1))).max() < 2, case.case
        if tf.io.is_jpeg(file):
            corner = tf.image.decode_and_crop_jpeg(file, [0, 0, 1, 1], channels=3)
            assert np.abs(corner - picture[:1, :1].astype(int)).max() < 3, case.case


@pytest.mark.parametrize("memory_limit_gib", [1.0, 0.0])
def test_garbage_among_the_pixels_of_a_jpeg_is_read_over(memory_limit_gib, tmp_path):
    """Nothing in the file tells of it: what comes before is right, what comes after is not."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = p.jpeg(noise)
    half = len(whole) // 2
    (tmp_path / "a.jpg").write_bytes(whole)
    (tmp_path / "b.jpg").write_bytes(whole[:half] + 20 * b"\x55" + whole[half + 20 :])
    images = ImageFolder(str(tmp_path), 64, memory_limit_gib=memory_limit_gib).load()
    [(pixels, _)] = pipeline.evaluation_batches(images, 2)
    np.testing.assert_array_equal(*pixels[:, :24])
    assert np.any(pixels[0] != pixels[1])
