"""Sweeps on several machines, which share a folder and nothing else."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

from infomin_tf.sweeps import runner
from tests.sweeps.fake_train import FAKE_TRAIN, runs, sweep_over

ROOT = pathlib.Path(__file__).parents[2]

# A sweep on a machine whose file system has no locks, where a run takes a moment.
WITHOUT_LOCKS = """
import errno, fcntl, sys
from infomin_tf.sweeps import runner
from infomin_tf.sweeps.sweep import Axis, Sweep
def refuse(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = refuse
runner._TRAIN, runner._REFRESH_SECONDS = "import time; time.sleep(0.3)" + sys.argv[2], 0.1
values = (1.0, 2.0, 4.0, 5.0, 6.0, 7.0)
made = runner.Runner(Sweep(["base.gin"], [Axis("a.B.x", values)], seeds=(0,)), sys.argv[1], jobs=2)
assert made.run() == {} and all(map(made.is_finished, made.sweep.points()))
"""


def test_two_processes_that_share_only_a_folder_divide_the_points(tmp_path):
    command = [sys.executable, "-c", WITHOUT_LOCKS, str(tmp_path), FAKE_TRAIN]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(runs(tmp_path)) == [f"{x:.1f} 0" for x in (1, 2, 4, 5, 6, 7)]


def test_the_point_of_a_lost_machine_is_taken_over_and_that_of_a_live_one_awaited(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "_REFRESH_SECONDS", 0.1)
    made = runner.Runner(sweep_over(1.0, 2.0, seeds=(0,)), str(tmp_path))
    folders = [pathlib.Path(made.model_dir(point)) for point in made.sweep.points()]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "sweep.lease.0").write_text("process 1 on other (another machine)")
    os.utime(folders[0] / "sweep.lease.0", (0, 0))  # lost

    def finish():
        while not (tmp_path / "runs.txt").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        assert runs(tmp_path) == ["1.0 0"]  # the other point is awaited
        (folders[1] / "evaluate").mkdir()
        (folders[1] / "evaluate" / "results.json").write_text('{"measurements": []}')
        os.utime(folders[1] / "sweep.lease.0", (0, 0))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(finish)
        assert made.run() == {}
        other.result()
    assert runs(tmp_path) == ["1.0 0"]


def test_a_run_that_was_left_on_another_machine_is_awaited_without_a_lease(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_REFRESH_SECONDS", 0.05)
    made = runner.Runner(sweep_over(1.0, 2.0, seeds=(0,)), str(tmp_path))
    folder, _ = [pathlib.Path(made.model_dir(point)) for point in made.sweep.points()]
    folder.mkdir(parents=True)
    (folder / "run.lock").write_text("process 1 on other (another machine)")

    def finish():
        time.sleep(1)
        (folder / "evaluate").mkdir()
        (folder / "evaluate" / "results.json").write_text('{"measurements": []}')
        os.utime(folder / "run.lock", (0, 0))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(finish)
        assert made.run() == {}
        other.result()
    assert runs(tmp_path) == ["2.0 0"]
    assert len(list(folder.glob("sweep.lease.*"))) == 1  # of the look at what was finished
