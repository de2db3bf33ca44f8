"""Photographs of several kinds, and bin/embed in this process."""

import numpy as np
import pytest
from PIL import Image

from infomin_tf.embedding import command
from infomin_tf.embedding.request import Request

RNG = np.random.default_rng(0)


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes: six oblong photographs, upright and lying, and a damaged one."""
    folder = tmp_path / "photos"
    for number, (height, width) in enumerate(
        [(40, 60), (70, 50), (36, 36), (90, 41), (48, 96)] * 2
    ):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    (folder / "a" / "4.png").write_bytes(b"\x89PNG cut")
    return folder


@pytest.fixture
def embed(small_export):
    """Runs bin/embed with an export of resize 36 and views of 32 px, after the usual checks."""

    def run(**flags):
        request = Request(
            **{"export": str(small_export[1])} | {k: _text(v) for k, v in flags.items()}
        )
        request.check()
        command.run(request)
        return request

    return run


def _text(value):
    return value if value is None or isinstance(value, int) else str(value)


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of four images each."""
    monkeypatch.setattr("infomin_tf.embedding.parts.IMAGES", 4)
