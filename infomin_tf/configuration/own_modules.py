"""A person's own modules, which gin files import: where they are found, and which mistakes in them are told."""

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
    """Parses a gin text that sees the modules that all files read so far have imported; raises what gin raises."""
    gin.parse_config(_lines() + binding)


def search_beside(path):
    """Lets gin import modules from the folder of a gin file ("" for the working directory), after all that is installed."""
    _search(os.path.abspath(os.path.dirname(path)))


def check_beside(path, text):
    """Raises UserError when a gin file would get another module than that of the same name which lies next to it.

    Args:
        path: of the file.
        text: its contents.
    """
    folder = os.path.abspath(os.path.dirname(path))
    for name in re.findall(r"^(?:import|from)\s+(\w+)", text, re.MULTILINE):
        inside = (os.path.join(folder, f"{name}.py"), os.path.join(folder, name, "__init__.py"))
        beside = [own for own in inside if os.path.isfile(own)]
        found = _file_of(name)
        if not beside or name == "infomin_tf" or found in map(os.path.realpath, beside):
            continue
        raise UserError(
            f"{path} imports {name}, but gets another module of that name ({found or 'a part of Python'}) in the place of "
            f"{beside[0]}; give yours another name"
        )


def own_mistake(error):
    """What to fix in a person's own module, through which an error came; None when it came through none."""
    folders = tuple(os.path.join(folder, "") for folder in _own_folders())
    not_own = (os.path.join(infomin_tf.__path__[0], ""), "site-packages")
    places = [
        place
        for place in traceback.extract_tb(error.__traceback__)
        if place.filename.startswith(folders) and not any(n in place.filename for n in not_own)
    ]
    if not places:
        return None
    message = str(error).partition("\n  In call to configurable")[0]
    return (
        f"{type(error).__name__}: {message} in {places[-1].filename}, line {places[-1].lineno}; fix that "
        "module"
    )


def own_folders_text():
    """Comments with the folders of a person's own modules that have been imported; `search_saved` reads them."""
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


def _file_of(name):
    """The real path of a module's file, imported or not; None for one without a file, or none."""
    module = sys.modules.get(name)
    found = importlib.util.find_spec(name) if module is None else getattr(module, "__spec__", None)
    is_file = found and found.has_location
    return os.path.realpath(found.origin) if is_file and found.origin else None


def _places(module):
    """Paths of a module: its file, or the folders of a package."""
    return list(getattr(module, "__path__", None) or [getattr(module, "__file__", None) or ""])


def _lines():
    """The import lines of all files read so far, as a gin text sees only its own; gin wants its own line first."""
    lines = sorted({statement.format() + "\n" for statement in gin.config._IMPORTS})
    return "".join(sorted(lines, key=lambda line: "__gin__" not in line))
