"""gin files: finding, parsing, building the root, refusing what would be ignored."""

import contextlib
import functools
import hashlib
import io
import os
import re

import gin
from absl import logging

from infomin_tf.configuration import explain, kinds, own_modules
from infomin_tf.configuration.history import History, is_inside
from infomin_tf.errors import UserError
from infomin_tf.runs.differences import without_retired
from infomin_tf.runs.paths import expand

_INCLUDE = re.compile(r"""^include\s+["'](.*)["']""", re.MULTILINE)
# Files of the package, and of Windows editors, whatever the locale.
_open = functools.partial(open, encoding="utf-8-sig")
_SAVED = "# seed: "
_WRITTEN_BY_COMMANDS = (_SAVED, "# Recommended by bin/audit_views", "# Made by bin/audit_views")


def find_file(name):
    """The path of a gin file.

    Raises:
        UserError: it is in none of the search paths; the message has the nearest names.
    """
    if path := _found(name):
        return path
    raise UserError(
        f"--gin_file={name} was not found in {os.getcwd()} or with the package"
        f"{explain.near_files(name)}"
    )


def _found(name):
    places = (os.path.join(folder, expand(name)) for folder in explain.SEARCH_PATHS)
    return next(filter(os.path.isfile, places), None)


def digest(files):
    """dict file -> SHA-256 of what it and all that it includes say, but for lines of comments and
    empty ones; None for a file not found.
    """
    return {file: _digest(file) for file in files}


