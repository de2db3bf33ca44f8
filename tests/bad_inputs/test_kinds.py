"""Bindings whose value is of another kind than the parameter takes; nothing is built for them."""

import inspect
import re
import typing
from collections.abc import Callable

import gin
import keras
import pytest

from infomin_tf.configuration import gin_files, gin_names, kinds
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.sweeps.sweep import Sweep
from infomin_tf.training.loop import TrainingLoop
from tests.bad_inputs.cases import check_refused

# A binding, what it takes, and the hint, added to gin/quickstart.gin.
REFUSED = [
    ("Pretrain.epochs = 'ten'", "a number", ""),
    ("Pretrain.epochs = True", "a number", ""),
    ("Pretrain.batch_size = (64, 64)", "a number", ""),
    ("Pretrain.both_directions = 'no'", "True or False", ""),
    ("CropAndFlip.area = 0.5", "a tuple of 2 numbers", ""),
    ("Experiment.precision = 16", "a string", ""),
    ("Data.limit = 'many'", "a whole number", ""),
    ("TrainingLoop.checkpoint_steps = 'ten'", "a whole number", ""),
    ("SGD.global_clipnorm = 'one'", "a number", ""),
    ("AlexNetHalf.units = 'many'", "a whole number", ""),
    ("LinearProbe.learning_rates = 0.1", "a tuple of numbers", ""),
    ("LinearProbe.learning_rates = ('a',)", "a tuple of numbers", ""),
    ("ChannelSplit.mean = (0.1, 0.2)", "a tuple of 3 numbers", ""),
    ("CropAndFlip.area = (0.5,)", "a tuple of 2 numbers", ""),
    ("CropAndFlip.area = ('low', 'high')", "a tuple of 2 numbers", ""),
    ("ChannelSplit.first_channels = ('Y',)", "a tuple of numbers", ""),
    ("Evaluate.extra_probes = (1, 2)", "a tuple of Probe objects", ""),
    ("Evaluate.extra_probes = (@Transfer,)", "a tuple of Probe", ""),
    ("test/Shapes.size = 2.5", "a whole number", ""),
    ("Pretrain.encoder = None", "something that makes a Layer", ""),
    ("Export.view = 64", "an object of class CenterCrop", ""),
    (
        "ChannelSplit.color_space = 'YDbDr'",
        r"of class ColorSpace \(infomin_tf.views.color\)",
        "",
    ),
    ("ChannelSplit.color_space = @YDbDr", "ColorSpace", "add ()"),
    ("Pretrain.loop = 3", "class TrainingLoop", ""),
    ("Pretrain.loop = @TrainingLoop", "TrainingLoop", "add ()"),
    ("Pretrain.loop = @LinearProbe()", "TrainingLoop", ""),
    ("Pretrain.schedule = 0.1", "class Schedule", ""),
    ("Pretrain.schedule = @Cosine", "Schedule", "add ()"),
    ("Pretrain.optimizer = 'sgd'", r"class Optimizer \(keras\)", ""),
    ("Pretrain.optimizer = @SGD", "Optimizer", "add ()"),
    ("Pretrain.encoder = 'alexnet'", "something that makes a Layer", ""),
    ("Pretrain.encoder = @Encoder()", "something that makes a Layer", "remove the ()"),
    ("Pretrain.encoder = @TrainingLoop", "something that makes a Layer", ""),
    ("Pretrain.negatives = 64", "InBatch .* or .*MomentumQueue .* or", ""),
    ("Encoder.head = @MlpHead", "Layer", "add ()"),
    ("Evaluate.test_view = @CenterCrop", "a function", "add ()"),
    ("Evaluate.test_view = 64", "a function", ""),
    ("Evaluate.probes = True", "a tuple of Probe", ""),
    ("Export.view = @CropAndFlip()", "CenterCrop", ""),
    ("SharedPair.sampler = 'crop'", "Family", ""),
    ("Experiment.evaluation = @Export()", "class EvaluationStage", ""),
    ("LearnViews.pair = @FactorPair()", "class IndependentPair", ""),
    ("Experiment.pretraining = @Evaluate()", "class PretrainingStage", ""),
    ("Experiment.data = 'shapes'", r"class Data \(infomin_tf.data.sets\)", ""),
    ("Data.train = 'shapes'", "class Source", ""),
    ("Data.train = @TrainingLoop()", "Source", ""),
]


@pytest.mark.usefixtures("clean_gin")
@pytest.mark.parametrize("binding, taken, hint", REFUSED)
def test_a_value_of_another_kind_is_refused(binding, taken, hint, tmp_path):
    file = gin_files.find_file("gin/quickstart.gin")

    def load(_):
        gin_files.load(Experiment, [file], [binding])

    any_hint = r"; (add|remove the) \(\)"
    ending = re.escape(f"; {hint}") if hint else rf"(?<!\(\))(?!.*{any_hint})"
    check_refused(
        load, f"{re.escape(binding)}: must be (?!.*{any_hint}.).*{taken}.*{ending}$", tmp_path
    )


