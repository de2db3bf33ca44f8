"""Sweeps: points, missing ones alone run, failures named."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from infomin_tf import progress
from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.sweeps import command, logs, runner
from infomin_tf.sweeps.sweep import Axis, BindingsAxis, FileAxis, Sweep
from tests.sweeps.fake_train import FAKE_TRAIN, runs, sweep_over

ROOT = pathlib.Path(__file__).parents[2]


def test_points_are_the_product_of_axes_and_seeds_first_seed_first():
    axes = [
        FileAxis(["gin/one.gin", "gin/two.gin"]),
        Axis("c.D.area", [(0.2, 1.0), "@c.E()"], labels=["0.2", "E"]),
    ]
    points = Sweep(["base.gin"], axes, gin_params=["e.F.g = 1"], seeds=(3, 4)).points()
    assert [(p.labels, p.seed) for p in points[:3]] == [
        (("one", "0.2"), 3),
        (("one", "E"), 3),
        (("two", "0.2"), 3),
    ]
    assert len(points) == 8 and points[4].seed == 4
    assert points[1].flags("D") == [
        "--gin_file=gin/one.gin",
        "--gin_file=base.gin",
        "--gin_param=e.F.g = 1",
        "--gin_param=c.D.area = @c.E()",
        "--seed=3",
        "--data_dir=D",
    ]
    assert points[0].gin_params[1] == "c.D.area = (0.2, 1.0)" and points[0].name == "one_0.2_seed3"


def test_combinations_may_be_left_out():
    axes = [Axis("a.B.x", (1, 2)), Axis("a.B.y", ("p", "q", "r"))]
    points = Sweep(["base.gin"], axes, left_out=[(2, "q"), ("1", "r")], seeds=(0, 1)).points()
    found = [point.labels for point in points if point.seed == 1]
    assert found == [("1", "p"), ("1", "q"), ("2", "p"), ("2", "r")] and len(points) == 8
    with pytest.raises(UserError, match=r"left_out has no such combinations: \[\('3', 'q'\)\]"):
        Sweep(["base.gin"], axes, left_out=[(3, "q")])
    with pytest.raises(
        UserError, match="each combination in Sweep.left_out must be a tuple, not 1"
    ):
        Sweep(["base.gin"], axes[:1], left_out=(1,))
    with pytest.raises(
        UserError, match="each combination in Sweep.left_out must be a tuple, not 'p'"
    ):
        Sweep(["base.gin"], axes, left_out=("p", "q"))
    with pytest.raises(UserError, match="leaves no combination"):
        Sweep(["base.gin"], axes[:1], left_out=[(1,), (2,)])


def test_sweeps_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="at least two values"):
        Axis("a.B.x", [1])
    with pytest.raises(UserError, match="as many labels"):
        Axis("a.B.x", [1, 2], labels=["one"])
    with pytest.raises(UserError, match=r"one folder \(1.0_seed0"):
        sweep_over(1.0, -1.0)
    with pytest.raises(UserError, match=r"y, off must be a tuple, not 'a.b = 0'"):
        BindingsAxis({"off": "a.b = 0", "on": ("a.b = 1",)}, "y")
    with pytest.raises(UserError, match=r"Sweep.seeds must be a tuple, not 3; write \(3,\)"):
        sweep_over(1.0, 2.0, seeds=3)
    with pytest.raises(UserError, match="one or two axes"):
        Sweep(["base.gin"], [])


@pytest.mark.parametrize("jobs", [1, 3])
def test_finished_points_are_not_repeated_and_a_failed_one_is_named(tmp_path, jobs):
    first = runner.Runner(sweep_over(1.0, 3.0), str(tmp_path), jobs=jobs)
    problems = first.run()
    assert [point.name for point in problems] == ["3.0_seed0", "3.0_seed1"]
    assert "loss became nan at step 7" in problems[first.sweep.points()[1]]
    assert sorted(runs(tmp_path)) == ["1.0 0", "1.0 1", "3.0 0", "3.0 1"]
    # A value more, and a repetition: only what has no results runs.
    second = runner.Runner(sweep_over(1.0, 3.0, 2.0), str(tmp_path), jobs=jobs)
    second.run()
    assert sorted(runs(tmp_path)[4:]) == ["2.0 0", "2.0 1", "3.0 0", "3.0 1"]


def test_points_do_not_take_files_of_the_working_directory_for_pythons_modules(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('mine')")
    assert runner.Runner(sweep_over(1.0, 2.0, seeds=(0,)), str(tmp_path / "out")).run() == {}


def test_a_point_of_other_settings_is_not_taken_for_finished(tmp_path):
    runner.Runner(sweep_over(1.0, 2.0), str(tmp_path)).run()
    other = Sweep(["other.gin"], [Axis("a.B.x", (1.0, 2.0))])
    with pytest.raises(UserError, match="use another --out"):
        runner.Runner(other, str(tmp_path)).run()


def test_a_point_of_changed_files_is_not_taken_for_finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.gin").write_text('include "inner.gin"\n')
    (tmp_path / "inner.gin").write_text("a.B.y = 1\n")
    runner.Runner(sweep_over(1.0, 2.0), str(tmp_path)).run()
    (tmp_path / "inner.gin").write_text("a.B.y = 2\n")
    with pytest.raises(
        UserError, match="other contents of base.gin or of files that these include"
    ):
        runner.Runner(sweep_over(1.0, 2.0), str(tmp_path)).run()


def test_a_point_of_views_that_were_learned_again_is_not_taken_for_finished(tmp_path):
    made = runner.Runner(sweep_over(1.0, 2.0, seeds=(0,)), str(tmp_path))
    made.run()
    source = tmp_path / "views" / "learn_views"
    folder = tmp_path / "points" / "1.0_seed0" / "learn_views"
    for place in (source, folder):
        place.mkdir(parents=True)
        (place / "views.json").write_text('{"split": 1, "weights": [[0.5]]}')
    (folder / "results.json").write_text(json.dumps({"measurements": [], "views_of": str(source)}))
    assert made.run() == {}
    (source / "views.json").write_text('{"split": 1, "weights": [[0.25]]}')
    with pytest.raises(UserError, match=f"with views of {source} that were learned again since"):
        made.run()
    shutil.rmtree(tmp_path / "views")
    assert made.run() == {}


def test_files_that_are_missing_are_named_before_anything_runs(tmp_path, clean_gin):
    text = (ROOT / "gin" / "small" / "fig5_crop_area.gin").read_text()
    (tmp_path / "wrong.gin").write_text(text.replace("small/moco.gin", "small/moko.gin"))
    with pytest.raises(
        UserError, match=r"small/moko.gin was not found.*\n.*nearest: gin/small/moco.gin"
    ):
        command.run([str(tmp_path / "wrong.gin")], [], str(tmp_path / "out"), None, 1, [])
    assert not (tmp_path / "out").exists()


def test_each_device_has_one_point_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_DEVICES", "5 7")
    made = runner.Runner(sweep_over(1.0, 2.0, 4.0), str(tmp_path), jobs=4, devices=["5", "7"])
    assert made.jobs == 2 and made.run() == {}
    used = [path.name for path in (tmp_path / "points").glob("*/device*")]
    assert len(used) == 6 and set(used) == {"device5", "device7"}


def test_a_spent_budget_leaves_points_out(tmp_path, monkeypatch):
    """By a clock on which each run takes an hour."""

    def clock():
        return 3600.0 * len(runs(tmp_path)) if (tmp_path / "runs.txt").exists() else 0.0

    monkeypatch.setattr(runner, "time", types.SimpleNamespace(monotonic=clock))
    problems = runner.Runner(sweep_over(1.0, 2.0, hours=0.5), str(tmp_path)).run()
    assert len(runs(tmp_path)) == 1 and len(problems) == 3
    assert all("budget" in problem for problem in problems.values())


# A sweep that leaves a line in a file before it asks for the lock of a point.
SCRIPT = """
import fcntl, sys
from infomin_tf.sweeps import runner
from infomin_tf.sweeps.sweep import Axis, Sweep
runner._TRAIN = sys.argv[2]
lock = fcntl.flock
def noting_lock(*arguments):
    with open(sys.argv[1] + "/asked.txt", "a") as file:
        file.write("asked\\n")
    lock(*arguments)
