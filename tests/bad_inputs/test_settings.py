"""gin files that cannot be read, and settings that have no sense."""

import os
import re
import sys

import keras
import numpy as np
import pytest

from infomin_tf.configuration import gin_files
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.run import Run
from infomin_tf.learners.negatives import MomentumQueue
from infomin_tf.views import pairs
from tests import fake_experiment as fake
from tests import small
from tests.bad_inputs.cases import Refused, check_refused

HEADER = """from __gin__ import dynamic_registration
from tests import fake_experiment
"""
PART = "fake_experiment.Experiment.first = @fake_experiment.Part()\nfake_experiment.Part.size = 4\n"
files = Refused()


@pytest.fixture(autouse=True)
def clean(clean_gin, tmp_path, monkeypatch):
    """No earlier bindings, an empty working directory, whose modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def build(content, *bindings):
    """The parts of the experiment of file.gin."""
    content = content if isinstance(content, bytes) else content.encode()
    with open("file.gin", "wb") as file:
        file.write(content)
    gin_files.parse([gin_files.find_file("file.gin")], bindings)
    built = gin_files.build(fake.Experiment)
    gin_files.check_all_used()
    return built.parts


def write(name, text):
    with open(name, "w") as file:
        file.write(text)


@files.by("file.gin -> b.gin -> file.gin", "remove one of these includes")
def circle_of_includes(folder):
    write("b.gin", 'include "file.gin"\n')
    build('include "b.gin"\n')


@files.by("file.gin -> file.gin", "remove one of these includes")
def file_that_includes_itself(folder):
    build('include "file.gin"\n')


@files.by("b.gin -> c.gin -> b.gin", "remove one of these includes")
def circle_of_includes_in_a_sweep(folder):
    write("b.gin", 'include "c.gin"\n')
    write("c.gin", 'include "b.gin"\n')
    gin_files.digest(["b.gin"])


@files.by("include each other in a circle", "remove one of these includes")
def circle_of_includes_in_a_binding(folder):
    write("b.gin", 'include "b.gin"\n')
    build(HEADER + PART, "include 'b.gin'")


@files.by("not a text file in UTF-8", "save it as one In file.gin")
def binary_file(folder):
    build(bytes(range(256)))


@files.by("not a text file in UTF-8", "save it as one In file.gin")
def file_in_utf_16(folder):
    build((HEADER + PART).encode("utf-16"))


@files.by(
    "bind nothing of|not bound; add", "bin/sweep needs files that bind Sweep|Experiment.first = ..."
)
def empty_file(folder):
    build("# nothing\n")


@files.by("gin_file=folder.gin was not found", "nearest: .*file.gin")
def folder_for_a_file(folder):
    write("file.gin", "")
    os.mkdir("folder.gin")
    gin_files.find_file("folder.gin")


@files.by("Unable to open file: none.gin.*line 1", "nearest: .*one.gin")
def include_that_is_not_there(folder):
    write("one.gin", "")
    build('include "none.gin"\n')


@files.by("No module named 'no_module'", 'In file "file.gin", line ..? import no_module')
def module_that_is_not_there(folder):
    build(HEADER + "import no_module\n")


@files.by("ZeroDivisionError: division by zero in .*raises.py, line 2", "fix that module")
def module_that_raises(folder):
    write("raises.py", "one = 1\none / 0\n")
    build(HEADER + "import raises\n")


@files.by("invalid syntax", 'In file ".*unfinished.py", line 1')
def module_with_a_mistake(folder):
    write("unfinished.py", "def f(:\n")
    build(HEADER + "import unfinished\n")


@files.by("macro %SIZE is not bound", "add SIZE = ...")
def macro_that_is_not_bound(folder):
    build(HEADER + PART, "fake_experiment.Part.rate = %SIZE")


@files.by("refer to each other in a circle", "A = %B and B = %A; fix one of them")
def macros_in_a_circle(folder):
    build(HEADER + PART + "A = %B\nB = %A\nfake_experiment.Part.rate = %A\n")


@files.by("refer to each other in a circle", "fix one of them")
def object_made_of_itself(folder):
    build(HEADER + PART, "fake_experiment.Part.size = @fake_experiment.Part()")


@files.by("expected ':' or '='", "In --gin_param='fake_experiment.Part.size'")
def binding_without_a_value(folder):
    build(HEADER + PART, "fake_experiment.Part.size")


@files.by("^Failed to parse token 'ten' In", "text needs quotes of its own")
def text_without_quotes(folder):
    build(HEADER + PART, "fake_experiment.Part.size = ten")


@files.by("Unable to parse value", "text needs quotes of its own")
def path_without_quotes(folder):
    build(HEADER + PART, "fake_experiment.Part.size = /data/photos")


@pytest.mark.parametrize("function, pattern", files)
def test_files_that_are_refused(function, pattern, tmp_path):
    before = set(sys.modules)
    try:
        check_refused(function, pattern, tmp_path)
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


# A class, what it needs, a binding without sense, and what its message must say; the place follows.
NEEDED = {
    "Pretrain": "Pretrain.encoder = @Encoder\nPretrain.optimizer = @SGD()\n",
    "LinearProbe": "LinearProbe.optimizer = @SGD()\nLinearProbe.train_view = @CropAndFlip()\n",
    "NearestNeighbours": "",
    "Data": "Data.unlabelled = @Shapes()\n",
    "ImageFolder": "ImageFolder.directory = '.'\n",
    "Tfds": "Tfds.name = 'cifar10'\nTfds.split = 'train'\n",
    "GaussianBlur": "",
}
WITHOUT_SENSE = [
    ("Pretrain", "epochs = -1", "needs 0 epochs or more"),
    ("Pretrain", "batch_size = 0", "batches of at least 2 images"),
    ("Pretrain", "batch_size = 1", "batches of at least 2 images"),
    ("Pretrain", "batch_size = 2.5", "whole batches"),
    ("Pretrain", "num_candidates = 1", "needs num_candidates >= 2"),
    ("Pretrain", "knn_every_epochs = -1", "knn_every_epochs >= 0"),
    ("TrainingLoop", "steps_per_call = 0", "of at least 1, not steps_per_call = 0"),
    ("TrainingLoop", "checkpoint_steps = -3", "of at least 1, not checkpoint_steps = -3"),
    ("Pretrain", "epochs = None", "not None epochs"),
    ("LinearProbe", "batch_size = -8", "batches of at least 1 images"),
    ("LinearProbe", "tuning_epochs = -1", "needs 0 epochs or more"),
    ("NearestNeighbours", "k = 0", "must be a whole number of at least 1"),
    ("NearestNeighbours", "temperature = 0", "must be a number above 0"),
    ("Data", "limit = -1", "None or at least 2 images"),
    ("ImageFolder", "image_size = 0", "image_size and limit must be at least 1"),
    ("ImageFolder", "limit = 0", "image_size and limit must be at least 1"),
    ("ImageFolder", "test_share = 1.5", r"shares of ImageFolder must be in \[0, 1\]"),
    ("ImageFolder", "split = 'valid'", "not one of all, train, test"),
    ("Tfds", "image_size = 0", "at least 1 pixel"),
    ("InBatch", "temperature = 0", "must be a number above 0"),
    ("MomentumQueue", "temperature = 0.0", "temperature must be a number above 0"),
    ("MomentumQueue", "size = 0", "size must be a whole number of at least 1"),
    ("MemoryBank", "temperature = -1", "temperature must be a number above 0"),
    ("MemoryBank", "momentum = 1.5", "momentum must be a number of at least 0 and below 1"),
    ("GaussianBlur", "probability = 1.5", r"must be in \[0, 1\]"),
    ("CropAndFlip", "size = 0", "needs size >= 1"),
    ("CropAndFlip", "area = (0.5, 2)", "0 < low <= high <= 1"),
    ("CropAndFlip", "ratio = (0, 1)", r"ratio \(low, high\) with 0 < low <= high"),
    ("ShiftAndFlip", "pixels = -1", "pixels >= 0"),
    ("CenterCrop", "size = 80", "make 1 <= size <= resize"),
    ("CenterCrop", "size = 0", "make 1 <= size <= resize"),
]


@pytest.mark.parametrize("part, binding, message", WITHOUT_SENSE)
def test_settings_without_sense_are_refused_where_they_are_built(part, binding, message, tmp_path):
    text = f"fake_experiment.Experiment.first = @{part}()\n{NEEDED.get(part, '')}"

    def built(_):
        build(HEADER + text, f"{part}.{binding}")

    check_refused(built, f"(?=.*{re.escape(part)}).*{message}", tmp_path)


def test_files_that_are_odd_but_right():
    """A mark at the start, Windows line ends, other letters, a binding that is given twice."""
    text = ("\ufeff" + HEADER + PART + "# größer\n").replace("\n", "\r\n")
    twice = ("fake_experiment.Part.size = 5", "fake_experiment.Part.size = 6")
    assert build(text, *twice, "")[0].size == 6


def test_views_of_odd_size_and_larger_than_the_image():
    pair = pairs.IndependentPair(pairs.CropAndFlip(33))
    views, _ = pair(small.images().images[:4], (0, 0))
    assert views.shape == (4, 33, 33, 3) and 0 <= np.min(views) < np.max(views) <= 1


def test_a_queue_of_more_keys_than_images_works_and_is_warned_of(caplog):
    stage = Pretrain(
        small.encoder, keras.optimizers.SGD(0.1), MomentumQueue(100), batch_size=8, epochs=1
    )
    stage.make_encoders(2)
    images, pair = small.images(40), pairs.SharedPair(pairs.CropAndFlip(12))
    run = Run("run", None, 0, images, None, None, images, pair, small.split(), "")
    learner, task = stage.prepare(run)
    assert "queue of 100 keys holds each of 40 images more than once" in caplog.text
    assert "lower MomentumQueue.size" in caplog.text
    loss = [float(learner.train_step(b)["loss"]) for b in task.make_batches(0, (0, 1)).take(2)]
    assert np.all(np.isfinite(loss))
