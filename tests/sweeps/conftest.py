"""Sweeps of these tests run a program that takes no time."""

import pytest

from infomin_tf.sweeps import runner
from tests.sweeps.fake_train import FAKE_TRAIN


@pytest.fixture(autouse=True)
def fake_runs(monkeypatch):
    monkeypatch.setattr(runner, "_TRAIN", FAKE_TRAIN)
