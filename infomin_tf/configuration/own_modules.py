"""A person's own modules, which gin files import: where they are found, how mistakes are told."""

import importlib.util
import os
import re
import sys
import traceback

import gin

import infomin_tf
from infomin_tf.errors import UserError

_OWN_FOLDERS = "# modules in: "
_added = []


def parse(binding):
    """Parses a gin text that sees what all files read so far import; raises what gin raises."""
    gin.parse_config(_lines() + binding)


def search_beside(path):
    """Lets gin import from a gin file's folder ("" for the working one), after all installed."""
    _search(os.path.abspath(os.path.dirname(path)))


def check_beside(path, text):
    """Raises UserError when a gin file would get another module than its neighbour of that name.

    Args:
        path: of the file.
        text: its contents.
    """
    folder = os.path.abspath(os.path.dirname(path))
    for name in re.findall(r"^(?:import|from)\s+(\w+)", text, re.MULTILINE):
        inside = (os.path.join(folder, f"{name}.py"), os.path.join(folder, name, "__init__.py"))
        beside = [own for own in inside if os.path.isfile(own)]
        if not beside or name == "infomin_tf":
            continue
        spec = importlib.util.find_spec(name)
        found = os.path.realpath(spec.origin) if spec and spec.has_location else None
        if found not in map(os.path.realpath, beside):
            raise UserError(
                f"{path} imports {name}, but gets another module of that name "
                f"({found or 'a part of Python'}) instead of {beside[0]}; give yours another name"
            )


def own_mistake(error):
    """What to fix in a person's own module, where an error came through one; None otherwise."""
    folders = tuple(os.path.join(folder, "") for folder in _own_folders())
    not_own = (os.path.join(infomin_tf.__path__[0], ""), "site-packages")
    for place in reversed(traceback.extract_tb(error.__traceback__)):
        file = place.filename
        if file.startswith(folders) and not any(other in file for other in not_own):
            message = str(error).partition("\n  In call to configurable")[0]
            kind = type(error).__name__
            return f"{kind}: {message} in {file}, line {place.lineno}; fix that module"
    return None


def own_folders_text():
    """Comments with the folders of own modules that were imported; `search_saved` reads them."""
    return "".join(f"{_OWN_FOLDERS}{folder}\n" for folder in _own_folders())


def search_saved(text):
    """Lets gin import modules from the folders that a saved configuration names."""
    for line in text.splitlines():
        if line.startswith(_OWN_FOLDERS):
            _search(line.removeprefix(_OWN_FOLDERS))


def _search(folder):
    """Adds a folder at the end, but before the working directory."""
    here = os.getcwd()
    if folder not in sys.path:
        is_last = here in _added and here in sys.path
        sys.path.insert(sys.path.index(here) if is_last else len(sys.path), folder)
        importlib.invalidate_caches()
        _added.append(folder)


def _own_folders():
    """Where the imported modules of a person lie."""
    tops = {statement.module.partition(".")[0] for statement in gin.config._IMPORTS}
    modules = [sys.modules[name] for name in tops - {"infomin_tf"} if name in sys.modules]
    folders = {os.path.dirname(path) for m in modules for path in _places(m)}
    return sorted(folders & set(_added))


def _places(module):
    """Paths of a module: its file, or the folders of a package."""
    return list(getattr(module, "__path__", None) or [getattr(module, "__file__", None) or ""])


def _lines():
    """The import lines of all files read so far; gin wants its own first."""
    lines = {statement.format() + "\n" for statement in gin.config._IMPORTS}
    return "".join(sorted(lines, key=lambda line: ("__gin__" not in line, line)))