@pytest.mark.usefixtures("clean_gin")
@pytest.mark.parametrize(
    "binding",
    [
        "Sweep.axes = @jitter/Axis()",
        "Sweep.axes = (@jitter/Axis,)",
        "Sweep.hours = 'one'",
        "jitter/Axis.values = 'abc'",
        "jitter/Axis.labels = 3",
        "jitter/Axis.binding = 3",
    ],
)
def test_sweeps_of_another_kind_are_refused(binding, tmp_path):
    file = gin_files.find_file("gin/small/fig5_color_jitter.gin")

    def load(_):
        gin_files.load(Sweep, [file], [binding])

    check_refused(load, f"{re.escape(binding)}: must be", tmp_path)


@pytest.mark.usefixtures("clean_gin")
def test_a_macro_is_shown_with_what_it_stands_for():
    gin.parse_config(f"{TEXT}c/test_kinds.takes.size = %one\none = %two\ntwo = 'four'")
    said = "%one, which is 'four': must be a tuple or a whole number"
    assert kinds.wrong_kinds() == [f"c/test_kinds.takes.size = {said}"]


def make_loop(steps=1):
    return TrainingLoop(steps)


def own_view(images, seed=None):
    del seed
    return images


class OwnLoop:
    """Not of this package: it may do what a TrainingLoop does."""


class Unchecked(typing.Protocol):
    def fit(self): ...


def takes(
    loop: TrainingLoop | None = None,
    view: Callable | None = None,
    make: Callable[[], keras.Layer] | None = None,
    size: tuple | int = 3,
    several: list[int] = (),
):
    return loop, view, make, size, several


def unknown(
    name: "TrainingLoop",
    anything: typing.Any,
    thing: object,
    number: complex,
    protocol: Unchecked,
    marked: typing.Annotated[int, "px"],
    mapping: dict[str, int],
    function: Callable[[int], None],
    activation="relu",
):
    return name, anything, thing, number, protocol, marked, mapping, function, activation


TEXT = """from __gin__ import dynamic_registration
import builtins
import keras
from tests.bad_inputs import test_kinds
"""
RIGHT = """
a/test_kinds.takes.loop = @test_kinds.make_loop()
a/test_kinds.takes.view = @test_kinds.own_view
a/test_kinds.takes.make = @keras.layers.Flatten
a/test_kinds.takes.several = (1, 2)
b/test_kinds.takes.loop = None
b/test_kinds.takes.view = @keras.layers.Flatten()
b/test_kinds.takes.size = (1, 2)
b/test_kinds.takes.several = [1, %size]
c/test_kinds.takes.size = %size
c/test_kinds.takes.loop = @test_kinds.OwnLoop()
d/test_kinds.takes.loop = %nowhere
size = 4
test_kinds.make_loop.steps = 2.0
keras.layers.Dense.units = 3
keras.layers.Dense.kernel_initializer = @keras.initializers.HeNormal()
keras.layers.LSTM.recurrent_activation = @keras.activations.relu
keras.layers.Conv2D.strides = 2
SGD.learning_rate = @keras.optimizers.schedules.CosineDecay()
builtins.dict.a = 3
test_kinds.unknown.activation = @keras.ops.relu
"""


@pytest.mark.usefixtures("clean_gin")
def test_values_that_fit_are_taken():
    """What functions return, functions, None, macros, unions, others' classes, references."""
    gin.parse_config(TEXT + RIGHT)
    assert kinds.wrong_kinds() == []


@pytest.mark.usefixtures("clean_gin")
@pytest.mark.parametrize("value", ["3", "'a'", "(1, 2)", "@keras.layers.Flatten", "None"])
@pytest.mark.parametrize("parameter", list(inspect.signature(unknown).parameters)[:-1])
def test_annotations_that_say_nothing_sure_refuse_nothing(parameter, value):
    gin.parse_config(f"{TEXT}test_kinds.unknown.{parameter} = {value}")
    assert kinds.wrong_kinds() == []


@pytest.mark.usefixtures("clean_gin")
@pytest.mark.parametrize(
    "binding, hint",
    [
        ("loop = @test_kinds.make_loop", "; add ()"),
        ("loop = @test_kinds.OwnLoop", "; add ()"),
        ("make = @keras.layers.Flatten()", "; remove the ()"),
        ("several = (1, 'two')", ""),
    ],
)
def test_what_is_sure_to_be_wrong_in_other_packages_is_refused(binding, hint):
    gin.parse_config(f"{TEXT}test_kinds.takes.{binding}")
    [line] = kinds.wrong_kinds()
    assert line.startswith(f"test_kinds.takes.{binding}: must be ") and line.endswith(hint or "s")


def test_every_parameter_of_this_package_that_a_gin_file_may_bind_tells_its_kind():
    """Of the classes that gin files name: by an annotation, or by a default that is not None."""
    silent = set()
    for cls in classes_of_gin_files():
        for parameter in inspect.signature(cls).parameters.values():
            named = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            tells = parameter.annotation is not parameter.empty
            if named and not tells and parameter.default in (None, parameter.empty):
                silent.add(f"{cls.__name__}.{parameter.name}")
    assert not silent


def classes_of_gin_files():
    found = [thing for thing in gin_names.registered().values() if isinstance(thing, type)]
    return [cls for cls in found if cls.__module__.startswith("infomin_tf.")]
