"""One process writes a model_dir, and what cannot be written leaves what was there."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from infomin_tf.errors import UserError
from infomin_tf.runs import results, run_folder

HOLD = """
import sys, time
from infomin_tf.runs import run_folder
with run_folder.locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        refused = subprocess.run(command, capture_output=True, text=True)
        assert f"is writing to {tmp_path} (process {holder.pid} on " in refused.stderr
        holder.send_signal(signal.SIGKILL)
    with run_folder.locked(str(tmp_path)):
        assert f"process {os.getpid()} on " in (tmp_path / "run.lock").read_text()


def test_a_file_system_without_locks_is_warned_about(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with run_folder.locked(str(tmp_path)):
        assert "cannot be locked (No locks available)" in caplog.text


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    run_folder.claim(str(tmp_path), "x.y = 1\n", overwrite=False)
    for path in (".unfinished_a/config.gin", "export/.unfinished_b/saved_model/saved_model.pb"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    (tmp_path / "notes").mkdir()
    with run_folder.locked(str(tmp_path)):
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["config.gin", "export", "notes", "run.lock"]
        assert not list((tmp_path / "export").iterdir())


@pytest.mark.parametrize("folder", ["/proc/infomin_tf", "/dev/null/run"])
def test_a_folder_that_cannot_be_written_is_named(folder):
    with (
        pytest.raises(UserError, match=f"{folder} cannot be written .*; use another --model_dir"),
        run_folder.locked(folder),
    ):
        pass


def test_a_full_disk_leaves_the_results_that_were_there(tmp_path, full_disk):
    results.write(str(tmp_path), [results.Measurement("a", "a", 1.0, "", "first")])
    with full_disk(), pytest.raises(UserError, match=r"results.json cannot be written \(File too"):
        results.write(str(tmp_path), [results.Measurement("a", "a", 2.0, "", "x" * 3000)])
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert json.loads((tmp_path / "results.json").read_text())["measurements"][0]["value"] == 1.0
