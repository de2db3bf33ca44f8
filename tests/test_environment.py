"""What a command's process is like on odd machines: streams that are closed or break, names that no
encoding has, no /tmp.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest

from infomin_tf import environment
from infomin_tf.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]
SAY = """
import os, sys
from infomin_tf import environment
environment.open_streams()
number = os.open("file", os.O_CREAT | os.O_WRONLY)
assert number > 2, number
for _ in range(3):
    print("caf\\udce9 \\u732b", flush=True)
    print("said", file=sys.stderr)
os.write(number, b"written")
"""


def say(place, redirection, **variables):
    """Status and what was said, of a process whose streams the shell has redirected."""
    (place / "say.py").write_text(SAY)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} say.py {redirection}"],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        errors="replace",
    )


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        (">&-", (0, "", "said\n" * 3)),
        ("2>&-", (0, "caf\\udce9 猫\n" * 3, "")),
        ("<&- >&- 2>&-", (0, "", "")),
        ("| true", (0, "", "said\n" * 3)),
        ("2>&1 | true", (0, "", "")),
        ("2> >(true)", (0, "caf\\udce9 猫\n" * 3, "")),
    ],
)
def test_streams_that_nobody_reads_end_nothing(tmp_path, redirection, said):
    done = say(tmp_path, redirection, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == said
    assert (tmp_path / "file").read_text() == "written"


def test_any_name_can_be_printed_in_any_encoding(tmp_path):
    done = say(tmp_path, "", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout) == (0, "caf\\udce9 \\u732b\n" * 3)


@pytest.fixture
def no_temporary_folder(monkeypatch):
    """A machine without a place for temporary files, whose settings are restored."""
    for name in ("TMPDIR", "KERAS_HOME", "KERAS_BACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", _none)


def _none():
    raise FileNotFoundError("No usable temporary directory found")


def test_without_a_temporary_folder_the_run_lends_one(tmp_path, no_temporary_folder):
    environment.prepare(str(tmp_path / "run"))
    with tempfile.NamedTemporaryFile() as file:
        assert pathlib.Path(file.name).is_relative_to(tmp_path / "run")
    assert os.environ["TMPDIR"] == tempfile.gettempdir()


def test_without_any_folder_one_message_names_the_variable(no_temporary_folder):
    with pytest.raises(UserError, match="temporary files is writable.*set TMPDIR"):
        environment.prepare("/proc/none")


def test_no_keras_json_is_read_and_none_can_be_written(monkeypatch):
    for name in ("KERAS_HOME", "KERAS_BACKEND", "KERAS_MAX_EPOCHS"):
        monkeypatch.setenv(name, "3")
    environment.prepare(".")
    assert "KERAS_MAX_EPOCHS" not in os.environ
    with pytest.raises(OSError):
        os.makedirs(os.environ["KERAS_HOME"])


def test_commands_are_named_as_they_are_installed(monkeypatch, tmp_path):
    said = "run bin/train, then bin/audit_views --help; runs/bin/training is a folder"
    assert environment.as_installed(said) == said
    monkeypatch.setattr(environment, "_CHECKOUT", str(tmp_path))
    assert environment.as_installed(said) == (
        "run infomin-train, then infomin-audit-views --help; runs/bin/training is a folder"
    )


def test_every_installed_command_is_named():
    """Whatever setup.py installs has a file in bin/, and is renamed with the others."""
    scripts = re.findall(r'"(infomin-[a-z-]+) = ', (ROOT / "setup.py").read_text())
    files = sorted(path.name for path in (ROOT / "bin").iterdir() if path.is_file())
    assert sorted(scripts) == sorted(f"infomin-{name.replace('_', '-')}" for name in files)
    assert all(re.fullmatch(environment._COMMANDS, f"bin/{name}") for name in files)
