"""The commands of README.md and docs/ as they are written, really run: on stand-ins for the data,
with gin/debug.gin, narrow networks and small batches.

Of commands that differ in numbers alone the first is run.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

import pytest

from infomin_tf.experiment.experiment import Experiment
from infomin_tf.sweeps.sweep import Sweep
from tests.documentation import commands, stand_ins
from tests.documentation.commands import ROOT
from tests.documentation.test_commands import PLACEHOLDER, RUNS, built, made_by, parsed

pytestmark = pytest.mark.long
NOT_RUN = {
    r"^make |tensorboard": "makes the environment, runs these tests, or serves until it is stopped",
    r"^export |/shared/": "needs a TPU, or two hosts that share a folder",
    r"benchmarks/|tests.chaos|mutual_information_of_shapes": "measures for minutes to hours",
    "table6_resnet50_200": "minutes at 224 px; tests/test_end_to_end.py runs it on real images",
    r"^bin/audit_views": "takes 20 minutes; tests/auditing has the command with small ones",
    f"={PLACEHOLDER} ": "stands for a file of one's own",
    r"small/fig[34789]|fig5_crop": "built by the tests of gin files; another sweep is run here",
    r"bin/sweep .*small/table4": "its first point is run for bin/evaluate",
}
SMALLER = {"width": 0.0625, "batch_size": 16, "labelled_batch_size": 8}
_SIZE = re.compile(rf"^([\w/.]+\.({'|'.join(SMALLER)})) = [\d.]+$", re.MULTILINE)
_BASELINE = re.compile(r"^(Evaluate\.(?:random_encoder|raw_pixels)) = True$", re.MULTILINE)
COMMANDS = commands.of_documents()


def left_out(command):
    """Why a command is not run, or None."""
    first = next(other for other in COMMANDS if _files(other) == _files(command))
    if first != command:
        return f"other numbers than of {first.page}: {first.line}"
    return next((why for what, why in NOT_RUN.items() if re.search(what, command.line)), None)


def _files(command):
    """What is the same in commands that differ in numbers alone."""
    if command.program == "bin/embed":
        return tuple(command.words)
    kept = [word for word in command.words[1:] if re.match("--(gin_file|images|labels)|[^-]", word)]
    model_dirs = [word for word in command.words if word.startswith("--model_dir")]
    evaluated = command.program in ("bin/evaluate", "bin/export")
    params = [word for word in command.words if "ImageFolder.directory" in word]
    return command.program, *kept, *params, *(model_dirs if evaluated else [])


def arguments(command, sets):
    """The command line that stands for a command; of a sweep it is that of its first point."""
    program, *given = [word.replace("=DIR", f"={sets}") for word in command.words]
    if program == ".venv/bin/python":
        return [sys.executable, str(ROOT / given[0]), *given[1:]]
    if program == "bin/sweep":
        values = parsed(command)
        point = built(Sweep, tuple(values.gin_file), tuple(values.gin_param))[0].points()[0]
        out = f"{values.gin_file[0]}_point".replace("/", "_")
        return train(point.gin_files, point.gin_params, out, sets)
    if program != "bin/train":
        return [sys.executable, str(ROOT / program), *given]
    values = parsed(command)
    own = [] if "--gin_file" in command.line else [f"--gin_file={values.gin_file[0]}"]
    debug = [*own, "--gin_file=gin/debug.gin", *smaller(values.gin_file, values.gin_param)]
    return [sys.executable, str(ROOT / program), *given, *debug]


def smaller(files, params):
    """Flags that bind narrow networks, small batches and no baselines in the place of those that a
    configuration uses.
    """
    text = built(Experiment, tuple(files), tuple(params))[1]
    sizes = [f"--gin_param={name} = {SMALLER[size]}" for name, size in _SIZE.findall(text)]
    return sizes + [f"--gin_param={name} = False" for name in _BASELINE.findall(text)]


def needed(command, sets):
    """(the run that a command continues from, the command line that makes it), or None."""
    found = re.search("|".join(RUNS), command.line)
    return found and (found[0], train(*made_by(found[0]), found[0], sets))


def train(files, params, model_dir, sets):
    """The command line that trains a run with gin/debug.gin."""
    flags = [f"--gin_file={file}" for file in (*files, "gin/debug.gin")]
    flags += [f"--gin_param={param}" for param in params] + smaller(files, params)
    flags += [f"--model_dir={model_dir}", f"--data_dir={sets}"]
    return [sys.executable, str(ROOT / "bin" / "train"), *flags]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """dict command -> (status, output); two pages at a time, each in a folder of its own, its
    commands in their order.
    """
    sets = tmp_path_factory.mktemp("sets")
    stand_ins.write(sets)
    found = {}
    environment = os.environ | {"TFDS_DATA_DIR": str(sets), "PYTHONPATH": str(ROOT)}

    def call(line, place):
        done = subprocess.run(line, cwd=place, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def run(page, prepared):
        place = tmp_path_factory.mktemp(page.replace("/", "_"))
        stand_ins.write_photos(place)
        for command, line, before in prepared:
            if before and not (place / before[0] / "config.gin").exists():
                call(before[1], place)
            found[command] = call(line, place)

    pages = {}
    for command in COMMANDS:
        if not left_out(command):
            prepared = command, arguments(command, sets), needed(command, sets)
            pages.setdefault(command.page, []).append(prepared)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(run, pages, pages.values()))
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}:{command.line}")
def test_it_runs(command, said):
    if why := left_out(command):
        pytest.skip(why)
    status, text = said[command]
    assert status == 0 and "Traceback" not in text, text[-3000:]
