"""The commands: arguments without TensorFlow, what reaches the experiment, exit statuses."""

import errno
import os
import pathlib
import subprocess
import sys

import gin
import pytest

from infomin_tf import progress
from infomin_tf.command_line import main, options
from infomin_tf.errors import UserError
from infomin_tf.runs import results, run_folder
from tests import fake_experiment as fake

ROOT = pathlib.Path(__file__).parents[1]
STUB = """import os, sys
print(*(os.environ[n] for n in ("TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND", "KERAS_HOME")))
sys.exit(77)
"""
CONFIGURATION = """from __gin__ import dynamic_registration
from tests import fake_experiment
fake_experiment.Experiment.first = 1
"""


@pytest.fixture
def command(tmp_path):
    """Runs a file of bin/ in an empty folder; keras and tensorflow are stubs that end the process
    with status 77.
    """
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for module in ("keras", "tensorflow"):
        (stubs / f"{module}.py").write_text(STUB)
    (tmp_path / "here").mkdir()

    def run(program, *arguments):
        return subprocess.run(
            [sys.executable, ROOT / "bin" / program, *arguments],
            cwd=tmp_path / "here",
            env={"PYTHONPATH": str(stubs)},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize("program", ["train", "evaluate", "export", "show_views"])
def test_help_shows_an_example_and_our_flags_only(command, program):
    result = command(program, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert f"bin/{program} --" in result.stdout
    shown = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  --")}
    common = {"help", "gin_file", "gin_param", "model_dir", "data_dir", "strategy", "seed"}
    own = {
        "train": common | {"images", "labels", "init", "until", "overwrite", "quiet"},
        "export": common | {"format", "quiet"},
        "show_views": common - {"model_dir", "strategy"} | {"out"},
    }
    expected = own.get(program, common | {"quiet"})
    assert shown == {f"--{name}" for name in expected}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("train", "needs --gin_file"),
        ("train --gin_file=gin/quikstart.gin", "nearest: gin/quickstart.gin"),
        ("train --labels=x", "--labels says what --images are; give both"),
        ("train --images=nowhere", "--images=nowhere is not a folder"),
        ("train --images=. --labels=x", "--labels=x is neither a folder nor a csv file"),
        ("train --gin_fil=x", "Unknown command line flag 'gin_fil'"),
        ("train --strategy=gpu", "auto|one_device|mirrored|tpu|multi_worker"),
        ("train --until=pretraining", "learn_views|pretrain|evaluate|export"),
        ("train --seed=-1", "not an integer in the range"),
        ("train gin/quickstart.gin", "unexpected argument 'gin/quickstart.gin'"),
        ("sweep --gin_file=gin/small/table4.gin --devices=0,a", "GPU numbers, such as 0,1"),
        ("sweep --gin_file=gin/quickstart.gin", "bin/sweep needs files that bind Sweep"),
        ("sweep --gin_file=gin/small/table4.gin --gin_param=Swep.x=1", "nearest valid name: Sweep"),
        ("show_views", "needs --gin_file"),
        ("show_views --gin_file=gin/quikstart.gin", "nearest: gin/quickstart.gin"),
        ("evaluate", "needs --model_dir of a run"),
        ("evaluate --model_dir=nowhere", "nowhere holds no run"),
        ("export --until=export", "Unknown command line flag 'until'"),
        ("export --format=gguf", "should be one of <saved_model|keras|torchvision"),
        ("audit_views --images=nowhere", "--images=nowhere is not a folder"),
    ],
)
def test_wrong_arguments_are_one_message_without_tensorflow(command, arguments, message):
    result = command(*arguments.split())
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_of_the_package_is_found_anywhere_and_the_environment_comes_before_keras(command):
    result = command("train", "--gin_file=gin/quickstart.gin")
    assert (result.returncode, result.stdout) == (77, "1 tensorflow /dev/null/keras\n")


@pytest.fixture
def fake_run(tmp_path, monkeypatch):
    """Runs a command in this process on the fake experiment; returns its status and the
    experiment's calls.
    """
    monkeypatch.setattr("infomin_tf.command_line.experiments.Experiment", fake.Experiment)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.gin").write_text(CONFIGURATION)

    def run(program, *arguments):
        gin.clear_config()
        gin.config._IMPORTS.clear()
        fake.calls.clear()
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        try:
            getattr(main, f"{program}_main")()
        except SystemExit as error:
            return error.code, list(fake.calls)
        return 0, list(fake.calls)

    yield run
    gin.clear_config()
    gin.config._IMPORTS.clear()


