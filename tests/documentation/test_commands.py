"""Every command that the documentation shows has real flags and files, and what it binds builds."""

import functools
import os
import pathlib
from dataclasses import fields

import gin
import pytest
from absl import flags

from infomin_tf.auditing.audit import Audit
from infomin_tf.command_line import options, own_images
from infomin_tf.configuration import gin_files
from infomin_tf.embedding import feature_files
from infomin_tf.embedding.request import Request
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.runs import differences
from infomin_tf.sweeps.sweep import Sweep
from tests.documentation import commands
from tests.documentation.commands import ROOT

COMMANDS = [*commands.of_documents(), *commands.of_gin_files()]
# The runs that bin/evaluate and bin/export are shown with, and what has made them.
RUNS = {
    "runs/quickstart_compare_views/points/learned_seed0": ("gin/quickstart_compare_views.gin",),
    "runs/stl10_semisup_views": ("gin/stl10_semisup_views.gin",),
    "runs/recipes/cifar10_simclr_seed0": ("gin/small/simclr.gin", "gin/small/cifar10.gin"),
    "runs/table4/points/digit_seed0": ("gin/small/table4.gin",),
}
PLACEHOLDER = "FILE"  # stands for a gin file of one's own
pytestmark = pytest.mark.usefixtures("clean_gin")


def of(*programs):
    """Parameters of a test: the commands of those programs."""
    chosen = [command for command in COMMANDS if command.program in programs]
    return pytest.mark.parametrize(
        "command", chosen, ids=[f"{command.page}:{command.line}" for command in chosen]
    )


def parsed(command):
    """The values of the flags, as the program itself reads them."""
    name = command.program.removeprefix("bin/")
    values = options.define(name)
    try:
        rest = values(command.words)
    except flags.Error as error:
        pytest.fail(f"{command.page}: {command.line}: {error}")
    assert len(rest) == 1, rest
    if name == "train":
        own_images.bind(values)
    return values


@functools.cache
def built(root, files, params):
    """(the root object, text of its configuration)."""
    gin.clear_config()
    gin.config._IMPORTS.clear()
    gin_files.parse([gin_files.find_file(file) for file in files], params)
    made = gin_files.build(root)
    gin_files.check_all_used()
    return made, gin_files.operative_text(0)


def made_by(model_dir):
    """(gin files, bindings) of a run that the documentation continues from."""
    files = RUNS[model_dir]
    if "/points/" not in model_dir:
        return files, ()
    [point] = [
        p for p in built(Sweep, files, ())[0].points() if p.name == pathlib.Path(model_dir).name
    ]
    return tuple(point.gin_files), tuple(point.gin_params)


def test_every_line_of_a_block_is_a_command():
    """What is none has a language, such as ```text or ```gin."""
    known = {f"bin/{path.name}" for path in (ROOT / "bin").iterdir()}
    known |= {".venv/bin/python", ".venv/bin/tensorboard", "make", "export"}
    assert {command.program for command in COMMANDS} <= known
    assert len(COMMANDS) > 100


@of("bin/train", "bin/show_views")
def test_a_training_is_configured(command):
    values = parsed(command)
    built(Experiment, tuple(values.gin_file), tuple(values.gin_param))


@of("bin/evaluate", "bin/export")
def test_a_finished_run_is_evaluated_or_exported_again(command):
    values = parsed(command)
    files, params = made_by(values.model_dir)
    before = built(Experiment, files, params)[1]
    more = (*files, *values.gin_file)
    after = built(Experiment, more, (*params, *values.gin_param))[1]
    assert differences.training_differences(before, after) == []


@of("bin/sweep")
def test_a_sweep_is_configured(command):
    """Its points are built by the tests of gin files."""
    values = parsed(command)
    if values.gin_file != [PLACEHOLDER]:
        sweep, _ = built(Sweep, tuple(values.gin_file), tuple(values.gin_param))
        assert all(gin_files.find_file(file) for file in sweep.points()[0].gin_files)


@of("bin/audit_views")
def test_an_audit_is_configured(command):
    values = parsed(command)
    files = tuple(values.gin_file) or ("gin/audit_views.gin",)
    audit, _ = built(Audit, files, tuple(values.gin_param))
    assert values.images and all(gin_files.find_file(f) for f in audit.files({"classes": 2}))


@of("bin/embed")
def test_an_embedding_has_a_file_and_images_or_what_is_made_of_it(command):
    values = parsed(command)
    request = Request(**{field.name: values[field.name].value for field in fields(Request)})
    assert feature_files.kind_of(request.out)
    assert request.computes or request.neighbours or request.projector
    assert not request.export or pathlib.Path(request.export.removesuffix("/export")).name in {
        pathlib.Path(made).name for made in (*RUNS, "runs/folder_semisup_views")
    }


@of(".venv/bin/python")
def test_a_program_is_there_and_knows_its_flags(command):
    _, first, *arguments = command.words
    if first == "-m":
        module, *arguments = arguments
        path = ROOT / module.replace(".", os.sep) / "__main__.py"
    else:
        path = ROOT / first
    text = path.read_text(encoding="utf-8")
    for argument in arguments:
        if argument.startswith("--"):
            assert f'"{argument.partition("=")[0]}"' in text


@of("make")
def test_a_target_is_there(command):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\n{command.words[1]}:" in makefile
