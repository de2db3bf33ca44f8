"""What Experiment asks of a stage, each class of stages has."""

import ast
import inspect
import types
import typing

import pytest

from infomin_tf.errors import UserError
from infomin_tf.experiment import experiment, order
from infomin_tf.experiment.stage import Stage

ROLES = ("pretraining", "evaluation", "view_learning", "export")


def asked_of(role):
    """Names of the attributes that Experiment and the order of stages take from any stage, and from
    one of that role.
    """
    trees = [ast.parse(inspect.getsource(module)) for module in (experiment, order)]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in (role, f"self._{role}", "stage")
    }


def owned_by(kind):
    """Names that the class has, or assigns to itself."""
    sources = (inspect.getsource(one) for one in kind.__mro__[:-1])
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    assigned = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }
    return set(dir(kind)) | assigned


def kinds(role):
    """The classes that Experiment takes for that role."""
    hint = typing.get_type_hints(experiment.Experiment.__init__)[role]
    return [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]


STAGES = [(role, kind) for role in ROLES for kind in kinds(role)]


@pytest.mark.parametrize(
    ("role", "kind"), STAGES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_stage_has_all_that_an_experiment_asks_of_it(role, kind):
    asked = asked_of(role)
    assert {"name", "check", "run", "restore", "begin_again"} <= asked <= owned_by(kind)
    assert issubclass(kind, Stage)


class FakeStage(Stage):
    """Notes where it is when it runs."""

    def __init__(self, name, lacks=None, steps=0):
        self.name, self.lacks, self.steps = name, lacks, steps

    def num_steps(self, run):
        return self.steps

    def check(self, run):
        if self.lacks:
            raise UserError(self.lacks)

    def run(self, run):
        run.said.append((run.place.rest(self.name), run.place.later_steps))


@pytest.fixture
def run(monkeypatch):
    for name, result in {"check_images": False, "write": None}.items():
        monkeypatch.setattr(order.begun, name, lambda *_, result=result: result)
    return types.SimpleNamespace(seed=0, said=[], is_finished=lambda name: name == "done")


def test_one_message_has_what_the_unfinished_stages_lack_and_nothing_runs(run):
    stages = [
        FakeStage("done", "x"),
        FakeStage("a", "no images"),
        FakeStage("b"),
        FakeStage("c", "y"),
    ]
    with pytest.raises(UserError, match="^no images\ny$"):
        order.run_stages(run, stages)
    assert run.said == []


def test_a_stage_says_how_many_steps_later_trainings_have(run):
    order.run_stages(run, [FakeStage("a", steps=3), FakeStage("b", steps=40), FakeStage("c")])
    assert run.said == [("then b (40 steps), c", 40), ("then c", 0), ("", 0)]
