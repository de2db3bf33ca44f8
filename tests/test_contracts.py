"""What gin files can name answers to a contract, so that loops need to ask nothing about it."""

import inspect
import pathlib
import re

import keras
import pytest

from infomin_tf.auditing.audit import Audit
from infomin_tf.configuration import gin_names
from infomin_tf.data.images import Images, Repeat, Source
from infomin_tf.data.sets import Data
from infomin_tf.data.shapes import Shapes
from infomin_tf.evaluation.probe import CachedProbe, Probe
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.experiment.stage import Stage, TrainedStage
from infomin_tf.learners.bounds import Bound
from infomin_tf.learners.negatives import Negatives
from infomin_tf.models.encoder import Encoder
from infomin_tf.moving_mnist.stages import PretrainSequences
from infomin_tf.sweeps import axes
from infomin_tf.sweeps.sweep import Sweep
from infomin_tf.training.loop import TrainingLoop
from infomin_tf.training.schedules import Schedule
from infomin_tf.views.augment.jigsaw import JigsawPatches
from infomin_tf.views.augment.transform import Transform
from infomin_tf.views.color import ColorSpace
from infomin_tf.views.generators import PixelFlow
from infomin_tf.views.pairs import CenterCrop, Pair
from infomin_tf.views.sampler import Sampler
from infomin_tf.views.splits import Split

ROOT = pathlib.Path(__file__).parents[1]
NAMED = gin_names.registered()
CONTRACTS = (Stage, Probe, Source, Pair, Sampler, Transform, Split, ColorSpace, PixelFlow)
CONTRACTS += (Negatives, Bound, Schedule, keras.optimizers.Optimizer)
NETWORKS = {  # layers by what an encoder asks of them
    "output_dimension": {"AlexNetHalf", "ConvNet", "ResNet18", "ResNet34", "ResNet50", "ResNet101"}
    | {"ResNet152", "ResNeXt50", "ResNeXt101", "ResNeXt152"},
    "dimension": {"LinearHead", "MlpHead", "JigsawHead"},
}
# Each is the only one of its kind.
SINGLE = {Experiment, Data, Sweep, Audit, TrainingLoop, JigsawPatches, CenterCrop, Encoder}
AXES = {axes.Axis, axes.FileAxis, axes.BindingsAxis, axes.Combinations}


def shipped():
    """Names of classes and functions in the gin files of the package."""
    found = set()
    for path in (ROOT / "gin").rglob("*.gin"):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        text = "\n".join(lines)
        found |= set(re.findall(r"@(?:\w+/)*([\w.]+)", text))
        found |= set(re.findall(r"^(?:\w+/)*([\w.]+)\.\w+ *=", text, re.MULTILINE))
    return found


def test_gin_files_name_what_is_registered_and_nothing_else():
    assert len(shipped()) > 60 and shipped() <= NAMED.keys()


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_a_gin_file_names_answers_to_a_contract(name):
    thing = NAMED[name]
    if not isinstance(thing, type):
        assert isinstance(thing(), Sampler | JigsawPatches)
        return
    of_network = [attribute for attribute, names in NETWORKS.items() if name in names]
    if of_network:
        assert issubclass(thing, keras.Layer)
        return
    assert thing in SINGLE | AXES or issubclass(thing, CONTRACTS), name


CHECKED = [Stage, TrainedStage, Probe, CachedProbe, Images, Pair, Sampler, Transform, Negatives]


def subclasses(contract):
    for sub in contract.__subclasses__():
        yield sub
        yield from subclasses(sub)


@pytest.mark.parametrize("contract", CHECKED, ids=lambda c: c.__name__)
def test_methods_take_what_their_contract_says(contract):
    """Same names in the same order; more of them have defaults."""
    compared = 0
    for kind in subclasses(contract):
        if not kind.__module__.startswith("infomin_tf"):
            continue
        for name, method in vars(contract).items():
            if not inspect.isfunction(method) or name.startswith("_") or name not in vars(kind):
                continue
            if isinstance(vars(kind)[name], property):
                continue
            wanted = list(inspect.signature(method).parameters)
            given = inspect.signature(vars(kind)[name]).parameters
            assert list(given)[: len(wanted)] == wanted, (kind, name)
            more = list(given.values())[len(wanted) :]
            assert all(p.default is not p.empty for p in more), (kind, name)
            compared += 1
    assert compared


def test_a_class_without_the_contract_is_seen():
    class Free:
        pass

    assert not issubclass(Free, CONTRACTS) and issubclass(Shapes, Source)
    assert issubclass(PretrainSequences, CONTRACTS) and issubclass(Repeat, CONTRACTS)
