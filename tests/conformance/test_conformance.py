"""The conformance table: all learners and strategies equal one device, resumed runs unbroken ones.

A run that continues under another strategy ends as one that never changed; whole experiments give
the same numbers. Each row has processes of its own, as a process can hold the collectives of one
strategy only.
"""

import functools
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import infomin_tf
from infomin_tf.runs import results
from tests import worker_processes
from tests.conformance.learners import LEARNERS

pytestmark = pytest.mark.long  # learners have tests of their own with two replicas and XLA
ROOT = pathlib.Path(__file__).parents[2]
ALONE, WORKERS, BACK = "one device", "multi_worker, 2 processes", "one device, after 2 processes"
TWO, FOUR, COMPILED = "mirrored, 2 CPUs", "mirrored, 4 CPUs", "one device, XLA"
EVERYTHING = "learners,stages,ends"
# name -> (--strategy, replicas, workers, parts of the row, row whose checkpoints continue here)
ROWS = {
    ALONE: ("one_device", 1, 1, EVERYTHING, None),
    WORKERS: ("multi_worker", 2, 2, f"moved,{EVERYTHING}", ALONE),
    BACK: ("one_device", 1, 1, "moved", WORKERS),
    TWO: ("mirrored", 2, 1, f"moved,{EVERYTHING}", WORKERS),
    FOUR: ("mirrored", 4, 1, f"moved,{EVERYTHING}", TWO),
    COMPILED: ("one_device", 1, 1, "compiled", None),
}
STRATEGIES = [ALONE, WORKERS, TWO, FOUR]
MOVES = [name for name in ROWS if ROWS[name][4]]


@pytest.fixture(scope="module")
def row(tmp_path_factory):
    """function row -> folder of what its processes wrote; each is run once, a broken one, too."""

    @functools.cache
    def outcome(name):
        """(folder, what broke)."""
        strategy, replicas, processes, parts, other = ROWS[name]
        folder = tmp_path_factory.mktemp(strategy)
        arguments = [strategy, str(replicas), folder, parts, *([run(other)] if other else [])]
        started = start(arguments, processes, folder)
        with worker_processes.none_left(started):
            for index, process in enumerate(started):
                try:
                    status = process.wait(timeout=3600)
                except subprocess.TimeoutExpired as error:
                    return folder, f"{name}: {error}"
                died = processes > 1 and index == processes - 1
                if status != (9 if died else 0):
                    log = (folder / f"log_{index}.txt").read_text()
                    return folder, f"{name}, process {index}, status {status}:\n{log[-3000:]}"
        return folder, ""

    def run(name):
        folder, broken = outcome(name)
        assert not broken, broken
        return folder

    return run


def start(arguments, processes, folder):
    """Starts the processes of one row."""
    started = []
    for index, environment in enumerate(worker_processes.environments(processes)):
        environment |= {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "tests.conformance.row", *arguments]
        with open(folder / f"log_{index}.txt", "w") as log:
            started.append(
                subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
            )
    return started


def weights(folder, learner, kind, process=0):
    with np.load(folder / f"{learner} {kind} {process}.npz") as file:
        return [file[name] for name in file.files]


def assert_close(alone, other):
    for a, b in zip(alone, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(learner, strategy, row):
    folder = row(strategy)
    unbroken, resumed = (weights(folder, learner, kind) for kind in ("unbroken", "resumed"))
    for a, b in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
@pytest.mark.parametrize("learner", LEARNERS)
def test_steps_equal_those_of_one_device_on_the_same_global_batches(learner, strategy, row):
    """Weights, statistics of batch normalisation, queues, pointers, banks, optimizers' state."""
    assert_close(*(weights(row(which), learner, "unbroken") for which in (ALONE, strategy)))


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_run_goes_on_under_another_strategy(learner, name, row):
    """From the same bits to the end that it would have had."""
    there, here = row(ROWS[name][4]), row(name)
    saved, found = (
        weights(folder, learner, f"{kind}, at the stop")
        for folder, kind in ((there, "resumed"), (here, "moved"))
    )
    for a, b in zip(saved, found, strict=True):
        np.testing.assert_array_equal(a, b)
    assert_close(weights(row(ALONE), learner, "unbroken"), weights(here, learner, "moved"))


@pytest.mark.parametrize("learner", LEARNERS)
def test_steps_under_xla_equal_those_of_the_graph(learner, row):
    compiled = weights(row(COMPILED), learner, "compiled")
    assert_close(weights(row(ALONE), learner, "unbroken"), compiled)


@pytest.mark.parametrize("learner", LEARNERS)
def test_shapes_are_static_and_nothing_runs_on_the_host(learner, row):
    """What a TPU needs of a train step; on one device, as CPUs gather by an operation of no static
    shape, and TPUs do not.
    """
    assert (row(ALONE) / f"{learner} unfit 0.txt").read_text() == ""


@pytest.mark.parametrize("name", STRATEGIES[1:])
def test_an_experiment_gives_the_numbers_of_one_device(name, row):
    """Pre-training, I_NCE on held-out images, linear probe with its choice of rate, kNN, logistic
    regression, transfer, segmentation.
    """
    for stage in ("pretrain", "evaluate"):
        alone, here = (results.read(row(which) / "run" / stage) for which in (ALONE, name))
        assert here["steps"] == alone["steps"] and here["replicas"] == ROWS[name][1]
        for a, b in zip(alone["measurements"], here["measurements"], strict=True):
            assert a["key"] == b["key"]
            assert b["value"] == pytest.approx(a["value"], rel=1e-3, abs=1e-3), a["key"]
            if stage == "evaluate":  # which says the rate and the C that were chosen
                assert a["protocol"] == b["protocol"]


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("file", ["saved_model", "encoder.keras"])
def test_exports_are_those_of_one_device_and_written_once(file, name, row):
    written = [(row(name) / f"exports {p}.txt").read_text() for p in range(ROWS[name][2])]
    assert written == ["1"] + ["0"] * (len(written) - 1)
    images = np.random.default_rng(0).random((5, 30, 30, 3), np.float32)
    alone, here = (
        infomin_tf.load_encoder(row(which) / "run" / "export" / file)(images).numpy()
        for which in (ALONE, name)
    )
    assert here.std() > 0.01
    np.testing.assert_allclose(alone, here, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("learner", LEARNERS)
def test_workers_hold_the_same_bits(learner, row):
    first, second = (weights(row(WORKERS), learner, "unbroken", index) for index in (0, 1))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("learner", LEARNERS)
def test_training_changes_what_is_compared(learner, row):
    """Else the other tests of this file would say nothing. Counters of steps, which always change,
    do not count.
    """
    start_weights, trained = (weights(row(ALONE), learner, kind) for kind in ("start", "unbroken"))
    pairs = zip(start_weights, trained, strict=True)
    largest = max(np.abs(a - b).max() for a, b in pairs if a.ndim > 1)
    assert largest > 1e-3


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_process_that_is_asked_to_stop_saves_and_stops_all(strategy, row):
    for process in range(ROWS[strategy][2]):
        assert (row(strategy) / f"asked to stop {process}.txt").read_text() == "143 5"


def test_a_worker_that_dies_is_reported_by_the_others(row):
    said = (row(WORKERS) / "lost 0.txt").read_text()
    assert "another worker is lost" in said and "same command" in said
