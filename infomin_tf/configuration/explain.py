"""What gin's errors and names mean for the user: the place, the binding, the nearest valid name."""

import difflib
import glob
import importlib
import inspect
import os
import pkgutil
import re
import tokenize
import traceback

import gin

from infomin_tf.configuration import gin_names
from infomin_tf.errors import UserError

# Keras's layers, Python's functions, Keras's optimizers: their **kwargs hide the mistake from gin.
_UNKNOWN_ARGUMENT = re.compile(
    r"(?:nrecognized keyword arguments|unexpected keyword argument|not recognized:).*?'(\w+)'"
)
WHO_TAKES_WHAT = (
    "bin/sweep needs files that bind Sweep, bin/audit_views files that bind Audit, and the other "
    "commands files that bind Experiment, such as gin/quickstart.gin"
)
_OF_VALUES = (
    "\n  text needs quotes of its own, as in --gin_param='ImageFolder.directory = \"photos\"'; "
    "yes and no are True and False"
)
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Where gin files and their includes are looked for: here, the checkout, the installed package.
SEARCH_PATHS = ("", os.path.dirname(_PACKAGE), _PACKAGE)
_OF_A_FILE = (NameError, AttributeError, ValueError, ImportError, KeyError, OSError)


def near_files(name):
    """A line with the gin files whose names resemble a missing one's; empty when there are none."""
    found = [glob.glob("gin/**/*.gin", root_dir=f or None, recursive=True) for f in SEARCH_PATHS]
    beside = os.path.dirname(name)
    found.append(os.path.join(beside, f) for f in glob.glob("*.gin", root_dir=beside or None))
    known = sorted({path for paths in found for path in paths})
    near = [path for path in known if os.path.basename(path) == os.path.basename(name)]
    near += [path for path in difflib.get_close_matches(name, known, 3, 0.6) if path not in near]
    return f"\n  nearest: {', '.join(near)}" if near else ""


