"""bin/embed: its features are those of the evaluation, of Python and of the SavedModel."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image, ImageOps

from infomin_tf import library
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.tfds_source import Tfds
from infomin_tf.embedding import about, feature_files, parts, pictures, reading
from infomin_tf.embedding.rows import join
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import extract
from infomin_tf.export import load_encoder
from infomin_tf.views.pairs import CenterCrop

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(0)
GOOD = ["a/0.png", "a/2.png", "a/6.png", "a/8.png", *(f"b/{n}.png" for n in (1, 3, 5, 7, 9))]


def read(path):
    return join(feature_files.read(str(path)))


def by_hand(path, side):
    """An image as Pillow gives it: its shorter side resized, its centre cut."""
    with Image.open(path) as image:
        square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
        return np.asarray(square)


@pytest.mark.parametrize("side", [None, 48])
def test_features_are_those_of_python_and_of_the_saved_model(side, photos, embed, small_export):
    out = photos.parent / "features.npz"
    embed(images=photos, out=out, image_size=side, batch_size=2)
    found = read(out)
    assert found.paths == GOOD and found.labels == [""] * 9
    python = library.embed(small_export[1], photos, image_size=side)
    assert python.paths == tuple(GOOD) and python.labels == ()
    np.testing.assert_allclose(found.features, python.features, rtol=1e-4, atol=1e-5)
    loaded = tf.saved_model.load(str(small_export[1] / "saved_model"))
    pixels = np.stack([by_hand(photos / path, side or 36) for path in GOOD])
    np.testing.assert_allclose(found.features, loaded.serve(pixels), rtol=1e-4, atol=1e-4)
    assert np.ptp(found.features, axis=0).max() > 0.01


def test_features_of_a_run_are_those_of_its_evaluation(photos, embed, small_export, tmp_path):
    """The side of the run's images, 48 px, is not that to which the encoder resizes them."""
    model, directory = small_export
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "export").symlink_to(directory)
    bound = "train/ImageFolder.image_size = 48\ntest/ImageFolder.image_size = 48\n"
    (tmp_path / "run" / "config.gin").write_text(f"{bound}Tfds.image_size = 40\n")
    images = ImageFolder(str(photos), 48, max_corrupt_share=0.2).load()
    expected, _ = extract(model.extractor, images, CenterCrop(36, 32))
    for number, export in enumerate(("run", "run/export")):
        embed(export=tmp_path / export, images=photos, out=tmp_path / f"{number}.csv")
        found = read(tmp_path / f"{number}.csv").features
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    with open(tmp_path / "run" / "config.gin", "a") as file:
        file.write("unlabelled/ImageFolder.image_size = 64\n")  # two sizes tell nothing
    embed(export=tmp_path / "run", images=photos, out=tmp_path / "other.csv")
    assert json.loads((tmp_path / "other.csv.json").read_text())["arguments"]["image_size"] == "36"


def test_deep_images_have_one_white_that_of_the_run_if_it_has_one(tmp_path, embed, small_export):
    (tmp_path / "deep").mkdir()
    values = RNG.integers(0, 4096, (3, 50, 40)).astype(np.uint16)
    values[0, 0, 0], values[1:] = 4095, values[1:] // 3
    for name, image in zip("abc", values, strict=True):
        Image.fromarray(image).save(tmp_path / "deep" / f"{name}.png")
    encoder = load_encoder(small_export[1])

    def expected(white):
        scaled = np.round(values * (255 / white)).clip(0, 255).astype(np.uint8)
        squares = [
            ImageOps.fit(Image.fromarray(image).convert("RGB"), (36, 36), Image.Resampling.BILINEAR)
            for image in scaled
        ]
        return encoder(np.stack([np.asarray(image) for image in squares]))

    def found(name, **flags):
        embed(images=tmp_path / "deep", out=tmp_path / name, **flags)
        return read(tmp_path / name).features

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "export").symlink_to(small_export[1])
    (tmp_path / "run" / "config.gin").write_text("a/ImageFolder.white = 3000.0\n")
    run = tmp_path / "run" / "export"
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(found("a.npz"), expected(4095), **close)
    np.testing.assert_allclose(found("b.npz", export=run), expected(3000), **close)
    np.testing.assert_allclose(found("c.npz", export=run, white=2000), expected(2000), **close)
    assert np.abs(expected(4095) - expected(3000)).max() > 1e-3
    python = library.embed(encoder, tmp_path / "deep", white=3000).features
    np.testing.assert_allclose(python, expected(3000), **close)
    with pytest.raises(UserError, match="holds features that differ in white"):
        found("a.npz", white=3000)


