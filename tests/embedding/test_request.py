"""Flags of bin/embed: slips are one message, without TensorFlow."""

import dataclasses
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from infomin_tf.command_line import options
from infomin_tf.embedding.request import Request

ROOT = pathlib.Path(__file__).parents[2]
STUB = "raise SystemExit(77)"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with images, a finished file of features by its name, and modules that are stubs."""
    place = tmp_path_factory.mktemp("here")
    for name in ("photos", "export", "stubs", "folder.npz", "empty"):
        (place / name).mkdir()
    Image.new("RGB", (9, 9)).save(place / "photos" / "a.png")
    for module in ("tensorflow", "keras"):
        (place / "stubs" / f"{module}.py").write_text(STUB)
    np.savez(
        place / "finished.npz", features=np.zeros((1, 2), np.float32), paths=np.array(["a.png"])
    )
    (place / "finished.npz.json").write_text(
        '{"arguments": {}, "place": {"folder": "photos"}, "images": 1, "export": "e"}'
    )
    (place / "odd.npz.json").write_text("[]")
    for name in ("bare", "odd"):
        (place / f"{name}.npz").write_bytes((place / "finished.npz").read_bytes())
    return place


def call(here, *flags):
    command = [sys.executable, str(ROOT / "bin" / "embed"), *flags]
    environment = {"PYTHONPATH": str(here / "stubs")}
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)


def test_help_shows_examples_and_our_flags_only(here):
    result = call(here, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert "bin/embed --export=" in result.stdout and "--neighbours=photos/a.jpg" in result.stdout
    shown = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  --")}
    names = {field.name for field in dataclasses.fields(Request)}
    assert shown == {f"--{name}" for name in names | {"help", "quiet"}}
    flags = options.define("embed")
    for field in dataclasses.fields(Request):
        assert flags[field.name].default == field.default


BOTH = "--export=export --images=photos"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("", "needs --out, a file that ends in .parquet, .npz or .csv"),
        (f"{BOTH} --out=a.h5", "--out=a.h5 must end in .parquet, .npz or .csv"),
        (f"{BOTH} --out=folder.npz", "--out=folder.npz is a folder"),
        (f"{BOTH} --out=photos/a.npz", "lies in --images=photos; use an --out elsewhere"),
        (f"{BOTH} --out=s3://a/b.npz", "--out=s3://a/b.npz is a URL"),
        (f"{BOTH} --tfds=stl10 --split=test --out=a.npz", "both given; leave out one"),
        ("--export=export --tfds=stl10 --out=a.npz", "--tfds and --split belong together"),
        ("--export=export --tfds=a --split=b --labels=c --out=a.npz", "--labels are those of"),
        ("--export=nowhere --images=photos --out=a.npz", "--export=nowhere does not exist"),
        ("--export=export --images=nowhere --out=a.npz", "--images=nowhere is not a folder"),
        (f"{BOTH} --labels=no.csv --out=a.npz", "--labels=no.csv is neither a folder nor a csv"),
        (f"{BOTH} --out=a.npz --neighbours=b.png", "--neighbours=b.png is no file"),
        (f"{BOTH} --out=a.npz --batch_size=0", "batch_size"),
        ("--images=photos --out=a.npz", "needs --export, and --images or --tfds"),
        ("--export=export --out=finished.npz", "needs --export, and --images or --tfds"),
        ("--out=a.npz --projector", "--out=a.npz is not finished"),
        ("--out=bare.npz --neighbours=photos/a.png", "or has no bare.npz.json next to it"),
        ("--out=odd.npz --projector", "odd.npz.json does not say what odd.npz is of; delete it"),
        (f"{BOTH} --out=a.npz rest", "unexpected argument 'rest'"),
        (f"{BOTH} --out=a.npz --gin_file=b.gin", "Unknown command line flag 'gin_file'"),
    ],
)
def test_wrong_arguments_are_one_message_without_tensorflow(here, arguments, message):
    result = call(here, *arguments.split())
    assert result.returncode == 2 and result.stdout == "" and "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ") and message in result.stderr
    assert not list(here.glob("a.npz*"))


@pytest.mark.parametrize(
    "arguments", [f"{BOTH} --out=a.npz", "--out=finished.npz --neighbours=a.png"]
)
def test_what_can_be_right_goes_on_to_tensorflow(here, arguments):
    assert call(here, *arguments.split()).returncode == 77


def test_without_pyarrow_parquet_is_one_message(here):
    (here / "stubs" / "pyarrow.py").write_text("raise ImportError('no pyarrow')")
    try:
        result = call(here, *BOTH.split(), "--out=a.parquet")
    finally:
        (here / "stubs" / "pyarrow.py").unlink()
    assert result.returncode == 2 and "pip install 'infomin_tf[embed]'" in result.stderr
