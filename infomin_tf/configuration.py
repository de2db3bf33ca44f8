"""gin files: finding, parsing, building the root, refusing what would be ignored, and comparing runs."""

import difflib
import inspect
import os
import re
import shutil

import gin

from infomin_tf import results
from infomin_tf.errors import UserError

FILE_NAME = "config.gin"
_MADE_BY_A_RUN = ("learn_views", "pretrain", "evaluate", "export", FILE_NAME)


def search_paths():
    """Where gin files and their includes are looked for: here, the checkout, the installed package."""
    package = os.path.dirname(os.path.abspath(__file__))
    return [os.getcwd(), os.path.dirname(package), package]


def find_file(name):
    """The path of a gin file.

    Raises:
        UserError: it is in none of the search paths; the message has the nearest names.
    """
    for folder in search_paths():
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    known = [
        os.path.relpath(os.path.join(root, file), folder)
        for folder in search_paths()
        for root, _, files in os.walk(os.path.join(folder, os.path.dirname(name)))
        for file in files
        if file.endswith(".gin")
    ]
    near = difflib.get_close_matches(name, sorted(set(known)), 3, 0.4)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise UserError(f"--gin_file={name} was not found in {os.getcwd()} or with the package{hint}")


def parse(files, bindings):
    """Reads gin files and then bindings; what comes later wins.

    Args:
        files: paths of gin files.
        bindings: texts such as "pretrain.Pretrain.epochs = 3"; they see the modules that the files import.

    Raises:
        UserError: a file that cannot be parsed, or a name that does not exist; with the nearest valid name.
    """
    for path in search_paths():
        gin.add_config_file_search_path(path)
    try:
        for file in files:
            gin.parse_config_file(file)
        for binding in bindings:
            gin.parse_config(_imports() + binding)
        gin.finalize()
    except Exception as error:
        raise UserError(_explain(error)) from error


def build(root):
    """Calls the configured root class, which builds every object of the experiment.

    Raises:
        UserError: the files do not configure the root, a required argument is missing, or a binding is unknown.
    """
    try:
        return gin.get_configurable(root)()
    except KeyError as error:
        raise UserError(
            f"the gin files bind nothing of {root.__module__}.{root.__name__}; start from a file of gin/"
        ) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(_first_lines(error)) from error


def check_all_used():
    """Raises UserError naming the bindings that no object has taken, once the root is built."""
    used = {}
    for (scope, selector), parameters in gin.config._OPERATIVE_CONFIG.items():
        used.setdefault(selector, []).append((scope, set(parameters)))
    dead = []
    for (scope, selector), parameters in gin.config._CONFIG.items():
        for name in parameters:
            takers = used.get(selector, [])
            if not any(_inside(s, scope) and name in taken for s, taken in takers):
                dead.append(_describe_dead(scope, selector, name, takers))
    if dead:
        raise UserError("these bindings change nothing; remove or mend them:\n  " + "\n  ".join(dead))


def operative_text(seed):
    """The configuration as it was used, defaults included, and the seed: a gin file that can be read again."""
    return f"# seed: {seed}\n{gin.operative_config_str(max_line_length=120)}"


def claim(model_dir, text, overwrite):
    """Makes model_dir this configuration's own and saves it there.

    Args:
        model_dir: of the run.
        text: of `operative_text`.
        overwrite: delete a run of another configuration first.

    Raises:
        UserError: model_dir holds a run of another configuration, or results without one.
    """
    found = [name for name in _MADE_BY_A_RUN if os.path.exists(os.path.join(model_dir, name))]
    path = os.path.join(model_dir, FILE_NAME)
    if FILE_NAME in found:
        with open(path) as file:
            differences = compare(file.read(), text)
    else:
        differences = [f"{name} is there, but no {FILE_NAME}" for name in found]
    if differences and not overwrite:
        raise UserError(
            f"{model_dir} holds another run:\n  "
            + "\n  ".join(differences)
            + "\nuse another --model_dir, or --overwrite to delete that run"
        )
    for name in found if differences else ():
        target = os.path.join(model_dir, name)
        shutil.rmtree(target) if os.path.isdir(target) else os.remove(target)
    try:
        results.write_atomically(path, text)
    except OSError as error:
        raise UserError(f"{model_dir} cannot be written ({error.strerror}); use another --model_dir") from error


def compare(old, new):
    """Lines "binding: old -> new" for the bindings in which two configuration texts differ."""
    old, new = _bindings(old), _bindings(new)
    names = sorted(old.keys() | new.keys())
    return [
        f"{name}: {old.get(name, 'not bound')} -> {new.get(name, 'not bound')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def saved_seed(model_dir):
    """The seed in model_dir/config.gin, or None."""
    with open(os.path.join(model_dir, FILE_NAME)) as file:
        match = re.match(r"# seed: (\d+)", file.readline())
    return int(match[1]) if match else None


def _imports():
    """The import lines of all files read so far; dynamic registration has to be the first of them."""
    lines = sorted({statement.format() + "\n" for statement in gin.config._IMPORTS})
    return "".join(sorted(lines, key=lambda line: "__gin__" not in line))


def _bindings(text):
    joined = re.sub(r"\\\n\s*", "", text)
    joined = re.sub(r"\n\s+", " ", joined)
    pairs = dict(re.findall(r"^([\w./]+) = (.*)$", joined, re.MULTILINE))
    seed = re.match(r"# seed: (\d+)", text)
    return pairs | ({"--seed": seed[1]} if seed else {})


def _inside(scope, outer):
    return outer == "" or scope == outer or scope.startswith(outer + "/")


def _describe_dead(scope, selector, name, takers):
    short = ".".join(selector.split(".")[-2:])
    binding = f"{scope + '/' if scope else ''}{short}.{name}"
    if not takers:
        return f"{binding}: nothing uses {short}"
    scopes = sorted({s or "no scope" for s, _ in takers})
    return f"{binding}: {short} is only used with other scopes ({', '.join(scopes)})"


def _first_lines(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "\n  ".join(line for line in lines if not line.startswith("In call to"))


def _explain(error):
    """gin's message with the place, and the nearest valid name."""
    message = _first_lines(error)
    candidates, wrong = (), None
    if match := re.search(r"Configurable '([\w./]+)' doesn't have a parameter named '(\w+)'", message):
        wrong, candidates = match[2], _parameters(match[1])
    elif match := re.search(r"<module '([\w.]+)'.*has no attribute (\w+)", message):
        module = inspect.importlib.import_module(match[1])
        wrong, candidates = match[2], [name for name in dir(module) if not name.startswith("_")]
    elif match := re.search(r"'(\w+)' was not provided by an import", message):
        bound = [statement.bound_name() for statement in gin.config._IMPORTS]
        wrong, candidates = match[1], bound
    near = difflib.get_close_matches(wrong, candidates, 1, 0.0) if wrong else []
    return message + (f"\n  nearest valid name: {near[0]}" if near else "")


def _parameters(selector):
    matches = [s for s in gin.config._REGISTRY.matching_selectors(selector.split("/")[-1])]
    if not matches:
        return ()
    return list(inspect.signature(gin.config._REGISTRY[matches[0]].wrapped).parameters)