def test_labels_come_from_folders_or_from_a_table_that_may_miss_images(photos, embed, tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\na/0.png,cat\nb/9.png,dog\n")
    embed(images=photos, labels=photos, out=tmp_path / "a.parquet")
    embed(images=photos, labels=tmp_path / "labels.csv", out=tmp_path / "b.parquet")
    assert read(tmp_path / "a.parquet").labels == list("aaaabbbbb")
    assert read(tmp_path / "b.parquet").labels == ["cat", *[""] * 7, "dog"]
    export = embed(images=photos, out=tmp_path / "c.npz").export
    python = library.embed(export, photos, labels=photos)
    assert python.labels == tuple("aaaabbbbb") and len(python.features) == 9
    with pytest.raises(UserError, match="are another folder than the images"):
        embed(images=photos, labels=tmp_path, out=tmp_path / "d.npz")
    with pytest.raises(UserError, match="labels are those of a folder"):
        library.embed(export, np.zeros((2, 9, 9, 3), np.uint8), labels=photos)


def test_damaged_images_are_named_and_left_out_and_nothing_but_them_is_refused(
    photos, embed, tmp_path, caplog
):
    embed(images=photos, out=tmp_path / "a.npz")
    assert "1 of 10 images in" in caplog.text and "a/4.png" in caplog.text
    about = json.loads((tmp_path / "a.npz.json").read_text())
    assert about["images"] == 9 and ["a/4.png" in text for text in about["left_out"]] == [True]
    for path in photos.rglob("*.png"):
        path.write_bytes(b"cut")
    with pytest.raises(UserError, match="10 of 10 images in .* cannot be read"):
        embed(images=photos, out=tmp_path / "b.npz")
    assert not (tmp_path / "b.npz").exists()


@pytest.fixture
def data_dir(tmp_path):
    """A folder with a TFDS set, 24 px, of 9 + 4 images of two classes, prepared."""
    examples = [
        {"image": RNG.integers(0, 256, (24, 24, 3), np.uint8), "label": n % 2} for n in range(13)
    ]
    tfds.dataset_builders.AdhocBuilder(
        name="tiny",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(24, 24, 3)),
                "label": tfds.features.ClassLabel(names=["cat", "dog"]),
            }
        ),
        split_datasets={"train": enumerate(examples[:9]), "test": enumerate(examples[9:])},
        data_dir=str(tmp_path / "sets"),
    ).download_and_prepare()
    return tmp_path / "sets"


def test_a_set_of_tfds_has_its_own_size_labels_and_places(
    data_dir, embed, small_export, tmp_path, small_parts, monkeypatch
):
    monkeypatch.setattr(pictures, "_FEW", 2)
    flags = {"tfds": "tiny", "split": "train[3:]+test[:3]", "data_dir": data_dir}
    request = embed(**flags, out=tmp_path / "a.npz", projector=True, neighbours=None, batch_size=3)
    images = Tfds("tiny", flags["split"]).load(str(data_dir))
    expected, labels = extract(small_export[0].extractor, images, CenterCrop(36, 32))
    found = read(request.out)
    np.testing.assert_allclose(found.features, expected, rtol=1e-4, atol=1e-4)
    assert found.labels == [("cat", "dog")[label] for label in labels]
    assert found.paths == [f"train/{n}" for n in range(3, 9)] + [f"test/{n}" for n in range(3)]
    together = list(pictures.of_place(about.read(request.out)["place"]).read(found.paths, 24))
    monkeypatch.setattr(pictures, "_FEW", 100)
    alone = pictures.of_place(about.read(request.out)["place"]).read(found.paths[::-1], 24)
    for shown in (together, list(alone)[::-1]):
        np.testing.assert_array_equal(shown, images.images)
    Image.fromarray(images.images[7].numpy()).resize((72, 72), 0).save(tmp_path / "q.png")
    embed(export=None, out=request.out, neighbours=tmp_path / "q.png")
    page = (tmp_path / "a_neighbours_q.png.html").read_text()
    assert "1: 0.0" in page and page.index("test/1") < page.index("train/3")
    with pytest.raises(UserError, match="is not a split of tiny"):
        embed(**flags | {"split": "val"}, out=tmp_path / "b.npz")


def test_a_foreign_or_damaged_export_and_a_folder_without_images_are_one_message(
    photos, embed, tmp_path
):
    for name in ("export", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "export" / "encoder.keras").write_bytes(b"PK cut")
    cases = [
        ({"export": tmp_path / "export"}, "is damaged or is not an export of this package"),
        ({"export": photos}, "is neither a SavedModel nor a .keras file"),
        ({"images": tmp_path / "empty"}, "empty has no images; looked for .jpg"),
    ]
    for flags, message in cases:
        with pytest.raises(UserError, match=message):
            embed(**{"images": photos, "out": tmp_path / "a.npz"} | flags)
    assert not list(tmp_path.glob("a.npz*"))


class Killed(BaseException):
    """Stands for a kill, which no handler sees."""


