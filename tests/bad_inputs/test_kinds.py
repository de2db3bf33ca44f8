"""Bindings whose value is of another kind than the parameter takes; nothing is built for them."""

import re
from collections.abc import Callable

import gin
import keras
import pytest

from infomin_tf import configuration, kinds
from infomin_tf.experiment import Experiment
from infomin_tf.training import TrainingLoop
from tests.bad_inputs.cases import check_refused

# A binding, what it takes, and the hint, added to gin/quickstart.gin.
REFUSED = [
    ("pretrain.Pretrain.epochs = 'ten'", "a number", ""),
    ("pretrain.Pretrain.epochs = True", "a number", ""),
    ("pretrain.Pretrain.batch_size = (64, 64)", "a number", ""),
    ("pretrain.Pretrain.batch_size = @training.TrainingLoop()", "a number", ""),
    ("pretrain.Pretrain.both_directions = 'no'", "True or False", ""),
    ("pairs.CropAndFlip.area = 0.5", "a tuple", ""),
    ("experiment.Experiment.precision = 16", "a string", ""),
    ("experiment.Data.limit = 'many'", "a number", ""),
    ("training.TrainingLoop.checkpoint_steps = 'ten'", "a number", ""),
    ("keras.optimizers.SGD.global_clipnorm = 'one'", "a number", ""),
    ("alexnet.AlexNetHalf.units = 'many'", "a number", ""),
    ("linear.LinearProbe.learning_rates = 0.1", "a tuple", ""),
    ("splits.ChannelSplit.mean = 0.5", "a tuple", ""),
    (
        "splits.ChannelSplit.color_space = 'YDbDr'",
        r"of class ColorSpace \(infomin_tf.views.color\)",
        "",
    ),
    ("splits.ChannelSplit.color_space = @color.YDbDr", "ColorSpace", "add ()"),
    ("pretrain.Pretrain.loop = 3", "class TrainingLoop", ""),
    ("pretrain.Pretrain.loop = @training.TrainingLoop", "TrainingLoop", "add ()"),
    ("pretrain.Pretrain.loop = @linear.LinearProbe()", "TrainingLoop", ""),
    ("pretrain.Pretrain.schedule = 0.1", "class Schedule", ""),
    ("pretrain.Pretrain.schedule = @schedules.Cosine", "Schedule", "add ()"),
    ("pretrain.Pretrain.optimizer = 'sgd'", r"class Optimizer \(keras\)", ""),
    ("pretrain.Pretrain.optimizer = @keras.optimizers.SGD", "Optimizer", "add ()"),
    ("pretrain.Pretrain.encoder = 'alexnet'", "what makes a Layer", ""),
    ("pretrain.Pretrain.encoder = @encoder.Encoder()", "what makes a Layer", "remove the ()"),
    ("pretrain.Pretrain.encoder = @training.TrainingLoop", "what makes a Layer", ""),
    ("pretrain.Pretrain.negatives = 64", "InBatch .* or .*MomentumQueue .* or", ""),
    ("encoder.Encoder.head = @heads.MlpHead", "Layer", "add ()"),
    ("evaluate.Evaluate.test_view = @pairs.CenterCrop", "a function", "add ()"),
    ("evaluate.Evaluate.test_view = 64", "a function", ""),
    ("evaluate.Evaluate.linear_probe = True", "LinearProbe", ""),
    ("export.Export.view = @pairs.CropAndFlip()", "CenterCrop", ""),
    ("pairs.SharedPair.sampler = 'crop'", "Family", ""),
    ("experiment.Experiment.pretraining = @evaluate.Evaluate()", "Pretrain .* or", ""),
    ("experiment.Experiment.data = 'shapes'", r"class Data \(infomin_tf.experiment\)", ""),
    ("experiment.Data.train = 'shapes'", "class Source", ""),
    ("experiment.Data.train = @training.TrainingLoop()", "Source", ""),
]


@pytest.mark.usefixtures("clean_gin")
@pytest.mark.parametrize("binding, taken, hint", REFUSED)
def test_a_value_of_another_kind_is_refused(binding, taken, hint, tmp_path):
    imports = "from infomin_tf import schedules\nfrom infomin_tf import training\nfrom infomin_tf.models import alexnet\n"
    file = configuration.find_file("gin/quickstart.gin")

    def load(_):
        configuration.load(Experiment, [file], [imports + binding])

    check_refused(load, f"{re.escape(binding)}: takes .*{taken}.*{re.escape(hint)}$", tmp_path)


def make_loop(steps=1):
    return TrainingLoop(steps)


def own_view(images, seed=None):
    del seed
    return images


def takes(
    loop: TrainingLoop | None = None,
    view: Callable | None = None,
    make: Callable[[], keras.Layer] | None = None,
    unknown: "TrainingLoop" = None,  # a name, which cannot be judged
    size: tuple | int = 3,
):
    return loop, view, make, unknown, size


@pytest.mark.usefixtures("clean_gin")
def test_values_that_fit_are_taken():
    """What functions return, functions themselves, None, macros, unions and annotations that say nothing."""
    text = """from __gin__ import dynamic_registration
import keras
from tests.bad_inputs import test_kinds
a/test_kinds.takes.loop = @test_kinds.make_loop()
a/test_kinds.takes.view = @test_kinds.own_view
a/test_kinds.takes.make = @keras.layers.Flatten
a/test_kinds.takes.unknown = 3
b/test_kinds.takes.loop = None
b/test_kinds.takes.size = (1, 2)
c/test_kinds.takes.size = %size
size = 4
test_kinds.make_loop.steps = 2.0
keras.layers.Dense.units = 3
keras.layers.Conv2D.strides = 2
"""
    gin.parse_config(text)
    assert kinds.wrong_kinds() == []
    gin.parse_config(text.replace("size = 4", "size = 'four'").replace("make_loop()", "make_loop"))
    assert [line.partition(":")[0] for line in kinds.wrong_kinds()] == [
        "a/test_kinds.takes.loop = @test_kinds.make_loop",
        "c/test_kinds.takes.size = 'four'",
    ]
