"""Worker 0, which writes and to which all others report, may die like any other."""

import json
import os
import subprocess
import sys

from tests import chaos

CHIEF_DIES = """
import os
from infomin_tf import strategies, workers
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


def test_the_others_say_so_and_leave():
    cluster = {"worker": [f"localhost:{port}" for port in chaos.free_ports(2)]}
    started = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": cluster, "task": task})
        environment = os.environ | {"TF_CONFIG": config, "PYTHONPATH": str(chaos.ROOT)}
        command = [sys.executable, "-c", CHIEF_DIES]
        started.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        )
    chief, other = started
    _, said = other.communicate(timeout=240)
    assert other.returncode == 1 and "error: another worker is lost" in said, said
    chief.communicate()
    assert chief.returncode == 9
