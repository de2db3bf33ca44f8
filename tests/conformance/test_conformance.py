"""The conformance table: every learner under every strategy equals one device, and a resumed run an unbroken one.

Each strategy has processes of its own, as a process can hold the collectives of one strategy only.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests import chaos, small
from tests.conformance import learners
from tests.conformance.learners import LEARNERS

ROOT = pathlib.Path(__file__).parents[2]
ALONE, WORKERS = "one device", "multi_worker, 2 processes"
STRATEGIES = {  # name -> (--strategy, replicas, worker processes)
    ALONE: ("one_device", 1, 1),
    WORKERS: ("multi_worker", 2, 2),
    "mirrored, 2 CPUs": ("mirrored", 2, 1),
    "mirrored, 4 CPUs": ("mirrored", 4, 1),
}


@pytest.fixture(scope="module")
def row(tmp_path_factory):
    """function strategy -> folder of what its processes wrote; each strategy is run once."""

    @functools.cache
    def run(name):
        if name.startswith("mirrored") and "INFOMIN_CONFORMANCE" not in os.environ:
            pytest.skip(
                "takes minutes, and tests of learners have two replicas; set INFOMIN_CONFORMANCE=1, as CI does"
            )
        strategy, replicas, processes = STRATEGIES[name]
        folder = tmp_path_factory.mktemp(strategy)
        for index, process in enumerate(start(strategy, replicas, processes, folder)):
            status = process.wait(timeout=900)
            log = (folder / f"log_{index}.txt").read_text()
            died = processes > 1 and index == processes - 1
            assert status == (9 if died else 0), f"{name}, process {index}:\n{log[-3000:]}"
        return folder

    return run


def start(strategy, replicas, processes, folder):
    """Starts the processes of one strategy."""
    cluster = {"worker": [f"localhost:{port}" for port in chaos.free_ports(processes)]}
    started = []
    for index in range(processes):
        environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"CUDA_VISIBLE_DEVICES": ""}
        if processes > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        command = [sys.executable, "-m", "tests.conformance.row", strategy, str(replicas), folder]
        with open(folder / f"log_{index}.txt", "w") as log:
            started.append(
                subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
            )
    return started


def weights(folder, learner, kind, process=0):
    with np.load(folder / f"{learner} {kind} {process}.npz") as file:
        return [file[name] for name in file.files]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(learner, strategy, row):
    folder = row(strategy)
    unbroken, resumed = (weights(folder, learner, kind) for kind in ("unbroken", "resumed"))
    for a, b in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != ALONE])
@pytest.mark.parametrize("learner", LEARNERS)
def test_steps_equal_those_of_one_device_on_the_same_global_batches(learner, strategy, row):
    """Weights, statistics of batch normalisation, queues, pointers, banks and the optimizers' state."""
    alone = weights(row(ALONE), learner, "unbroken")
    for a, b in zip(alone, weights(row(strategy), learner, "unbroken"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("learner", LEARNERS)
def test_workers_hold_the_same_bits(learner, row):
    first, second = (weights(row(WORKERS), learner, "unbroken", index) for index in (0, 1))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("learner", LEARNERS)
def test_training_changes_what_is_compared(learner, row):
    """Else the other tests of this file would say nothing."""
    start_weights = small.weights(learners.task(learner, "unused", 3).learner)
    trained = weights(row(ALONE), learner, "unbroken")
    largest = max(np.abs(a - b).max() for a, b in zip(start_weights, trained, strict=True))
    assert largest > 1e-2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_process_that_is_asked_to_stop_saves_and_stops_all(strategy, row):
    for process in range(STRATEGIES[strategy][2]):
        assert (row(strategy) / f"asked to stop {process}.txt").read_text() == "143 5"


def test_a_worker_that_dies_is_reported_by_the_others(row):
    said = (row(WORKERS) / "lost 0.txt").read_text()
    assert "another worker is lost" in said and "same command" in said
