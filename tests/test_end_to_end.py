"""The command as a user runs it: all stages, killed in each, evaluated, exported, fine-tuned."""

import json
import os
import pathlib
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.experiment.pictures import START_PAGE
from tests.chaos import kills, runs

ROOT = pathlib.Path(__file__).parents[1]


def run(program, model_dir, *more, **variables):
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | variables
    return subprocess.run(
        runs.command(program, model_dir, *more),
        cwd=variables.get("HOME", "/"),
        env=environment,
        capture_output=True,
        text=True,
    )


def numbers(model_dir):
    """All numbers of all stages, without paths."""
    return {
        stage: [
            (n["label"], n["value"])
            for n in json.loads((model_dir / stage / "results.json").read_text())["measurements"]
        ]
        for stage in ("learn_views", "pretrain", "evaluate", "export")
    }


def checkpoint(model_dir, stage):
    files = (model_dir / stage / "checkpoints").glob("*.index")
    newest = max((file.with_suffix("") for file in files), key=lambda p: int(p.name.split("-")[1]))
    reader = tf.train.load_checkpoint(str(newest))
    names = [n for n in reader.get_variable_to_shape_map() if n.startswith("variables/")]
    return {name: reader.get_tensor(name) for name in names}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    model_dir, home = tmp_path_factory.mktemp("unbroken"), tmp_path_factory.mktemp("home")
    for folder in ("tmp", ".keras"):
        (home / folder).mkdir()
    # A person's own settings of Keras do not count: the other runs of these tests have none.
    settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
    (home / ".keras" / "keras.json").write_text(json.dumps(settings | {"backend": "torch"}))
    done = run("train", model_dir, HOME=str(home), TMPDIR=str(home / "tmp"))
    assert done.returncode == 0, done.stderr[-3000:]
    return model_dir, done, home


def test_all_stages_leave_their_files_and_a_table(finished):
    model_dir, done, _ = finished
    for path in ("config.gin", "export/saved_model/saved_model.pb", "export/encoder.keras"):
        assert (model_dir / path).exists()
    table = done.stdout[done.stdout.index("Results in") :]
    for words in (
        "linear probe, pre-trained",
        "linear probe, untrained",
        "kNN, raw pixels",
        "I_NCE",
    ):
        assert words in table
    facts = json.loads((model_dir / "pretrain" / "results.json").read_text())
    assert facts["seed"] == 0 and facts["steps"] == 20 and "tensorflow" in facts["versions"]
    assert facts["data"]["unlabelled"] == "shapes:unlabelled, 160 images"


def test_nothing_is_written_outside_of_model_dir(finished):
    """Where the command was started, which is the home folder here, or left among temporary files;
    but for the settings of Keras and the caches of matplotlib, which Keras imports.
    """
    *_, home = finished
    written = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
    libraries = (".keras", ".cache/matplotlib", ".config/matplotlib")
    assert not [p for p in written if not any(p.is_relative_to(name) for name in libraries)]


@pytest.mark.long
def test_kill_9_in_each_stage_changes_nothing(finished, tmp_path):
    unbroken, *_ = finished
    broken = tmp_path / "run"
    kills.broken_run(broken, kills.plan(random.Random(0), 0, 4, 1))
    runs.check_alike(broken, unbroken)
    for stage in ("learn_views", "pretrain", "evaluate/linear_probe_pre-trained"):
        expected, resumed = checkpoint(unbroken, stage), checkpoint(broken, stage)
        assert expected.keys() == resumed.keys() and expected
        for name, value in expected.items():
            np.testing.assert_array_equal(resumed[name], value, err_msg=f"{stage} {name}")


ONE_AFTER_THE_OTHER = """
import gin, json, runpy, sys
for _, program, *flags in json.loads(sys.argv[1]):
    sys.argv = [program, *flags]
    gin.clear_config()
    print("---", file=sys.stderr)
    runpy.run_path(program)
"""  # ends with the status of the first that fails


