"""Worker 0, which writes and to which all others report, may die like any other."""

import pathlib
import subprocess
import sys

import pytest

from tests import worker_processes

ROOT = str(pathlib.Path(__file__).parents[2])
CHIEF_DIES = """
import os
from infomin_tf.distribution import strategies, workers
from infomin_tf.errors import UserError
try:
    with strategies.create_strategy("multi_worker").scope(), workers.clear_loss():
        workers.wait_for_all()
        if workers.is_chief():
            os._exit(9)
        workers.wait_for_all()
except UserError as error:
    raise SystemExit(f"error: {error}")
"""


@pytest.mark.long
def test_the_others_say_so_and_leave():
    command = [sys.executable, "-c", CHIEF_DIES]
    chief, other = (
        subprocess.Popen(
            command, env=environment | {"PYTHONPATH": ROOT}, stderr=subprocess.PIPE, text=True
        )
        for environment in worker_processes.environments(2)
    )
    with worker_processes.none_left([chief, other]):
        _, said = other.communicate()
        assert other.returncode == 1 and "error: another worker is lost" in said, said
        chief.communicate()
        assert chief.returncode == 9