fcntl.flock = noting_lock
runner.Runner(Sweep(["base.gin"], [Axis("a.B.x", (1.0, 2.0, 4.0))], seeds=(0,)), sys.argv[1]).run()
"""


def wait_for_lines(path, count, process):
    """Returns when a file has so many lines; fails when the process ends before."""
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert process.poll() is None
        time.sleep(0.01)


def test_a_killed_sweep_goes_on_without_repeating_and_never_runs_a_point_twice_at_once(tmp_path):
    """Killed while its second point runs: that run continues alone, and the next sweep waits."""
    environment = os.environ | {"FAKE_HELD": "2.0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), FAKE_TRAIN]
    try:
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as killed:
            wait_for_lines(tmp_path / "runs.txt", 2, killed)
            killed.send_signal(signal.SIGKILL)
        with subprocess.Popen(command, env=environment) as again:
            wait_for_lines(tmp_path / "asked.txt", 3, again)
            (tmp_path / "go").touch()
            assert again.wait() == 0
    finally:
        (tmp_path / "go").touch()  # for a run that is left
    assert runs(tmp_path) == ["1.0 0", "2.0 0", "4.0 0"]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_log_of_a_sweep_has_lines_and_a_quiet_one_only_what_went_wrong(
    quiet, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(progress, "_quiet", quiet)
    runner.Runner(sweep_over(1, 3, seeds=(0,)), str(tmp_path / "own")).run()
    said = capsys.readouterr().err
    assert "\r" not in said and "failed: pretrain: loss became nan" in said
    lines = [line for line in said.splitlines() if line.startswith("own: ")]
    begins, ends = "own: begins at point 0 of 2 (0%)", "own: point 2 of 2 (100%)"
    assert (lines[:1], lines[-1:]) == (([], []) if quiet else ([begins], [ends]))


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ("warning: x\n", "starts"),
        (
            "stage 1/2 learn_views: step 9 of 9 (100%), loss 1.00\n"
            "stage 1/2 learn_views is finished after 00:01\n"
            "stage 2/2 pretrain: begins at step 0 of 8 (0%)\n"
            "stage 2/2 pretrain: step 3 of 8 (37%), 00:10 left, loss 4.10, I_NCE -0.10\n"
            "warning: few steps\n",
            "pretrain 37%",
        ),
        (
            "stage 2/3 pretrain: step 8 of 8 (100%)\n"
            "stage 3/3 evaluate: linear_probe_untrained: continues from step 3 of 44 (6%)",
            "linear_probe_untrained 6%",
        ),
        (
            "stage 2/3 pretrain: step 8 of 8 (100%)\n"
            "stage 2/3 pretrain is finished after 00:01\n"
            "stage 3/3 evaluate begins\n",
            "evaluate",
        ),
        (
            "stage 3/3 evaluate: linear_probe_pre-trained_rate_0.3: step 9 of 44 (20%), then",
            "linear_probe_pre-trained_rate_0.3 20%",
        ),
    ],
)
def test_the_bar_says_where_a_running_point_is(said, stage, tmp_path):
    log = tmp_path / "log.txt"
    assert logs.stage(str(log)) == "starts"
    log.write_text("noise " * 1000 + "\n" + said)
    assert logs.stage(str(log)) == stage


# Stands for bin/show_views: notes what it sees of the GPUs; x = 2 waits for ever.
FAKE_VIEWS = """
import os, sys, time
out = dict(a[2:].split("=", 1) for a in sys.argv[1:])["out"]
open(out.replace(".part.png", f".pid{os.getpid()}"), "w").close()
while "= 2" in " ".join(sys.argv):
    time.sleep(0.01)
