"""The architecture: rooms lie on floors, and import from lower ones only."""

import ast
import functools
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1] / "infomin_tf"
FLOORS = [
    ["errors", "graphs", "seeds", "settings"],
    ["distribution", "environment", "progress", "runs", "views.augment"],
    ["data"],
    ["training"],
    ["learners", "models", "views"],
    ["formats"],
    ["evaluation", "export"],
    ["experiment"],
    ["moving_mnist"],
    ["configuration", "registration"],
    ["sweeps"],
    ["auditing", "embedding"],
    ["command_line"],
    ["library"],
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def modules():
    """dict name -> path of every module but the package itself, without "infomin_tf."."""
    paths = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return {n.removesuffix(".__init__"): p for n, p in zip(names, paths, strict=True)}


MODULES = modules()


@functools.cache
def imports(path):
    """Names of the modules of this package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "infomin_tf":
            base = node.module.removeprefix("infomin_tf").lstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}".lstrip(".")
                found.add(full if full in MODULES else base)
    return frozenset(found - {""})


def room(module):
    return max((r for r in FLOOR_OF if f"{module}.".startswith(f"{r}.")), key=len)


def upward(edges):
    """Of (importing, imported) modules, those that do not lead down, or stay in a room."""
    return sorted(
        (a, b) for a, b in edges if room(a) != room(b) and FLOOR_OF[room(b)] >= FLOOR_OF[room(a)]
    )


def test_no_room_imports_from_a_higher_floor_or_from_another_of_its_own():
    edges = {(name, other) for name, path in MODULES.items() for other in imports(path)}
    assert len(edges) > 300
    assert not upward(edges)


def test_an_import_that_climbs_is_seen():
    climbing = [("data.pipeline", "views.pairs"), ("models.resnet", "learners.losses")]
    assert (
        upward([*climbing, ("views.pairs", "views.augment.crop"), ("auditing.audit", "errors")])
        == climbing
    )


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_do_not_import_each_other_in_a_circle(name):
    waiting, seen = list(imports(MODULES[name])), set()
    while waiting:
        module = waiting.pop()
        assert module != name, f"{name} leads back to itself"
        if module not in seen:
            seen.add(module)
            waiting += imports(MODULES[module]) if module in MODULES else ()
