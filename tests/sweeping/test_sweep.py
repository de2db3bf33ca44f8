"""Sweeps: points, missing ones alone run, failures named, verdicts by hand-computed tests, a report that stands alone."""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

from infomin_tf.errors import UserError
from infomin_tf.sweeping import command, outcome, report, runner
from infomin_tf.sweeping.sweep import Axis, BindingsAxis, FileAxis, Sweep

ROOT = pathlib.Path(__file__).parents[2]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff56c72f"
    "0d0000000049454e44ae426082"
)

# Stands for bin/train: accuracy 50 + 10 x - seed, I_NCE 1 / x; x = 3 fails; each run leaves a line in a file.
FAKE_TRAIN = """
import json, os, re, sys, time
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:])
x, seed = float(re.search(r"= *([-\\d.]+)", flags["gin_param"]).group(1)), int(flags["seed"])
folder = flags["model_dir"]
with open(os.path.join(os.path.dirname(os.path.dirname(folder)), "runs.txt"), "a") as file:
    file.write(f"{x} {seed}\\n")
if device := os.environ.get("CUDA_VISIBLE_DEVICES"):  # refuses to share it
    os.mkdir(os.path.join(os.path.dirname(folder), "device" + device))
time.sleep(float(os.environ.get("FAKE_SECONDS", 0)))
if x == 3:
    sys.exit("error: pretrain: loss became nan at step 7; lower the learning rate")
for stage, name, value in (("pretrain", "I_NCE", 1 / x), ("evaluate", "kNN, pre-trained", 50 + 10 * x - seed)):
    os.makedirs(os.path.join(folder, stage), exist_ok=True)
    number = {"name": name, "value": value, "unit": "", "protocol": "fake"}
    with open(os.path.join(folder, stage, "results.json"), "w") as file:
        json.dump({"numbers": [number], "wall_time_seconds": 1.0}, file)
if device:
    os.rename(os.path.join(os.path.dirname(folder), "device" + device), os.path.join(folder, "device" + device))
"""


@pytest.fixture(autouse=True)
def fake_runs(monkeypatch):
    monkeypatch.setattr(runner, "_TRAIN", FAKE_TRAIN)


def sweep_over(*values, seeds=(0, 1), **arguments):
    return Sweep(["base.gin"], [Axis("a.B.x", values)], seeds=seeds, **arguments)


def runs(folder):
    return (folder / "runs.txt").read_text().split("\n")[:-1]


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


def test_sweeps_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="two values or more"):
        Axis("a.B.x", [1])
    with pytest.raises(UserError, match="as many labels"):
        Axis("a.B.x", [1, 2], labels=["one"])
    with pytest.raises(UserError, match=r"one folder \(1.0_seed0"):
        sweep_over(1.0, -1.0)
    with pytest.raises(UserError, match=r"y, off takes a tuple, not 'a.b = 0'"):
        BindingsAxis({"off": "a.b = 0", "on": ("a.b = 1",)}, "y")
    with pytest.raises(UserError, match=r"Sweep.seeds takes a tuple, not 3; write \(3,\)"):
        sweep_over(1.0, 2.0, seeds=3)
    with pytest.raises(UserError, match="one axis or two"):
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


def test_files_that_are_missing_are_named_before_anything_runs(tmp_path, clean_gin):
    text = (ROOT / "gin" / "small" / "fig5_crop_area.gin").read_text()
    (tmp_path / "wrong.gin").write_text(text.replace("small/moco.gin", "small/moko.gin"))
    with pytest.raises(
        UserError, match=r"small/moko.gin was not found.*\n.*nearest: gin/small/moco.gin"
    ):
        command.run([str(tmp_path / "wrong.gin")], [], str(tmp_path / "out"), None, 1, [])
    assert not (tmp_path / "out").exists()


def test_each_device_has_one_point_at_a_time(tmp_path):
    os.environ["FAKE_SECONDS"] = "0.2"
    made = runner.Runner(sweep_over(1.0, 2.0, 4.0), str(tmp_path), jobs=4, devices=["5", "7"])
    try:
        assert made.jobs == 2 and made.run() == {}
    finally:
        del os.environ["FAKE_SECONDS"]
    used = [path.name for path in (tmp_path / "points").glob("*/device*")]
    assert len(used) == 6 and set(used) == {"device5", "device7"}


