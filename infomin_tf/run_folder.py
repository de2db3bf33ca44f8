"""Folders that runs write to: whose they are, who writes now, and whether their configuration is the same."""

import contextlib
import fcntl
import glob
import os
import re
import shutil
import socket
import tempfile

from absl import logging

from infomin_tf import references, results
from infomin_tf.errors import UserError

FILE_NAME = "config.gin"
_STAGES = ("learn_views", "pretrain", "evaluate", "export")
_MADE_BY_A_RUN = (*_STAGES, FILE_NAME)
_LOCK = "run.lock"


@contextlib.contextmanager
def locked(model_dir):
    """Makes this process the only writer of model_dir, and removes what a killed one left half-written there.

    The kernel takes the lock back however the process ends. The lock's file stays.

    Raises:
        UserError: another process writes to model_dir, files there are no run's, or nothing can be written there.
    """
    _found(model_dir)
    with contextlib.ExitStack() as stack:
        with _clear_errors(model_dir):
            os.makedirs(model_dir, exist_ok=True)
            file = stack.enter_context(open(os.path.join(model_dir, _LOCK), "a+"))
            _lock(file, model_dir)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            for folder in (model_dir, *(os.path.join(model_dir, stage) for stage in _STAGES)):
                for path in glob.glob(os.path.join(glob.escape(folder), results.UNFINISHED + "*")):
                    _delete(path)
        yield


def _lock(file, model_dir):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise UserError(
            f"another process is writing to {model_dir} ({file.read()}); wait for it or stop it, or use another "
            "--model_dir"
        ) from error
    except OSError as error:
        logging.warning(
            "%s cannot be locked (%s); see to it that no other process writes there",
            model_dir,
            error.strerror,
        )


def claim(model_dir, text, overwrite):
    """Makes model_dir, which is locked, this configuration's own and saves it there.

    Args:
        model_dir: of the run.
        text: of `operative_text`.
        overwrite: delete a run of another configuration first.

    Raises:
        UserError: model_dir holds a run of another configuration, or files of those names that are no run.
    """
    found = _found(model_dir)
    with _clear_errors(model_dir):
        if found:
            differences = compare(_saved_text(model_dir), text)
            if differences and not overwrite:
                raise UserError(
                    f"{model_dir} holds another run:\n  "
                    + "\n  ".join(differences)
                    + "\nuse another --model_dir, or --overwrite to delete that run"
                )
            for name in found if differences else ():
                _delete(os.path.join(model_dir, name))
        results.write_atomically(os.path.join(model_dir, FILE_NAME), text)


def holds(model_dir, text):
    """Whether model_dir is of a run of that configuration."""
    path = os.path.join(model_dir, FILE_NAME)
    return os.path.isfile(path) and not compare(_saved_text(model_dir), text)


def _found(model_dir):
    """What of a run is in model_dir.

    Raises:
        UserError: files of those names that are no run.
    """
    found = [name for name in _MADE_BY_A_RUN if os.path.lexists(os.path.join(model_dir, name))]
    if found and FILE_NAME not in found:
        raise UserError(
            f"{model_dir} holds {', '.join(found)} but no {FILE_NAME}, so no run that may be gone on with or deleted; "
            "use another --model_dir, or remove these yourself"
        )
    return found


@contextlib.contextmanager
def _clear_errors(model_dir):
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{model_dir} cannot be written ({error.strerror}); use another --model_dir"
        ) from error


def make_folder(path, instead="another --out"):
    """Makes a folder, and sees whether it can be written to, or raises UserError that names what to use instead."""
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); use {instead}") from error


def check_same_training(model_dir, text):
    """Raises UserError when a configuration differs from model_dir's in more than evaluation and export."""
    differences = training_differences(_saved_text(model_dir), text)
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


def training_differences(old, new):
    """Those lines of `compare` that are not of evaluation or export alone; the seed of these may differ."""
    bindings = _bindings(old), _bindings(new)
    names = set().union(*bindings) - {"--seed"}
    later = [references.Configuration(one).after_training for one in bindings]
    free = {
        name
        for name in names
        if all(name in after or name not in one for one, after in zip(bindings, later, strict=True))
    }
    lines = compare(old, new)
    return [line for line in lines if line.split(": ")[0] not in free | {"--seed"}]


def saved_seed(model_dir):
    """The seed in model_dir/config.gin.

    Raises:
        UserError: there is no run in model_dir.
    """
    match = re.match(r"# seed: (\d+)", _saved_text(model_dir))
    return int(match[1]) if match else 0


def _saved_text(model_dir):
    path = os.path.join(model_dir, FILE_NAME)
    if not os.path.lexists(path):
        raise UserError(f"{model_dir} holds no run ({path} is missing); run bin/train first")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); use another --model_dir, or delete that folder"
        ) from error


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
