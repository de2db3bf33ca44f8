"""bin/audit_views from images to report, with runs that are stood in for."""

import concurrent.futures
import html.parser
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import gin
import numpy as np
import pytest
from PIL import Image

from infomin_tf import library
from infomin_tf.auditing import command
from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.sweeps import runner

ROOT = pathlib.Path(__file__).parents[2]

# Stands for bin/train: kNN 30 + 5 for blur + 10 for full jitter, each run leaves a line in a file.
FAKE_TRAIN = """
import json, os, sys
flags = [a.split("=", 1) for a in sys.argv[1:]]
params = " ".join(value for name, value in flags if name == "--gin_param")
folder = dict(flags)["--model_dir"]
with open(os.path.join(folder, "..", "..", "..", "runs.txt"), "a") as file:
    file.write(os.path.basename(folder) + "\\n")
better = 5 * ("blur_probability = 0.5" in params) + 10 * ("jitter = 1.0" in params)
numbers = {"pretrain": {"i_nce": 2 - better / 10, "uniformity": -3.0},
           "evaluate": {"knn/pre-trained": 30.0 + better, "fast_linear_probe/pre-trained": 35.0}}
if not sum(name == "--gin_file" and "labelled" in value for name, value in flags):
    numbers["evaluate"] = {}
numbers["evaluate"]["label_free_score/pre-trained"] = 4 + better / 10
for stage in numbers:
    os.makedirs(os.path.join(folder, stage))
    said = {"unit": "", "protocol": ""}
    rows = [{"key": n, "label": n, "value": v} | said for n, v in numbers[stage].items()]
    with open(os.path.join(folder, stage, "results.json"), "w") as file:
        json.dump({"measurements": rows, "wall_time_seconds": 1.0, "steps_per_second": 50}, file)
"""
FAKE_SHOW_VIEWS = """
import sys
from PIL import Image
Image.new("RGB", (4, 4)).save(dict(a.split("=", 1) for a in sys.argv[1:])["--out"])
"""


SECOND_MACHINE = """
import sys
from infomin_tf.auditing import command
from infomin_tf.configuration import gin_files
from infomin_tf.sweeps import runner
runner._TRAIN = sys.argv[1]
params = ["Audit.image_size = 8", "Audit.batch_size = 16"]
file = gin_files.find_file("gin/audit_views.gin")
photos = {photos!r}
assert command.run([file], params, photos, photos, {out!r}, 2, [], 20) == 0
"""


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    monkeypatch.setattr(runner, "_TRAIN", FAKE_TRAIN)
    monkeypatch.setattr(runner, "_SHOW_VIEWS", FAKE_SHOW_VIEWS)
    clear()
    yield
    clear()


def save_photos(tmp_path):
    for index in range(240):
        folder = tmp_path / "<photos>" / ("ant" if index % 2 else "owl")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")


def clear():
    gin.clear_config()
    gin.config._IMPORTS.clear()


def audit(tmp_path, labels, minutes=20):
    clear()
    params = ["Audit.image_size = 8", "Audit.batch_size = 16"]
    file = gin_files.find_file("gin/audit_views.gin")
    photos = str(tmp_path / "<photos>")
    return command.run(
        *([file], params, photos, photos if labels else None, str(tmp_path / "out"), 2, []), minutes
    )


def test_nothing_is_written_where_images_are(tmp_path):
    photos = tmp_path / "<photos>"
    photos.mkdir()
    arguments = [gin_files.find_file("gin/audit_views.gin")], [], str(photos), None
    with pytest.raises(UserError, match="lies inside the other"):
        command.run(*arguments, str(photos / "audit"), 1, [])
    assert not list(photos.iterdir())


