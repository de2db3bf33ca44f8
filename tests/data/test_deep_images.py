"""Images beyond 8 bits: one white for a whole folder, and a word where it is a guess."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.data import inspection, pipeline
from infomin_tf.data.image_files import read_image
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.label_maps import SegmentationFolder
from infomin_tf.data.sets import Data
from infomin_tf.errors import UserError
from tests.bad_inputs.pictures import encoded, png


def flat(folder, *values, dtype, names=("a", "b", "c", "d"), kind="tiff"):
    """Writes pictures of one value each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, values, strict=False):
        Image.fromarray(np.full((8, 8), value, dtype)).save(folder / f"{name}.{kind}")


def levels(folder, **arguments):
    """The first pixel of each picture."""
    return ImageFolder(str(folder), 8, **arguments).load().images[:, 0, 0, 0].numpy().tolist()


@pytest.mark.parametrize(
    "dtype, values, expected, said",
    [
        (np.float32, (0.5, 1.0, 1.001), (128, 255, 255), ""),
        (np.float32, (0.5, 1.0, 1.1), (128, 255, 255), ""),
        (np.float32, (51.0, 255.0, 260.0), (51, 255, 255), ""),
        (np.float32, (-1.0, 0.0, 1.0), (0, 128, 255), "-1 is taken for black and 1 for white"),
        (np.float32, (-0.01, 0.2, 1.0), (0, 51, 255), "1 of them use less than a sixteenth"),
        (np.float32, (-3.0, 0.0, 2.0), (32, 128, 191), "-4 is taken for black and 4 for white"),
        (np.float32, (1.0, 2.0, 4.0), (64, 128, 255), "0 is taken for black and 4 for white"),
        (np.int32, (125, 250, 200), (125, 250, 200), ""),
        (np.int32, (125, 260, 200), (125, 255, 200), ""),
        (np.int32, (-1023, 0, 1000), (0, 128, 252), "-1023 is taken for black and 1023 for white"),
        (np.int32, (0, 2**20 - 1, 2**19), (0, 255, 128), "1.04858e+06 for white"),
        (np.uint16, (819, 2457, 4095), (51, 153, 255), "0 is taken for black and 4095 for white"),
        (np.uint16, (257, 2570, 51400), (1, 10, 200), "2 of them use less than a sixteenth"),
        (np.uint16, (13107, 26214, 65535), (51, 102, 255), ""),
    ],
)
def test_one_white_for_the_whole_folder(dtype, values, expected, said, tmp_path, caplog):
    flat(tmp_path, *values, dtype=dtype)
    assert levels(tmp_path) == list(expected)
    assert caplog.text.count("bind ImageFolder.white") == bool(said) and said in caplog.text


def test_a_ramp_keeps_its_levels(tmp_path):
    ramp = np.tile(np.linspace(0, 1.001, 256, dtype=np.float32), (8, 1))
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    image = ImageFolder(str(tmp_path), 8).load()
    Image.fromarray(ramp[:, :8]).save(tmp_path / "dark.tif")
    assert np.unique(image.images).size > 5 and abs(image.images.numpy().mean() - 128) < 8
    assert ImageFolder(str(tmp_path), 8).load().images[1].numpy().max() < 10


@pytest.mark.parametrize(
    "values, dtype, expected",
    [
        ((2**31, 2**32 - 1), np.uint32, [128, 255]),
        ((-1000, 1000), np.int16, [3, 252]),
        ((-128, 127), np.int8, [0, 255]),
        ((-32768, 32767), np.int16, [0, 255]),
        ((-400, 400), np.int16, [28, 227]),
    ],
)
def test_tiffs_say_whether_their_numbers_are_signed(values, dtype, expected, tmp_path):
    """Pillow writes and holds them as other types, int32, uint16 and uint8."""
    other = {np.uint32: np.int32, np.int16: np.uint16, np.int8: np.uint8}[dtype]
    for name, value in zip("ab", values, strict=True):
        pixels = Image.fromarray(np.full((8, 8), value, dtype).view(other))
        data = encoded(pixels, "TIFF", tiffinfo={} if dtype == np.uint32 else {339: 2})
        entries = [struct.pack("<HHIHH", 339, 3, 1, form, 0) for form in (2, 1)]
        (tmp_path / f"{name}.tif").write_bytes(
            data.replace(*entries) if dtype == np.uint32 else data
        )
    assert levels(tmp_path) == expected


