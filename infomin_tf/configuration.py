"""gin files: finding, parsing, building the root, refusing what would be ignored, and comparing runs."""

import os
import re
import shutil
import tokenize

import gin

from infomin_tf import explain, results
from infomin_tf.errors import UserError

FILE_NAME = "config.gin"
_MADE_BY_A_RUN = ("learn_views", "pretrain", "evaluate", "export", FILE_NAME)


_PARSE_ERRORS = (
    tokenize.TokenError,
    SyntaxError,
    NameError,
    AttributeError,
    ValueError,
    ImportError,
    OSError,
)


def search_paths():
    """Where gin files and their includes are looked for: here, the checkout, the installed package."""
    package = os.path.dirname(os.path.abspath(__file__))
    return ["", os.path.dirname(package), package]


def find_file(name):
    """The path of a gin file.

    Raises:
        UserError: it is in none of the search paths; the message has the nearest names.
    """
    for folder in search_paths():
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise UserError(
        f"--gin_file={name} was not found in {os.getcwd()} or with the package{explain.near_files(name, search_paths())}"
    )


def parse(files, bindings):
    """Reads gin files and then bindings; what comes later wins.

    Args:
        files: paths of gin files.
        bindings: texts such as "pretrain.Pretrain.epochs = 3"; they see the modules that the files import.

    Raises:
        UserError: a file that cannot be parsed, or a name that does not exist; with the nearest valid name.
    """
    # gin's reader of package resources logs an error for each folder that lacks an included file.
    gin.config._FILE_READERS[:] = [pair for pair in gin.config._FILE_READERS if pair[0] is open]
    for path in search_paths():
        if path not in gin.config._LOCATION_PREFIXES:
            gin.add_config_file_search_path(path)
    source = ""
    try:
        for file in files:
            source = f"{file} or a file that it includes"
            gin.parse_config_file(file)
        for binding in bindings:
            source = f"--gin_param={binding!r}"
            gin.parse_config(_imports() + binding)
        gin.finalize()
    except _PARSE_ERRORS as error:
        raise UserError(explain.parse_error(error, source, search_paths())) from error


def build(root):
    """Calls the configured root class, which builds every object of the experiment.

    Raises:
        UserError: the files do not configure the root, a required argument is missing, or a value is refused.
    """
    try:
        make = gin.get_configurable(root)
    except ValueError as error:
        raise UserError(
            f"the gin files bind nothing of {root.__module__}.{root.__name__}; start from a file of gin/"
        ) from error
    try:
        return make()
    except (UserError, ValueError, TypeError, RuntimeError) as error:
        if explanation := explain.building_error(error):
            raise UserError(explanation) from error
        raise


def check_all_used():
    """Raises UserError naming the bindings that no object has taken, once the root is built."""
    users = {}
    for (scope, selector), parameters in gin.config._OPERATIVE_CONFIG.items():
        for name in parameters:
            users.setdefault((selector, name), set()).add(scope)
    dead = [
        reason
        for (scope, selector), parameters in gin.config._CONFIG.items()
        for name in parameters
        if (reason := _why_dead(scope, selector, name, users.get((selector, name), ())))
    ]
    if dead:
        raise UserError(
            "these bindings change nothing; remove or mend them:\n  " + "\n  ".join(dead)
        )


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
        UserError: model_dir holds a run of another configuration, or files of those names that are no run.
    """
    found = [name for name in _MADE_BY_A_RUN if os.path.lexists(os.path.join(model_dir, name))]
    path = os.path.join(model_dir, FILE_NAME)
    if found and FILE_NAME not in found:
        raise UserError(
            f"{model_dir} holds {', '.join(found)} but no {FILE_NAME}, so no run that may be gone on with or deleted; "
            "use another --model_dir, or remove these yourself"
        )
    try:
        if found:
            with open(path) as file:
                differences = compare(file.read(), text)
            if differences and not overwrite:
                raise UserError(
                    f"{model_dir} holds another run:\n  "
                    + "\n  ".join(differences)
                    + "\nuse another --model_dir, or --overwrite to delete that run"
                )
            for name in found if differences else ():
                _delete(os.path.join(model_dir, name))
        results.write_atomically(path, text)
    except OSError as error:
        raise UserError(
            f"{model_dir} cannot be written ({error.strerror}); use another --model_dir"
        ) from error


def make_folder(path):
    """Makes a folder that is to be written to, or raises UserError."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); use another --out"
        ) from error


def check_same_training(model_dir, text):
    """Raises UserError when a configuration differs from model_dir's in more than evaluation and export."""
    differences = compare(_saved_text(model_dir), text)
    of_evaluation = ("--seed", "evaluate.", "linear.", "export.", "probe/", "pairs.CenterCrop.")
    differences = [line for line in differences if not line.startswith(of_evaluation)]
    if differences:
        raise UserError(
            f"{model_dir} was trained with another configuration:\n  "
            + "\n  ".join(differences)
            + "\nonly evaluation and export may differ"
        )


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
    """The seed in model_dir/config.gin.

    Raises:
        UserError: there is no run in model_dir.
    """
    match = re.match(r"# seed: (\d+)", _saved_text(model_dir))
    return int(match[1]) if match else 0


def _saved_text(model_dir):
    path = os.path.join(model_dir, FILE_NAME)
    if not os.path.isfile(path):
        raise UserError(f"{model_dir} holds no run ({path} is missing); run bin/train first")
    with open(path) as file:
        return file.read()


def _imports():
    """The import lines of all files read so far, as a gin text sees only its own; gin wants its own line first."""
    lines = sorted({statement.format() + "\n" for statement in gin.config._IMPORTS})
    return "".join(sorted(lines, key=lambda line: "__gin__" not in line))


def _delete(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def _bindings(text):
    joined = re.sub(r"\\\n\s*", "", text)
    joined = re.sub(r"\n[ \t]+", " ", joined)
    pairs = dict(re.findall(r"^([\w./]+) = (.*)$", joined, re.MULTILINE))
    seed = re.match(r"# seed: (\d+)", text)
    return pairs | ({"--seed": seed[1]} if seed else {})


def _why_dead(scope, selector, name, users):
    """Why no object takes a binding, or None; of all bindings that fit, gin takes that of the longest scope.

    Args:
        scope: of the binding.
        selector: complete name of the class or function.
        name: of the parameter.
        users: scopes in which it was called and took this parameter from gin.
    """
    rivals = [s for s, other in gin.config._CONFIG if other == selector]
    rivals = [s for s in rivals if name in gin.config._CONFIG[s, selector]]
    inside = [user for user in users if _is_inside(user, scope)]
    if any(max((s for s in rivals if _is_inside(u, s)), key=len) == scope for u in inside):
        return None
    binding = explain.written(scope, selector, name)
    thing = binding if selector == "gin.macro" else binding.split("/")[-1].rpartition(".")[0]
    called = {s for s, other in gin.config._OPERATIVE_CONFIG if other == selector}
    if inside:
        scopes = ", ".join(sorted(inside))
        return f"{binding}: every use has a binding of its own, in scope {scopes}"
    if not called:
        return f"{binding}: nothing uses {thing}"
    if not any(_is_inside(s, scope) for s in called):
        scopes = ", ".join(sorted(s or "no scope" for s in called))
        return f"{binding}: {thing} is only used with other scopes ({scopes})"
    return f"{binding}: the code that calls {thing} sets it"


def _is_inside(scope, outer):
    return outer == "" or scope == outer or scope.startswith(outer + "/")