@pytest.mark.parametrize("ending", [".parquet", ".npz", ".csv"])
def test_a_stopped_command_continues_to_the_same_bytes(
    ending, photos, embed, tmp_path, small_parts, monkeypatch
):
    """It is stopped in its second part, then between the file and what it is of."""
    flags = {"images": photos, "labels": photos, "batch_size": 3}
    embed(**flags, out=tmp_path / f"whole{ending}")
    out, written, opened = tmp_path / f"stopped{ending}", [], []

    def kill(*arguments, **_):
        raise Killed

    write = parts.Parts.write
    killing = lambda made, start, rows: kill() if start else write(made, start, rows)
    monkeypatch.setattr(parts.Parts, "write", killing)
    with pytest.raises(Killed):
        embed(**flags, out=out)
    assert not out.exists() and len(list(tmp_path.glob("*.unfinished/0*.npz"))) == 1
    monkeypatch.setattr(parts.Parts, "write", lambda *part: (written.append(part[1]), write(*part)))
    try_file = ImageFolder.try_file
    counted = lambda *arguments: (opened.append(arguments[1]), try_file(*arguments))[1]
    monkeypatch.setattr(ImageFolder, "try_file", counted)
    with monkeypatch.context() as context:
        context.setattr("infomin_tf.embedding.about.write", kill)
        with pytest.raises(Killed):
            embed(**flags, out=out)
    assert written == [4, 8] and len(opened) == 6 and out.exists()
    embed(**flags, out=out)
    assert written == [4, 8] and not list(tmp_path.glob("*.unfinished"))
    assert out.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    mine, whole = (
        json.loads((tmp_path / f"{n}{ending}.json").read_text()) for n in ("stopped", "whole")
    )
    assert mine == whole


def test_what_is_finished_is_skipped_and_what_differs_is_not_overwritten(
    photos, embed, tmp_path, capsys
):
    out = tmp_path / "features.npz"
    embed(images=photos, out=out)
    before = out.read_bytes()
    embed(images=photos, out=out, batch_size=5)
    assert "features.npz is finished: skipped" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds features that differ in labels; use another --out"):
        embed(images=photos, labels=photos, out=out)
    with pytest.raises(UserError, match="differ in image_size"):
        embed(images=photos, out=out, image_size=40)
    Image.new("RGB", (50, 50)).save(photos / "new.png")
    with pytest.raises(UserError, match="differ in images"):
        embed(images=photos, out=out)
    assert out.read_bytes() == before
    embed(images=photos, out=out, overwrite=True)
    assert read(out).paths == [*GOOD, "new.png"]
    (tmp_path / "features.npz.json").unlink()
    with pytest.raises(UserError, match="does not say of what"):
        embed(images=photos, out=out)


def test_unfinished_parts_of_other_arguments_and_a_second_process_are_one_message(
    photos, embed, tmp_path, small_parts
):
    out = str(tmp_path / "features.npz")
    made = parts.Parts(out, 10)
    with made.claimed({"encoder": "another"}, overwrite=False):
        made.write(0, join([]))
        with pytest.raises(
            UserError, match="another process is writing to .* or use another --out"
        ):
            embed(images=photos, out=out)
    with pytest.raises(UserError, match="unfinished features that differ in encoder, images"):
        embed(images=photos, out=out)
    embed(images=photos, out=out, overwrite=True)
    assert read(out).paths == GOOD


def test_a_full_disk_is_one_message_and_the_same_command_continues(
    photos, embed, tmp_path, full_disk
):
    out = tmp_path / "features.csv"
    with full_disk(), pytest.raises(UserError, match="cannot be written .*the same command"):
        embed(images=photos, out=out)
    assert not out.exists()
    embed(images=photos, out=out)
    assert len(read(out).paths) == 9


def test_no_more_than_two_batches_are_read_ahead(photos, monkeypatch):
    reader, opened = reading.FolderReader(str(photos), 8), []
    try_file = ImageFolder.try_file
    counted = lambda *arguments: (opened.append(arguments[1]), try_file(*arguments))[1]
    monkeypatch.setattr(ImageFolder, "try_file", counted)
    taken = 0
    for pixels, rows in reader.batches(1, 10, 2):
        taken += len(pixels) + len(rows.left_out)
        assert len(opened) <= taken + 2
    assert taken == 9 and sorted(opened) == sorted([*GOOD[1:], "a/4.png"])


@pytest.mark.long
def test_a_killed_process_continues_to_the_same_bytes(tmp_path, small_export):
    """Its cheaper sibling stops in this process."""
    (tmp_path / "many").mkdir()
    Image.fromarray(RNG.integers(0, 256, (60, 80, 3), np.uint8)).save(tmp_path / "one.jpg")
    for number in range(4 * parts.IMAGES):
        os.link(tmp_path / "one.jpg", tmp_path / "many" / f"{number}.jpg")
    command = [sys.executable, str(ROOT / "bin" / "embed"), f"--export={small_export[1]}"]
    command += [f"--images={tmp_path / 'many'}", "--quiet"]
    killed = subprocess.Popen([*command, f"--out={tmp_path / 'killed.parquet'}"], cwd=tmp_path)
    while not (tmp_path / "killed.parquet.unfinished" / "000000000.npz").exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed.parquet").exists()
    for name in ("killed", "whole"):
        subprocess.run([*command, f"--out={tmp_path / name}.parquet"], cwd=tmp_path, check=True)
    content = [(tmp_path / f"{name}.parquet").read_bytes() for name in ("killed", "whole")]
    assert content[0] == content[1]
    assert len(read(tmp_path / "whole.parquet").paths) == 4 * parts.IMAGES