def _digest(name, above=()):
    if name in above:
        raise UserError(explain.circle_of_files((*above, name)))
    found = _found(name)
    if found is None:
        return None
    with _open(found) as file:
        text = file.read()
    inside = [_digest(included, (*above, name)) for included in _INCLUDE.findall(text)]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    parts = ["\n".join(lines), *map(str, inside)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _open_file(path):
    """Opens a gin file; what a person wrote may import modules that lie next to it."""
    with _open(path) as file:
        text = file.read()
    if _is_machine_made(path):
        own_modules.search_saved(text)
        text = without_retired(text)
    else:
        own_modules.search_beside(path)
        own_modules.check_beside(path, text)
    opened = io.StringIO(text)
    opened.name = path  # for gin's messages
    return opened


def _is_machine_made(path):
    """Whether a gin file is of the package, or written by one of its commands."""
    shipped = tuple(os.path.join(folder, "gin", "") for folder in explain.SEARCH_PATHS[1:])
    if os.path.abspath(path).startswith(shipped):
        return True
    with _open(path) as file:
        return file.read(100).startswith(_WRITTEN_BY_COMMANDS)


_history = History(_open_file, _is_machine_made)


@contextlib.contextmanager
def fresh():
    """In here nothing is bound yet; afterwards what a person bound before, with gin, is again."""
    config = gin.config
    kept = (config._CONFIG, config._OPERATIVE_CONFIG, config._IMPORTS, config._SINGLETONS)
    lists = (config._FILE_READERS, config._LOCATION_PREFIXES)
    listed = [content[:] for content in lists]
    before, is_locked = [content.copy() for content in kept], gin.config_is_locked()
    gin.clear_config()
    try:
        yield
    finally:
        for content, earlier in zip(kept, before, strict=True):
            content.clear()
            content.update(earlier)
        for content, earlier in zip(lists, listed, strict=True):
            content[:] = earlier
        config._set_config_is_locked(is_locked)


def parse(files, bindings):
    """Reads gin files and then bindings; what comes later wins.

    Args:
        files: paths of gin files.
        bindings: texts such as "Pretrain.epochs = 3"; they see the modules that the files import,
            and what is registered by then. A person's own modules are found next to the gin files
            and in the working directory.

    Raises:
        UserError: a file that cannot be parsed, or a name that does not exist; the message has the
            nearest valid name.
    """
    # gin's reader of package resources logs an error for each folder that lacks an included file.
    gin.config._FILE_READERS[:] = [
        (lambda path: _history.reader(expand(path)), lambda path: os.path.isfile(expand(path)))
    ]
    for path in explain.SEARCH_PATHS:
        if path not in gin.config._LOCATION_PREFIXES:
            gin.add_config_file_search_path(path)
    own_modules.search_beside("")
    source = ""
    try:
        with _history.recorded():
            for file in files:
                source = f"{file} or a file that it includes"
                # Refuses a circle of includes, of which gin's own message would fill the screen.
                _digest(file)
                gin.parse_config_file(file)
            for binding in bindings:
                source = f"--gin_param={binding!r}"
                own_modules.parse(binding)
        gin.finalize()
    except (Exception, SystemExit) as error:  # what the modules that a file imports raise, too
        if explanation := explain.parse_error(error, source):
            raise UserError(explanation) from error
        raise


def build(root):
    """Calls the configured root class, which builds every object of the experiment.

    Raises:
        UserError: the files do not configure the root, a required argument is missing, or a value
            is refused.
    """
    if not bound_to(root):
        raise UserError(f"the gin files bind nothing of {root.__name__}; {explain.WHO_TAKES_WHAT}")
    if wrong := kinds.wrong_kinds():
        raise UserError("\n  ".join(["values of the wrong type; fix them:", *wrong]))
    try:
        return gin.get_configurable(root)()
    except Exception as error:
        of_values = (UserError, ValueError, TypeError, AttributeError, RuntimeError)
        explanation = explain.building_error(error) if isinstance(error, of_values) else None
        if explanation := explanation or own_modules.own_mistake(error):
            raise UserError(explanation) from error
        raise


def bound_to(root):
    """dict parameter -> value that files read so far bind to the root class, outside of scopes."""
    known = gin.config._inverse_lookup(root)
    return gin.config._CONFIG.get(("", known.selector), {}) if known else {}


def load(root, files, bindings):
    """Parses files and bindings, builds the root, refuses what nothing uses; raises what these do.

    Returns:
        (the root, text of the operative configuration).
    """
    parse(files, bindings)
    built = build(root)
    check_all_used()
    return built, gin.operative_config_str(max_line_length=120)


def check_all_used():
    """Refuses bindings that no object has taken, once the root is built.

    Bindings of included files and of the package's files whose user a later binding has replaced
    are left out, with one line in the log.

    Raises:
        UserError: it names the others.
    """
    users = {}
    for (scope, selector), parameters in gin.config._OPERATIVE_CONFIG.items():
        for name in parameters:
            users.setdefault((selector, name), set()).add(scope)
    dead = {
        (scope, selector, name): reason
        for (scope, selector), parameters in gin.config._CONFIG.items()
        for name in parameters
        if (reason := _why_dead(scope, selector, name, users.get((selector, name), ())))
    }
    replaced = _history.replaced(dead)
    wrong = [reason + _history.place(name) for name, reason in dead.items() if name not in replaced]
    if wrong:
        raise UserError(
            "these bindings change nothing; remove or fix them:\n  " + "\n  ".join(wrong)
        )
    if replaced:
        logging.warning(
            "left out because later bindings replaced what would use them: %s",
            ", ".join(explain.written(*name) for name in replaced),
        )


def operative_text(seed):
    """The configuration as it was used, with defaults and seed: a gin file to be read again."""
    own = own_modules.own_folders_text()
    return f"{_SAVED}{seed}\n{own}{gin.operative_config_str(max_line_length=120)}"


def _why_dead(scope, selector, name, users):
    """Why no object takes a binding, or None; of those that fit, gin takes the longest scope's.

    Args:
        scope: of the binding.
        selector: complete name of the class or function.
        name: of the parameter.
        users: scopes in which it was called and took this parameter from gin.
    """
    bound = gin.config._CONFIG.items()
    rivals = [s for (s, other), names in bound if other == selector and name in names]
    inside = [user for user in users if is_inside(user, scope)]
    if any(max((s for s in rivals if is_inside(u, s)), key=len) == scope for u in inside):
        return None
    binding = explain.written(scope, selector, name)
    thing = binding if selector == "gin.macro" else binding.split("/")[-1].rpartition(".")[0]
    called = {s for s, other in gin.config._OPERATIVE_CONFIG if other == selector}
    if inside:
        scopes = ", ".join(sorted(inside))
        return f"{binding}: every use has a binding of its own, in scope {scopes}"
    if not called or selector == "gin.macro":
        return f"{binding}: nothing uses {thing}"
    if not any(is_inside(s, scope) for s in called):
        scopes = ", ".join(sorted(s or "no scope" for s in called))
        return f"{binding}: {thing} is only used with other scopes ({scopes})"
    return f"{binding}: the code that calls {thing} sets it"