def parse_error(error, source):
    """Says what is wrong in a gin file: gin's message, the place, the nearest valid name.

    Args:
        error: what gin raised while it read `source`.
        source: what was read, in words.

    Returns:
        The message; None when the error is not of the file.
    """
    if isinstance(error, SyntaxError):
        place = f'file "{error.filename}", line {error.lineno}' if error.filename else source
        message = re.sub(r"^malformed node or string.*\n +(?=Failed)", "", error.msg)
        is_value = re.match(r"Failed to parse token|Unable to parse value", message)
        return f"{message}\n  In {place}{_OF_VALUES if is_value else ''}"
    if isinstance(error, tokenize.TokenError):
        return f"{error.args[0]}: a bracket or quote is not closed\n  In {source}"
    if isinstance(error, UnicodeDecodeError):
        return f"not a text file in UTF-8 ({error}); save it as one\n  In {source}"
    if isinstance(error, RecursionError):
        return circle_of_files([source])
    # Frames of modules that a gin file imports.
    places = [p for p in traceback.extract_tb(error.__traceback__) if p.name == "<module>"]
    if not places and not isinstance(error, _OF_A_FILE):
        return None
    if places:
        place = places[-1]
        what, _, inside = str(error).partition("\n")
        where = f"{place.filename}, line {place.lineno}; fix that module"
        return f"{type(error).__name__}: {what} in {where}\n{inside or f'  In {source}'}"
    message = re.sub(r"<module '([\w.]+)'.*?>", r"\1", str(error))
    message = re.sub(r"In bindings string line \d+\n.*", f"In {source}", message)
    message = re.sub(r" in config string: \n.*", "", message, flags=re.DOTALL)
    message = re.sub(r"\n +\^$", "", message)
    hint = ""
    if match := re.match(r"Configurable '(.+)' doesn't have a parameter named '(\w+)'", message):
        hint = _hint(match[2], parameters(match[1]))
    elif match := re.search(r"; ([\w.]+) has no attribute (\w+)", message):
        module = importlib.import_module(match[1])
        public = [n for n in dir(module) if n[0] != "_" and callable(getattr(module, n))]
        hint = _hint(match[2], public)
    elif match := re.match(r"gin files have no name ([\w.]+)", message):
        hint = _hint_of_name(match[1])
    elif match := re.match(r"No module named '([\w.]+)\.(\w+)'", message):
        package = importlib.import_module(match[1])
        modules = [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", []))]
        hint = _import_of_module(package, match[2]) or _hint(match[2], modules)
    elif match := re.match(r"No module named '(\w+)'", message):
        hint = (
            "\n  your own modules are looked for next to the gin file and in the working "
            f"directory; put {match[1]}.py there"
        )
    elif match := re.match(r"Unable to open file: (.+?)\. Searched", message):
        hint = near_files(match[1])
    elif match := re.match(r"No bindings specified for '([\w/]+)/gin.macro'", message):
        message = f"the macro %{match[1]} is not bound; add {match[1]} = ..."
    return message + hint


def _import_of_module(module, name):
    """Which line gin takes instead of one that imports a class or function; "" when none."""
    if module.__name__.startswith("infomin_tf.") and name in gin_names.registered():
        return f"\n  gin files write {name}, and need no import line for it"
    if not hasattr(module, name):
        return ""
    package, _, last = module.__name__.rpartition(".")
    line = f"from {package} import {last}" if package else f"import {last}"
    return f"\n  gin files import modules: write {line}, and {last}.{name} for what is in it"


def circle_of_files(files):
    """Says that gin files include each other: each the next, the last the first."""
    circle = " -> ".join(files)
    return f"gin files include each other in a circle: {circle}; remove one of these includes"


def behind_macro(value):
    """What a macro such as %view_size stands for; other values, or macros to nowhere, unchanged."""
    found, passed = value, []
    while isinstance(found, gin.config.ConfigurableReference) and found.selector == "gin.macro":
        scope = "/".join(found.scopes)
        if scope in passed:
            return value
        passed.append(scope)
        found = gin.config._CONFIG.get((scope, "gin.macro"), {}).get("value", value)
    return found


def building_error(error):
    """What the user has to fix when a constructor raised `error`; None when that is a bug.

    A ValueError is never one. A RuntimeError is none when a parameter is missing or unknown; nor
    are a TypeError and an AttributeError that come from a class of this package or of Keras.
    """
    if isinstance(error, RecursionError):
        return (
            "bindings refer to each other in a circle, such as A = %B and B = %A; fix one of them"
        )
    message, *places = re.split(r"\n +In call to configurable ", str(error))
    message = message.partition("\n  No values supplied by Gin")[0]
    place = re.match(r"'(\w+)' \(.*?\)(?: in scope '(.*)')?", places[0]) if places else None
    if place is None:
        return message if isinstance(error, UserError) else None
    # Of several classes of that name, the one that the message has in full.
    selectors = gin.config._REGISTRY.matching_selectors(place[1])
    selector = min(selectors, key=lambda known: _full_name(known) not in places[0])
    start = written(place[2] or "", selector, "")
    match = re.search(r"\(\) missing \d+ required .*?: (.*)", message)
    missing = re.findall(r"'(\w+)'", match[1]) if match else []
    if missing and set(missing) <= parameters(selector).keys():
        return "\n  ".join(["not bound; add", *(f"{start}{name} = ..." for name in missing)])
    if match := _UNKNOWN_ARGUMENT.search(message):
        hint = _hint(match[1], parameters(selector))
        return f"{start}{match[1]}: there is no such parameter{hint}"
    if isinstance(error, AttributeError | TypeError | RuntimeError):
        if not gin_names.name_of(selector) or isinstance(error, RuntimeError):
            return None
        message += "; the value of one of its bindings has the wrong type"
    return f"{message}\n  In {start[:-1]}"


def written(scope, selector, name):
    """A binding's left side as a user writes it, such as critic/AlexNetHalf.width.

    Args:
        scope: such as "critic"; "" for none.
        selector: complete name of the class or function in gin's registry.
        name: of the parameter.
    """
    if selector == "gin.macro":
        return scope
    source = gin.config._REGISTRY[selector].import_source
    if ours := gin_names.name_of(selector):
        selector = ours
    elif source:
        statement, inner = source
        named = statement.is_from or statement.alias
        selector = f"{statement.bound_name() if named else statement.module}.{inner}"
    return f"{scope + '/' if scope else ''}{selector}.{name}"


def _full_name(selector):
    target = gin.config._REGISTRY[selector].wrapped
    return f"{target.__module__}.{target.__qualname__}"


def parameters(selector):
    """dict name -> inspect.Parameter that gin can bind; {} where that is not known.

    Args:
        selector: of the class or function, complete or as a file has it.
    """
    matches = gin.config._REGISTRY.matching_selectors(selector)
    try:
        found = inspect.signature(gin.config._REGISTRY[matches[0]].wrapped).parameters
    except (IndexError, ValueError):  # some of Python's own have no signature
        return {}
    return {n: p for n, p in found.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def _hint_of_name(wrong):
    """The name without a module, as earlier versions had it before, or the nearest."""
    names, last = gin_names.registered(), wrong.rpartition(".")[2]
    known = [name for name in names if name.rpartition(".")[2] == last]
    if known:
        return f"\n  gin files write {known[0]}, without a module"
    known = [*names, *(statement.bound_name() for statement in gin.config._IMPORTS)]
    near = difflib.get_close_matches(wrong, known, 3) or difflib.get_close_matches(last, known, 3)
    if near:
        return f"\n  nearest valid name: {', '.join(near)}"
    # A sweep, which is made without TensorFlow, does not know the names of experiments.
    return "" if "Experiment" in names else f"\n  {WHO_TAKES_WHAT}"


def _hint(wrong, candidates):
    near = difflib.get_close_matches(wrong, candidates, 1, 0.7)
    if near:
        return f"\n  nearest valid name: {near[0]}"
    return f"\n  valid names: {', '.join(sorted(candidates))}" if candidates else ""