def test_a_spent_budget_leaves_points_out(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.3")
    problems = runner.Runner(sweep_over(1.0, 2.0, hours=0.1 / 3600), str(tmp_path)).run()
    assert len(runs(tmp_path)) == 1 and len(problems) == 3
    assert all("budget" in problem for problem in problems.values())


SCRIPT = """
import sys
from infomin_tf.sweeping import runner
from infomin_tf.sweeping.sweep import Axis, Sweep
runner._TRAIN = sys.argv[2]
runner.Runner(Sweep(["base.gin"], [Axis("a.B.x", (1.0, 2.0, 4.0))], seeds=(0,)), sys.argv[1]).run()
"""


def test_a_killed_sweep_goes_on_without_repeating_and_never_runs_a_point_twice_at_once(tmp_path):
    """Killed while its second point runs: that run goes on alone, and the next sweep waits for it."""
    environment = os.environ | {"FAKE_SECONDS": "1.5", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), FAKE_TRAIN]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "runs.txt").exists() or len(runs(tmp_path)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert runs(tmp_path) == ["1.0 0", "2.0 0", "4.0 0"]


def finished(tmp_path, values, accuracies, metrics=(), **axis):
    """The outcome of a sweep whose accuracies [values, seeds] were written by hand."""
    seeds = range(len(accuracies[0]))
    sweep = Sweep(
        ["b.gin"], [Axis("a.B.x", values, name="x", **axis)], seeds=seeds, metrics=metrics
    )
    made = runner.Runner(sweep, str(tmp_path))
    for point in sweep.points():
        place = [str(v) for v in values].index(point.labels[0])
        for stage, name, value in (
            ("pretrain", "I_NCE", 2.0 - place),
            ("evaluate", "kNN, pre-trained", accuracies[place][point.seed]),
        ):
            folder = pathlib.Path(made.model_dir(point)) / stage
            folder.mkdir(parents=True)
            number = {"name": name, "value": value, "unit": "", "protocol": ""}
            (folder / "results.json").write_text(json.dumps({"numbers": [number]}))
    return outcome.Outcome(made, {})


def test_the_verdict_tells_apart_what_a_t_test_tells_apart(tmp_path):
    accuracies = [[40.0, 41.0], [50.0, 50.6], [50.2, 49.8], [44.0, 45.0]]
    found = finished(tmp_path, (1, 2, 3, 4), accuracies)
    said = " ".join(found.verdict())
    assert (
        "Best: 2, kNN, pre-trained 50.30 ± 0.42" in said
        and "inside the measured range of x" in said
    )
    assert re.search(r"better than: 1, 4\. Not told apart from: 3\.", said)
    pooled = np.sqrt(np.mean([np.var(pair, ddof=1) for pair in accuracies]))
    assert f"standard deviation {pooled:.2f}" in said
    least = stats.t.ppf(0.975, 4) * pooled  # of two means of two
    assert 50.3 - 44.5 > least > 50.3 - 50.0


@pytest.mark.parametrize(("best", "where"), [(0, "at the edge"), (1, "inside"), (2, "at the edge")])
def test_the_verdict_says_where_the_best_lies(tmp_path, best, where):
    accuracies = [[10.0, 10.2]] * 3
    accuracies[best] = [20.0, 20.2]
    assert where in " ".join(finished(tmp_path, (1, 2, 3), accuracies).verdict())


def test_an_edge_is_that_of_what_was_measured(tmp_path):
    made = runner.Runner(sweep_over(1.0, 2.0, 3.0), str(tmp_path))  # 3 fails
    said = " ".join(outcome.Outcome(made, made.run()).verdict())
    assert "at the edge of the measured range of B.x (1.0 to 2.0)" in said
    assert "2 of 6 points have no results" in said


def test_a_metric_that_was_not_measured_is_named(tmp_path):
    found = finished(tmp_path, (1, 2), [[10.0], [20.0]], metrics=("knn",))
    assert found.verdict() == [
        "knn was not measured, so no point is called best; measured: I_NCE, kNN, pre-trained."
    ]


def test_categories_have_no_edge_and_one_seed_no_spread(tmp_path):
    said = " ".join(finished(tmp_path, (1, 2), [[10.0], [20.0]], ordered=False).verdict())
    assert "edge" not in said and "With one seed the spread is unknown" in said


def test_files_and_report_hold_everything(tmp_path):
    made = runner.Runner(sweep_over(1.0, 3.0, 2.0, title="A < B"), str(tmp_path))
    found = outcome.Outcome(made, made.run())
    found.write(str(tmp_path))
    rows = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert len(rows) == 6 and rows[2]["B.x"] == "2.0" and float(rows[2]["kNN, pre-trained"]) == 70.0
    assert "loss became nan" in rows[1]["problem"] and rows[1]["I_NCE"] == ""
    content = json.loads((tmp_path / "sweep.json").read_text())
    assert content["metric"] == "kNN, pre-trained" and len(content["points"]) == 6
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    report.write(found, {"1.0": str(picture)}, "a.B.x = <1>", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "A &lt; B" in page and "a.B.x = &lt;1&gt;" in page and "loss became nan" in page
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing from elsewhere
    for name in ("curve.png", "curve.svg"):
        assert (tmp_path / name).stat().st_size > 5000


def test_without_labels_the_curve_is_of_i_nce(tmp_path):
    found = finished(tmp_path, (1, 2), [[10.0], [20.0]])
    found.metrics, found.metric = [], None
    assert "no point is called best" in found.verdict()[0]
    report.write(found, {}, "", str(tmp_path))
    assert (tmp_path / "curve.png").exists()


def test_hparams_hold_each_point(tmp_path):
    import tensorflow as tf

    from infomin_tf.sweeping import hparams

    found = finished(tmp_path, (1, 2), [[10.0, 11.0], [20.0, 21.0]])
    hparams.write(found, str(tmp_path))
    hparams.write(found, str(tmp_path))  # replaced, not added
    files = list((tmp_path / "hparams").glob("*/*"))
    assert len(files) == 4
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(files[0]))
        for value in event.summary.value
    }
    assert {"I_NCE", "kNN/pre-trained"} <= tags
