"""The conformance table: every learner under every strategy equals one device, and a resumed run an unbroken one.

Each strategy has processes of its own, as a process can hold the collectives of one strategy only.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.conformance import learners

ROOT = pathlib.Path(__file__).parents[2]
STRATEGIES = {  # name -> (--strategy, replicas, worker processes)
    "one device": ("one_device", 1, 1),
    "mirrored, 2 CPUs": ("mirrored", 2, 1),
    "mirrored, 4 CPUs": ("mirrored", 4, 1),
    "multi_worker, 2 processes": ("multi_worker", 2, 2),
}
LEARNERS = sorted(learners.tasks())

pytestmark = pytest.mark.skipif(
    "INFOMIN_CONFORMANCE" not in os.environ,
    reason="takes five minutes; set INFOMIN_CONFORMANCE=1 to run the table",
)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(strategy, replicas, processes, out):
    """Starts the processes of one strategy."""
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(processes)]}
    started = []
    for index in range(processes):
        environment = os.environ | {"WORKER": str(index), "TF_ENABLE_ONEDNN_OPTS": "1"}
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        if processes > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        command = [sys.executable, "-m", "tests.conformance.learners", strategy, str(replicas), out]
        with open(os.path.join(out, f"log_{index}.txt"), "w") as log:
            started.append(
                subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
            )
    return started


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """dict strategy -> folder with the weights of all learners."""
    found = {}
    for name, (strategy, replicas, processes) in STRATEGIES.items():
        folder = tmp_path_factory.mktemp(strategy)
        for index, process in enumerate(start(strategy, replicas, processes, str(folder))):
            status = process.wait(timeout=600)
            log = (folder / f"log_{index}.txt").read_text()
            assert status == 0, f"{name}, worker {index}:\n{log[-3000:]}"
        found[name] = folder
    return found


def weights(folder, learner, kind, worker=0):
    with np.load(folder / f"{learner}_{worker}.npz") as file:
        names = [name for name in file.files if name.startswith(kind)]
        return [file[name] for name in sorted(names, key=lambda name: int(name.split("_")[1]))]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(learner, strategy, folders):
    pairs = zip(
        weights(folders[strategy], learner, "unbroken"),
        weights(folders[strategy], learner, "resumed"),
        strict=True,
    )
    for unbroken, resumed in pairs:
        np.testing.assert_array_equal(unbroken, resumed)


@pytest.mark.parametrize("strategy", list(STRATEGIES)[1:])
@pytest.mark.parametrize("learner", LEARNERS)
def test_steps_equal_those_of_one_device_on_the_same_global_batches(learner, strategy, folders):
    """Weights, statistics of batch normalisation, queues, pointers, banks and the optimizers' state."""
    alone = weights(folders["one device"], learner, "unbroken")
    assert any(np.abs(weight).max() > 0 for weight in alone)
    for a, b in zip(alone, weights(folders[strategy], learner, "unbroken"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("learner", LEARNERS)
def test_workers_hold_the_same_bits(learner, folders):
    folder = folders["multi_worker, 2 processes"]
    pairs = zip(*(weights(folder, learner, "unbroken", worker) for worker in (0, 1)), strict=True)
    for first, second in pairs:
        np.testing.assert_array_equal(first, second)