open(out, "w").write(os.environ["CUDA_VISIBLE_DEVICES"])
"""


def test_pictures_are_made_once_per_setting_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_SHOW_VIEWS", FAKE_VIEWS)
    made = runner.Runner(sweep_over(5, 1, 3, 4), str(tmp_path), devices=["0", "1"])
    pictures = made.pictures([("4",), ("5",), ("1",)])
    assert list(pictures) == ["5", "1", "4"]
    assert {pathlib.Path(path).read_text() for path in pictures.values()} == {""}
    assert len(list((tmp_path / "views").glob("*.pid*"))) == 3


def test_ctrl_c_among_pictures_stops_them_all(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(runner, "_SHOW_VIEWS", FAKE_VIEWS)
    made = runner.Runner(sweep_over(2, 20, 21, 22, seeds=(0,)), str(tmp_path), jobs=2)

    def interrupt():
        while len(list((tmp_path / "views").glob("*.pid*"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    # A shell's background jobs, such as these tests may be, ignore it.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            made.pictures([point.labels for point in made.sweep.points()])
    finally:
        signal.signal(signal.SIGINT, previous)
    for path in (tmp_path / "views").glob("*.pid*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.suffix.removeprefix(".pid")), 0)
    assert "no picture" not in capfd.readouterr().err


def test_a_comment_does_not_change_a_gin_file(tmp_path):
    file = tmp_path / "own.gin"
    file.write_text("# what\na.B.x = 1\n")
    known = gin_files.digest([str(file)])
    file.write_text("# what else\n\n# and more\na.B.x = 1\n\n")
    assert gin_files.digest([str(file)]) == known
    file.write_text("# what\na.B.x = 2\n")
    assert gin_files.digest([str(file)]) != known
