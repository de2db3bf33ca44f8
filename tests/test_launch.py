"""The files of bin/ where the Python that starts them lacks the package's dependencies; nothing
here imports TensorFlow.
"""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
COMMANDS = sorted(path.name for path in (ROOT / "bin").iterdir())


@pytest.fixture
def checkout(tmp_path):
    """A copy of bin/ and of what it starts, in a folder with a gin/ as the checkout has it."""
    for folder in ("bin", "gin", "infomin_tf/command_line"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("__init__", "registration", "command_line/__init__", "command_line/launch"):
        shutil.copy(ROOT / "infomin_tf" / f"{name}.py", tmp_path / "infomin_tf" / f"{name}.py")
    for name in COMMANDS:
        shutil.copy(ROOT / "bin" / name, tmp_path / "bin")
    return tmp_path


def run(checkout, command, *arguments):
    """By a Python without any packages."""
    bare = [sys.executable, "-I", "-S", checkout / "bin" / command, *arguments]
    return subprocess.run(bare, capture_output=True, text=True)


def test_every_file_of_bin_runs_its_own_command():
    for name in COMMANDS:
        assert f'launch.run("{name}")' in (ROOT / "bin" / name).read_text()


def test_the_environment_of_the_checkout_is_found(checkout):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    python.chmod(0o755)
    result = run(checkout, "audit_views", "--images=my photos")
    assert (result.returncode, result.stderr) == (7, "")
    assert result.stdout == f"{checkout}/bin/audit_views --images=my photos\n"


def test_without_an_environment_one_sentence_says_what_to_do(checkout):
    result = run(checkout, "train", "--help")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("error: this Python (") and result.stderr.count("\n") == 1
    assert "lacks absl, gin, keras, " in result.stderr
    assert f"run `make quickstart` in {checkout}" in result.stderr


def test_an_environment_that_lacks_packages_itself_is_not_started_for_ever(checkout):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (checkout / ".venv" / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    command = [python, "-I", checkout / "bin" / "train"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 2 and "error: this Python" in result.stderr
