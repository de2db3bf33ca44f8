"""What earlier runs saved, damaged or gone: no traceback, and no silent start from nothing."""

import json
import types

import pytest

from infomin_tf.auditing import preparation
from infomin_tf.experiment.run import Run
from infomin_tf.runs import results, run_folder
from infomin_tf.sweeps.runner import Runner
from infomin_tf.sweeps.sweep import Axis, Sweep
from infomin_tf.training.checkpoint import Checkpoint
from tests import small
from tests.bad_inputs.cases import Refused, check_refused

refused = Refused()
RUN_AGAIN = "delete that file to run the stage again"


def run(folder):
    """A run of nothing in a folder."""
    parts = "strategy seed unlabelled train test held_out pair split configuration"
    return Run(model_dir=str(folder), **dict.fromkeys(parts.split()))


def finished(folder, content):
    """Reads the results of a stage, as a run does that continues."""
    (folder / "pretrain").mkdir()
    path = folder / "pretrain" / "results.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        results.read(str(path.parent))
    finally:
        assert path.exists()


@refused.by("results.json cannot be read", RUN_AGAIN)
def results_that_are_empty(folder):
    finished(folder, "")


@refused.by("results.json cannot be read", RUN_AGAIN)
def results_that_are_cut(folder):
    finished(folder, json.dumps({"measurements": [], "steps": 3})[:-5])


@refused.by("results.json cannot be read .*utf-8", RUN_AGAIN)
def results_that_are_binary(folder):
    finished(folder, bytes(range(256)))


@refused.by("results.json does not hold the list of measurements", RUN_AGAIN)
def results_that_are_null(folder):
    finished(folder, "null")


@refused.by("results.json does not hold the list of measurements", RUN_AGAIN)
def results_of_another_shape(folder):
    finished(folder, '{"accuracy": 93.1}')


@refused.by("results.json does not hold the list of measurements", RUN_AGAIN)
def results_whose_numbers_lack_values(folder):
    finished(folder, '{"measurements": [{"key": "knn"}]}')


@refused.by("written by an earlier version", "use that version to read it")
def results_of_an_earlier_version(folder):
    finished(folder, '{"numbers": [{"name": "kNN", "value": 1.0}]}')


@refused.by("results.json cannot be read", RUN_AGAIN)
def folder_for_results(folder):
    (folder / "results.json").mkdir()
    results.read(str(folder))


@refused.by(
    "ended at step None, but its newest readable checkpoint is of step 7",
    "delete .*results.json to run the rest",
)
def results_without_steps(folder):
    (folder / "pretrain").mkdir()
    (folder / "pretrain" / "results.json").write_text('{"measurements": []}')
    run(folder).check_finished("pretrain", 7)


def claim(folder):
    run_folder.claim(str(folder), "# seed: 1\nx.y = 1\n", overwrite=True)


@refused.by("holds pretrain but no config.gin", "use another --model_dir, or remove these yourself")
def run_without_its_configuration(folder):
    (folder / "pretrain").mkdir()
    claim(folder)


@refused.by("config.gin cannot be read .*utf-8", "use another --model_dir, or delete that folder")
def configuration_that_is_binary(folder):
    (folder / "config.gin").write_bytes(bytes(range(256)))
    claim(folder)


@refused.by("config.gin cannot be read", "use another --model_dir, or delete that folder")
def folder_for_a_configuration(folder):
    (folder / "config.gin").mkdir()
    claim(folder)


@refused.by("cannot be written", "use another --model_dir")
def file_for_a_model_dir(folder):
    (folder / "run").touch()
    with run_folder.locked(str(folder / "run")):
        pass


@refused.by(r"holds no run \(.*config.gin is missing\)", "run bin/train first")
def seed_of_no_run(folder):
    run_folder.saved_seed(str(folder))


@refused.by("command.json cannot be read", "use another --out, or delete the folder")
def record_of_a_point_that_is_cut(folder):
    sweep = Sweep(["a.gin"], [Axis("x.y", (1, 2))])
    runner = Runner(sweep, str(folder))
    point = sweep.points()[0]
    results.write(f"{runner.model_dir(point)}/evaluate", [])
    (folder / "points" / point.name / "command.json").write_text("{")
    runner.is_finished(point)


@refused.by("copies.json cannot be read", "use another --out, or delete")
def record_of_an_audit_that_is_cut(folder):
    (folder / "copies.json").write_text('{"arguments": ')
    audit = types.SimpleNamespace(limit=9, image_size=8, first_steps=5, batch_size=4)
    preparation.prepare(str(folder), None, str(folder), audit)


def saved(folder, steps=(3, 5)):
    """The folder of a learner's checkpoints."""
    checkpoint = Checkpoint(small.contrastive_learner(), str(folder))
    for step in steps:
        checkpoint.save(step)
    return folder / "checkpoints"


def restore(folder):
    return Checkpoint(small.contrastive_learner(), str(folder)).restore()


@refused.by("no checkpoint in .* can be read into this model", "delete that folder to begin")
def checkpoints_that_are_cut(folder):
    for path in saved(folder).glob("*.data*"):
        path.write_bytes(path.read_bytes()[:100])
    restore(folder)


@refused.by("no checkpoint in .* can be read into this model", "delete that folder to begin")
def checkpoints_of_another_model(folder):
    saved(folder)
    Checkpoint(small.contrastive_learner(whole=True), str(folder)).restore()


@refused.by(
    "pretrain ended at step 5, but its newest readable checkpoint is of step 0",
    "delete .*results.json to run the rest",
)
def finished_stage_whose_checkpoints_are_gone(folder):
    results.write(str(folder / "pretrain"), [], steps=5)
    run(folder).check_finished("pretrain", restore(folder / "pretrain"))


@pytest.mark.parametrize("function, pattern", refused)
def test_saved_state_that_is_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


def test_checkpoints_whose_indices_are_gone_are_none(tmp_path, caplog):
    for path in saved(tmp_path).glob("*.index"):
        path.unlink()
    assert restore(tmp_path) == 0
    assert "has no complete checkpoint; the stage begins anew" in caplog.text


def test_a_newest_checkpoint_that_is_cut_gives_way_to_the_one_before(tmp_path, caplog):
    path = next(saved(tmp_path).glob("ckpt-5.data*"))
    path.write_bytes(path.read_bytes()[:100])
    assert restore(tmp_path) == 3 and "ckpt-5 cannot be read" in caplog.text
