"""examples/choose_learn_measure.ipynb: its code is sound, and what it shows is so."""

import ast
import builtins
import importlib
import inspect
import json

import pytest

from benchmarks.notebook import NOTEBOOK, execute
from infomin_tf.configuration import gin_files
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.runs import results

CONTENT = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
CELLS = [cell for cell in CONTENT["cells"] if cell["cell_type"] == "code"]


def code(cell):
    """The Python of a cell, without lines for IPython."""
    return "".join(line for line in cell["source"] if not line.startswith("%"))


TREE = ast.parse("\n".join(code(cell) for cell in CELLS))


def imported():
    """dict name -> what it is, of all imports."""
    found = {}
    for node in ast.walk(TREE):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = importlib.import_module(alias.name)
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                is_there = hasattr(module, alias.name)
                path = f"{node.module}.{alias.name}"
                value = getattr(module, alias.name) if is_there else importlib.import_module(path)
                found[alias.asname or alias.name] = value
    return found


def looked_up(node, known):
    """What a dotted name of an import is; None for other expressions."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = looked_up(node.value, known)
        return None if owner is None else getattr(owner, node.attr)
    return None


def assigned(name):
    """The value of a constant of the notebook."""
    [node] = [
        node.value
        for node in TREE.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name
    ]
    return ast.literal_eval(node)


def test_every_name_exists_and_every_call_has_real_arguments():
    known = imported()
    calls = [node for node in ast.walk(TREE) if isinstance(node, ast.Call)]
    for node in ast.walk(TREE):
        if isinstance(node, ast.Attribute):
            looked_up(node, known)
    checked = 0
    for call in calls:
        function = looked_up(call.func, known)
        if getattr(function, "__module__", "").startswith("infomin_tf"):
            names = {keyword.arg: None for keyword in call.keywords}
            inspect.signature(function).bind(*call.args, **names)
            checked += 1
    assert checked > 10


def test_every_name_is_defined():
    own = {node.name for node in ast.walk(TREE) if isinstance(node, ast.FunctionDef)}
    own |= {node.arg for node in ast.walk(TREE) if isinstance(node, ast.arg)}
    names = [node for node in ast.walk(TREE) if isinstance(node, ast.Name)]
    own |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    assert used <= own | set(imported()) | set(dir(builtins))


@pytest.mark.usefixtures("clean_gin")
@pytest.mark.parametrize("views", assigned("VIEWS"))
def test_its_bindings_build(views):
    bindings = [*assigned("SETTINGS"), *assigned("VIEWS")[views]]
    gin_files.parse([gin_files.find_file("gin/quickstart.gin")], bindings)
    gin_files.build(Experiment)
    gin_files.check_all_used()


def test_it_comes_with_small_pictures_and_without_errors():
    assert NOTEBOOK.stat().st_size < 500_000
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    pictures = [x for x in outputs if any("image/" in kind for kind in x.get("data", ()))]
    assert len(pictures) >= 6
    assert not [x for x in outputs if x["output_type"] == "error" or x.get("name") == "stderr"]
    assert "Traceback" not in json.dumps(outputs)
    counts = [cell["execution_count"] for cell in CELLS]
    assert counts == list(range(1, len(CELLS) + 1))


@pytest.mark.long
def test_it_runs_from_top_to_bottom_and_pretraining_pays(tmp_path):
    notebook = execute(str(tmp_path))
    pictures = [x for cell in notebook.cells for x in cell.get("outputs", ()) if "data" in x]
    assert len(pictures) >= 6
    found = {}
    for views in ("raw", "by_hand", "learned"):
        content = results.read(str(tmp_path / "runs" / "notebook" / views / "evaluate"))
        found[views] = {m["key"]: m["value"] for m in content["measurements"]}
    for probe in ("fast_linear_probe", "knn"):
        untrained = found["raw"][f"{probe}/untrained"]
        assert found["raw"][f"{probe}/pre-trained"] > untrained + 10
        assert found["learned"][f"{probe}/pre-trained"] > untrained + 10