@pytest.mark.long
def test_evaluation_and_export_can_be_repeated_and_other_settings_are_refused(finished):
    """Finished stages are skipped; the difference of another configuration is told."""
    model_dir, *_ = finished
    before = numbers(model_dir)
    other = "--gin_param=Pretrain.batch_size = 8"
    lines = [runs.command(name, model_dir) for name in ("evaluate", "export", "train")]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps([*lines, [*lines[-1], other]])],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert numbers(model_dir) == before
    again, refused = done.stderr.rsplit("---\n", 2)[1:]
    assert "pretrain is finished: skipped" in again
    assert "Pretrain.batch_size: 16 -> 8" in refused
    assert "--overwrite" in refused and "Traceback" not in refused
    assert (model_dir / "export" / "results.json").exists()


def test_events_hold_scalars_pictures_and_the_configuration(finished):
    model_dir, *_ = finished
    tags = set()
    for path in model_dir.glob("*/events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            tags |= {value.tag for value in event.summary.value}
    wanted = {
        "i_nce",
        "held_out/i_nce",
        "held_out/classifier_1_accuracy",
        "held_out/inversion_error",
        "views/image_and_channels",
        "knn_accuracy",
        "configuration/text_summary",
    }
    assert wanted <= tags | {
        tag.replace("configuration", "configuration/text_summary") for tag in tags
    }


@pytest.mark.parametrize("stage", ["learn_views", "pretrain"])
def test_the_page_that_tensorboard_begins_with_explains_every_scalar_and_picture(stage, finished):
    model_dir, *_ = finished
    values = {}
    for path in (model_dir / stage).glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            values |= {value.tag: value for value in event.summary.value}
    page = tf.make_ndarray(values.pop(START_PAGE).tensor).item().decode()
    texts = [tag for tag in values if values[tag].metadata.plugin_data.plugin_name == "text"]
    assert texts == ["configuration"] and texts[0] > START_PAGE
    names = set(re.findall(r"`([^`]+)`", page))
    assert values.keys() - texts <= names
    seldom = {"loss_scale", "Pretrain.knn_every_epochs"}
    seldom |= {"views/frames_and_view_2"}
    assert names <= values.keys() | seldom


def test_the_log_says_where_the_run_is_and_what_comes_then(finished):
    _, done, _ = finished
    assert "\r" not in done.stderr
    for line in (
        r"stage 1/4 learn_views: begins at step 0 of 10 \(0%\)",
        r"stage 1/4 learn_views: step 10 of 10 .* I_NCE \S+, .*then pretrain \(\d+ steps\), ev.*",
        r"stage 2/4 pretrain: step 20 of 20 .* kNN \d+\.\d%, .*then evaluate, export.*",
        r"stage 3/4 evaluate: linear_probe_untrained: .* then the rest of evaluate, export.*",
        r"stage 4/4 export begins",
        r"stage 4/4 export is finished after 00:\d\d",
    ):
        assert re.search(rf"^{line}$", done.stderr, re.MULTILINE), line


@pytest.mark.long
def test_the_example_fine_tunes_the_export(finished):
    model_dir, *_ = finished
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "finetune_saved_model.py"),
            str(model_dir / "export"),
            "--epochs=8",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    frozen, tuned = (float(line.split(": ")[1].split()[0]) for line in done.stdout.splitlines())
    assert tuned > frozen > 20.0  # chance is 12.5


@pytest.mark.long
@pytest.mark.real_data
def test_one_step_of_the_papers_resnet_50(real_data_dir, tmp_path):
    """gin/paper/table6_resnet50_200.gin as it is but for the data and the batch: every binding is
    live, crops are cut from the files.
    """
    parameters = [
        'Tfds.name = "imagenette96"',
        'test/Tfds.split = "test"',
        "Tfds.memory_limit_gib = 0.0",
        "Data.limit = 8",
        "Pretrain.batch_size = 4",
        "TrainingLoop.steps_limit = 1",
    ]
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "bin" / "train"),
            "--gin_file=gin/paper/table6_resnet50_200.gin",
            *(f"--gin_param={parameter}" for parameter in parameters),
            f"--data_dir={real_data_dir}",
            f"--model_dir={tmp_path}",
            "--until=pretrain",
        ],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (65536, 128) in [v.shape for v in checkpoint(tmp_path, "pretrain").values()]
    assert json.loads((tmp_path / "pretrain" / "results.json").read_text())["steps"] == 1