def test_flags_reach_the_experiment(fake_run):
    binding = "--gin_param=fake_experiment.Experiment.second = 5"
    flags = ["--gin_file=mine.gin", binding, "--seed=3", "--data_dir=data", "--until=pretrain"]
    status, [(name, model_dir, experiment, arguments)] = fake_run("train", *flags)
    assert (status, name, model_dir) == (0, "run", "runs/mine")
    assert experiment.parts == (1, 5, None)
    assert arguments.pop("strategy").num_replicas_in_sync == 1
    saved = pathlib.Path("runs/mine/config.gin").read_text()
    assert arguments == {
        "seed": 3, "data_dir": "data", "until": "pretrain", "configuration": saved
    }  # fmt: skip
    assert "fake_experiment.Experiment.second = 5" in saved


def test_a_file_without_an_experiment_comes_on_top_of_the_runs_configuration(fake_run):
    fake_run(
        "train",
        "--gin_file=mine.gin",
        "--gin_param=fake_experiment.Experiment.evaluation = 1",
        "--model_dir=run",
    )
    header = CONFIGURATION.rpartition("fake_experiment.Experiment")[0]
    more = header + "fake_experiment.Part.size = 7\nfake_experiment.Part.rate = %rate\nrate = 2\n"
    pathlib.Path("more.gin").write_text(more)
    wanted = "--gin_param=fake_experiment.Experiment.evaluation = @fake_experiment.Part()"
    flags = ["--model_dir=run", "--gin_file=more.gin", wanted]
    status, [(name, _, experiment, _)] = fake_run("evaluate", *flags)
    assert (status, name, experiment.parts[0]) == (0, "evaluate", 1)
    assert (experiment.evaluation.size, experiment.evaluation.rate) == (7, 2)
    with open("more.gin", "a") as file:
        file.write("fake_experiment.Experiment.evaluation = @fake_experiment.Part()\n")
    status, [(_, _, experiment, _)] = fake_run("evaluate", *flags[:2])
    assert (status, experiment.parts[0], experiment.evaluation.size) == (0, 1, 7)