def test_the_white_is_that_of_all_splits_and_whatever_is_read(tmp_path):
    """A part of a folder, streamed, cropped out of the file, or read alone with its scales."""
    flat(tmp_path / "owl", 819, 2457, dtype=np.uint16, kind="png")
    flat(tmp_path / "ant", 4095, dtype=np.uint16, kind="png")
    flat(tmp_path / "ant", 0.5, dtype=np.float32, names="f")
    expected = [255, 128, 51, 153]
    assert levels(tmp_path) == expected and levels(tmp_path, labelled=True) == expected
    assert levels(tmp_path, limit=1)[0] in expected
    streamed = ImageFolder(str(tmp_path), 8, memory_limit_gib=0.0).load()
    [(pixels, _)] = pipeline.evaluation_batches(streamed, 4)
    assert pixels[:, 0, 0, 0].numpy().tolist() == expected
    files = streamed.records().map(streamed.encoded)
    assert [int(tf.io.decode_image(file)[0, 0, 0]) for file, _ in files] == expected
    assert "(values 0 to 1 and 0 to 4095)" in streamed.name


def test_a_white_that_is_bound(tmp_path, caplog):
    flat(tmp_path, 1000, 2000, 3000, dtype=np.uint16)
    assert levels(tmp_path, white=2000.0) == [128, 255, 255] and not caplog.text
    assert levels(tmp_path, white=60000.0) == [4, 8, 13]
    assert "3 of them use less than a sixteenth of the range of 0 to 60000" in caplog.text
    with pytest.raises(UserError, match="white must be a pixel value above 0, not 0"):
        ImageFolder(str(tmp_path), 8, white=0)


@pytest.mark.parametrize("gib", [1.0, 0.0])
def test_folders_to_train_and_to_test_on_that_are_scaled_unlike_are_told(gib, tmp_path, caplog):
    flat(tmp_path / "train", 100, 4095, dtype=np.uint16)
    flat(tmp_path / "test", 100, 900, dtype=np.uint16)
    for white, said in ((None, 1), (4095.0, 0)):
        parts = [
            ImageFolder(str(tmp_path / part), 8, memory_limit_gib=gib, white=white)
            for part in ("train", "train", "test")
        ]
        caplog.clear()
        inspection.warn(*Data(*parts, limit=2).load(None))
        fixes = [r.getMessage() for r in caplog.records if "for all" in r.getMessage()]
        assert len(fixes) == said and all("white = 4095" in fix for fix in fixes)


def test_a_file_that_is_written_anew_is_looked_at_anew(tmp_path):
    flat(tmp_path, 1000, dtype=np.uint16)
    assert levels(tmp_path) == [249]
    flat(tmp_path, 40000, dtype=np.uint16)
    assert levels(tmp_path) == [156]


def test_pictures_to_be_segmented_share_their_white(tmp_path):
    flat(tmp_path / "images", 819, 4095, dtype=np.uint16)
    flat(tmp_path / "maps", 0, 1, dtype=np.uint8, kind="png")
    loaded = SegmentationFolder(str(tmp_path / "images"), str(tmp_path / "maps"), (8, 8)).load()
    assert loaded.images[:, 0, 0, 0].tolist() == [51, 255]


def test_dark_colours_of_16_bits_are_told(tmp_path, caplog):
    rows = np.full((16, 16 * 3), 4000, ">u2")
    (tmp_path / "a.png").write_bytes(
        png(b"".join(b"\0" + row.tobytes() for row in rows), depth=16, color=2)
    )
    assert levels(tmp_path) == [15]
    assert "1 of 1 colour images of 16 bits" in caplog.text


def test_nan_is_black_also_where_black_is_not_0(tmp_path):
    pixels = np.full((8, 8), np.nan, np.float32)
    pixels[4:] = -1.0
    pixels[:, 4:] = np.inf
    pixels[0, 0] = -np.inf
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    flat(tmp_path, 1.0, 0.0, dtype=np.float32, names="bc")
    image = read_image(str(tmp_path / "a.tif"), 8)
    assert image[:, :4].max() == 0 and image[:, 4:].min() == 255
    assert levels(tmp_path) == [0, 255, 128]
