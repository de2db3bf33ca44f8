"""Bad inputs through the whole command, in the locale C: a warning, or one message and status 2."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.bad_inputs import pictures as p

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = "--gin_param=ImageFolder.directory = 'photos é'"


def odd_photos(place):
    """Ten good images, of odd names and behind a link, two bad ones and a hidden one."""
    top = os.path.join(os.fsencode(place), "photos é".encode())
    os.makedirs(os.path.join(top, b"sub"))
    names = [b"%d.jpg" % i for i in range(6)] + [b"caf\xe9.jpg", "猫.jpg".encode(), b"sub/a\nb.jpg"]
    for name in names:
        pathlib.Path(os.fsdecode(os.path.join(top, name))).write_bytes(p.jpeg())
    os.mkdir(os.path.join(os.fsencode(place), b"elsewhere"))
    (place / "elsewhere" / "linked.png").write_bytes(p.encoded(p.QUADRANTS))
    os.symlink("../elsewhere", os.path.join(top, b"link"))
    os.mkfifo(os.path.join(top, b"pipe.jpg"))
    pathlib.Path(os.fsdecode(os.path.join(top, b"cut\xff.jpg"))).write_bytes(p.jpeg()[:50])
    pathlib.Path(os.fsdecode(os.path.join(top, b"._0.jpg"))).write_bytes(b"\0")


def show_views(place):
    odd_photos(place)
    allowed = "--gin_param=ImageFolder.max_corrupt_share = 0.5"
    return ["show_views", "--gin_file=gin/folder_unsup_views.gin", FOLDER, allowed]


def train_on_damaged(place):
    odd_photos(place)
    return ["train", "--gin_file=gin/folder_unsup_views.gin", FOLDER, "--model_dir=run"]


CASES = (show_views, train_on_damaged)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Runs all cases side by side; dict name -> (folder, status, stdout, stderr)."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("LANG", "LC_", "PYTHON"))
    }
    environment |= {"LC_ALL": "C", "CUDA_VISIBLE_DEVICES": ""}
    started = {}
    for case in CASES:
        place = tmp_path_factory.mktemp(case.__name__)
        program, *flags = case(place)
        command = [sys.executable, str(ROOT / "bin" / program), *map(os.fsencode, flags)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=place, env=environment, **pipes)
        started[case.__name__] = place, process
    results = {}
    for name, (place, process) in started.items():
        out, err = (text.decode() for text in process.communicate())
        results[name] = place, process.returncode, out, err
    return results


def test_views_of_odd_photos_are_shown_and_the_bad_ones_named(finished):
    place, status, _, said = finished["show_views"]
    assert status == 0 and "Traceback" not in said, said
    assert "\nwarning: 2 of 12 images in photos é cannot be read" in f"\n{said}"
    assert "pipe.jpg (it is not a regular file" in said and "left out" in said
    with Image.open(place / "views.png") as picture:
        assert np.asarray(picture).std() > 10


def test_too_many_bad_ones_are_one_message_and_no_stage_is_begun(finished):
    place, status, out, said = finished["train_on_damaged"]
    assert status == 2 and out == "" and "Traceback" not in said, said
    assert said.count("error: ") == 1
    message = said.partition("error: ")[2]
    assert "2 of 12 images in photos é cannot be read" in message and "raise max_corrupt" in message
    assert {path.name for path in (place / "run").iterdir()} == {"config.gin", "run.lock"}