def test_a_tilde_in_a_flag_is_the_home_folder(fake_run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    flags = ["--gin_file=~/mine.gin", "--model_dir=~/my runs/lr=[0.1]", "--data_dir=~/sets"]
    status, [(_, model_dir, _, arguments)] = fake_run("train", *flags)
    assert (status, model_dir) == (0, f"{tmp_path}/my runs/lr=[0.1]")
    assert arguments["data_dir"] == f"{tmp_path}/sets"
    assert (tmp_path / "my runs" / "lr=[0.1]" / "config.gin").exists()
    assert not (tmp_path / "~").exists()


def test_a_url_is_no_folder_and_a_missing_working_directory_is_one_message(fake_run, capsys):
    assert fake_run("train", "--gin_file=mine.gin", "--model_dir=gs://bucket/run") == (2, [])
    assert "--model_dir=gs://bucket/run is a URL; give a folder" in capsys.readouterr().err
    assert not pathlib.Path("gs:").exists()
    assert fake_run("train", "--gin_file=mine.gin", "--model_dir=caf\udce9") == (2, [])
    assert "is not UTF-8, so TensorFlow cannot write there" in capsys.readouterr().err
    pathlib.Path("gone").mkdir()
    os.chdir("gone")
    os.rmdir(os.path.join(os.pardir, "gone"))
    assert fake_run("train", "--gin_file=mine.gin") == (2, [])
    assert "the working directory cannot be used" in capsys.readouterr().err


def test_formats_are_a_binding_and_need_their_package(monkeypatch):
    values = options.define("export")
    values(["bin/export", "--format=torchvision", "--format=keras"])
    options.settle(values)
    assert values.gin_param == ["Export.formats = ('torchvision', 'keras')"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package safetensors, .* 'infomin_tf\[torchvis"):
        options.settle(values)


def test_quiet_is_of_the_command_that_is_given_it(fake_run, monkeypatch, capsys):
    """A run that says something on its way, as the real one does."""
    talking = lambda experiment, *_, **__: progress.say("on the way") or print("the table")
    monkeypatch.setattr(fake.Experiment, "run", talking)
    monkeypatch.setattr(fake.Experiment, "repeat", talking)
    for program in ("train", "evaluate", "export"):
        for quiet in (["--quiet"], []):
            assert fake_run(program, "--gin_file=mine.gin", "--model_dir=run", *quiet)[0] == 0
            said = capsys.readouterr()
            assert said.out == "the table\n" and ("on the way" in said.err) != bool(quiet)


def test_evaluate_and_export_use_the_saved_configuration_and_seed(fake_run):
    fake_run("train", "--gin_file=mine.gin", "--seed=3", "--model_dir=run")
    for program in ("evaluate", "export"):
        status, [(name, model_dir, _, arguments)] = fake_run(program, "--model_dir=run")
        assert (status, name, model_dir, arguments["seed"]) == (0, program, "run", 3)
        trained_otherwise = "--gin_param=fake_experiment.Experiment.third = 9"
        assert fake_run(program, "--model_dir=run", trained_otherwise) == (2, [])
        assert fake_run(program, "--gin_file=mine.gin", "--model_dir=none") == (2, [])
    assert fake_run("evaluate", "--model_dir=run", "--seed=4")[1][0][3]["seed"] == 4
    assert "third = 9" not in pathlib.Path("run/config.gin").read_text()


def test_another_configuration_needs_overwrite(fake_run, capsys):
    flags = ["--gin_file=mine.gin", "--model_dir=run"]
    other = [*flags, "--gin_param=fake_experiment.Experiment.first = 2"]
    assert fake_run("train", *flags)[0] == fake_run("train", *flags)[0] == 0
    os.mkdir("run/pretrain")
    assert fake_run("train", *other) == (2, [])
    assert "fake_experiment.Experiment.first: 1 -> 2" in capsys.readouterr().err
    assert fake_run("train", *other, "--overwrite")[0] == 0


def test_nothing_is_written_or_deleted_under_a_running_process(fake_run, capsys):
    fake_run("train", "--gin_file=mine.gin", "--model_dir=run")
    saved = pathlib.Path("run/config.gin").read_text()
    other = ["--gin_param=fake_experiment.Experiment.first = 2", "--overwrite"]
    with run_folder.locked("run"):
        assert fake_run("train", "--gin_file=mine.gin", "--model_dir=run", *other) == (2, [])
        assert fake_run("evaluate", "--model_dir=run") == (2, [])
    assert capsys.readouterr().err.count("error: another process is writing to run") == 2
    assert pathlib.Path("run/config.gin").read_text() == saved


def test_a_full_disk_is_one_message(fake_run, monkeypatch, capsys):
    full = OSError(errno.ENOSPC, "No space left on device", "views.png")
    monkeypatch.setattr(fake.Experiment, "raises", full)
    assert fake_run("train", "--gin_file=mine.gin")[0] == 2
    assert "error: [Errno 28] No space left on device: 'views.png'" in capsys.readouterr().err


def test_exit_status_tells_mistakes_interrupts_and_bugs_apart(fake_run, monkeypatch, capsys):
    assert fake_run("train", "--gin_file=mine.gin", "--gin_param=x = 1") == (2, [])
    assert capsys.readouterr().err.startswith("error: these bindings change nothing")
    assert not pathlib.Path("runs").exists()
    monkeypatch.setattr(fake.Experiment, "raises", UserError("batch size 3 is odd"))
    assert fake_run("train", "--gin_file=mine.gin")[0] == 2
    assert capsys.readouterr().err == "error: batch size 3 is odd\n"
    monkeypatch.setattr(fake.Experiment, "raises", KeyboardInterrupt())
    assert fake_run("train", "--gin_file=mine.gin")[0] == 130
    monkeypatch.setattr(fake.Experiment, "raises", ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        fake_run("train", "--gin_file=mine.gin")


def test_another_evaluation_of_a_finished_training_names_its_command(fake_run, capsys):
    """The fake's evaluation is what its configuration calls so: see `references`."""
    flags = ["--gin_file=mine.gin", "--model_dir=my run", "--seed=3"]
    binding = "fake_experiment.Experiment.evaluation"
    fake_run("train", *flags, f"--gin_param={binding} = 1")
    other = [*flags, f"--gin_param={binding} = 2"]
    assert fake_run("train", *other)[0] == 0  # nothing is evaluated yet
    results.write("my run/pretrain", [], steps=3)
    assert fake_run("train", *other)[0] == 0
    assert fake_run("train", *flags, f"--gin_param={binding} = 3") == (2, [])
    message = capsys.readouterr().err
    assert f"{binding}: 2 -> 3" in message and "--overwrite" not in message
    assert (
        "only evaluate would change, and the training is finished; use\n  bin/evaluate" in message
    )
    assert "bin/evaluate '--model_dir=my run' --gin_file=mine.gin" in message
    assert f"'--gin_param={binding} = 3' --seed=3" in message