class Tags(html.parser.HTMLParser):
    """Collects tags and their addresses."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]


def test_an_audit_ends_with_its_time_and_goes_on_with_more(tmp_path, capsys, monkeypatch):
    save_photos(tmp_path)
    run_point = runner.Runner._run_point

    def run_most(self, point, device):
        return f"{runner.LEFT_OUT}late" if "1.0" in point.name else run_point(self, point, device)

    with monkeypatch.context() as patch:
        patch.setattr(runner.Runner, "_run_point", run_most)
        assert audit(tmp_path, labels=True, minutes=0.01) == 0
    few = len((tmp_path / "out" / "runs.txt").read_text().split())
    said = capsys.readouterr().out
    assert few < 29 and "There was no time for " in said and "more --minutes" in said
    best = "jitter 1.0, blur half of the views"
    assert f"Recommended: {best} (" not in said  # no time for full jitter
    assert audit(tmp_path, labels=True) == 0
    assert len((tmp_path / "out" / "runs.txt").read_text().split()) > few
    said = capsys.readouterr().out
    assert f"Recommended: {best} (" in said and "There was no time" not in said


def test_two_machines_that_share_the_folder_divide_an_audit(tmp_path):
    save_photos(tmp_path)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        script = SECOND_MACHINE.format(photos=str(tmp_path / "<photos>"), out=str(tmp_path / "out"))
        other = pool.submit(
            subprocess.run, [sys.executable, "-c", script, FAKE_TRAIN], cwd=ROOT, check=True
        )
        assert audit(tmp_path, labels=True) == 0
        other.result()
    made = (tmp_path / "out" / "runs.txt").read_text().split()
    assert len(made) == 29 == len(set(made))


@pytest.mark.parametrize("labels", [True, pytest.param(False, marks=pytest.mark.long)])
def test_an_audit_ends_in_a_report_and_a_file_to_go_on_with(tmp_path, labels, capsys):
    save_photos(tmp_path)
    assert audit(tmp_path, labels) == 0
    out = tmp_path / "out"
    said = capsys.readouterr().out
    together = "jitter 1.0, blur half of the views"
    assert f"Recommended: {together} (" in said
    page = (out / "report.html").read_text()
    tags = Tags(page)
    assert "photos" not in tags.tags and all(a.startswith("data:") for a in tags.addresses)
    assert tags.tags.count("img") == 1 + 3 and "&lt;photos&gt;" in page and together in page
    assert "Not tried" in said and "What was not tried" in page
    runs = (out / "runs.txt").read_text().split()
    # All, a third, and two seeds of three; what the numbers tell apart needs no more.
    assert len(runs) == 17 + 6 + 2 * 3 == len(set(runs))
    clear()
    gin_files.parse([str(out / "recommended.gin")], [])
    made = gin_files.build(Experiment)
    gin_files.check_all_used()
    assert made.stage_names == ("pretrain", "evaluate", "export")
    assert gin.query_parameter("families.infomin.jitter") == 1.0
    # The same from Python repeats no run.
    photos = tmp_path / "<photos>"
    found = library.audit(
        photos,
        photos if labels else None,
        out=out,
        gin_param=("Audit.image_size = 8", "Audit.batch_size = 16"),
    )
    assert found.recommended == together and found.gin_file == str(out / "recommended.gin")
    assert found.problems == 0 and found.report == str(out / "report.html")
    assert len((out / "runs.txt").read_text().split()) == 29
    assert re.search(r"\d+ minutes of stages", page) and "Worst of the first round: " in page
    plan = {
        re.sub("_round_.*", "_round", path.stem): json.loads(path.read_text())
        for path in (out / "plan").iterdir()
    }
    assert len(plan) == len(list((out / "plan").iterdir())) == 4  # decided once
    assert plan["second_round"][0] == plan["last_round"][0] == ["0.2", "0.5", "off", "off", "none"]
    assert plan["steps"] == 1000 and 0 < plan["seconds"] < 600


def test_a_kill_in_a_round_loses_seconds_of_the_time(tmp_path):
    save_photos(tmp_path)
    out = tmp_path / "audit"
    script = (
        "from infomin_tf.auditing import rounds\nrounds._KEEP_SECONDS = 0.1\n"
        + SECOND_MACHINE.format(photos=str(tmp_path / "<photos>"), out=str(out))
    )
    sleeper = "import time\ntime.sleep(20)"
    audit = subprocess.Popen([sys.executable, "-c", script, sleeper], start_new_session=True)
    kept, seen = out / "plan" / "seconds.json", []
    try:
        # It is written again and again while the first runs of the round sleep.
        while len(seen) < 3:
            assert audit.poll() is None and not (out / "first_round" / "sweep.csv").exists()
            seconds = json.loads(kept.read_text()) if kept.exists() else 0.0
            seen += [seconds] if seconds and seconds not in seen else []
            time.sleep(0.05)
    finally:
        os.killpg(audit.pid, signal.SIGKILL)
        audit.wait()
    assert seen == sorted(seen) and json.loads(kept.read_text()) >= seen[-1]


def test_without_images_the_command_says_what_it_needs():
    for flags, message in (
        ([], "needs --images"),
        (["--images=nowhere"], "--images=nowhere is not a folder"),
    ):
        line = [sys.executable, str(ROOT / "bin" / "audit_views"), *flags]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
