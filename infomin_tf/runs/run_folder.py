"""Folders that runs write to: whose they are, who writes now, what their configuration is."""

import contextlib
import fcntl
import glob
import os
import re
import shlex
import tempfile

from absl import logging

from infomin_tf.errors import UserError
from infomin_tf.runs import differences, lease, results
from infomin_tf.runs.files import UNFINISHED, delete, write_atomically

FILE_NAME = "config.gin"
_MADE_BY_A_RUN = (*results.STAGES, FILE_NAME)
_LOCK, _INSTEAD = "run.lock", "another --model_dir"


@contextlib.contextmanager
def locked(model_dir):
    """Makes this process the only writer of model_dir, and removes what a killed one left there.

    The kernel releases the lock however the process ends. The lock's file stays.

    Raises:
        UserError: another process writes to model_dir, the files there are not those of a run, or
            nothing can be written there.
    """
    _found(model_dir)
    with contextlib.ExitStack() as stack:
        with _clear_errors(model_dir):
            os.makedirs(model_dir, exist_ok=True)
            file = stack.enter_context(open(os.path.join(model_dir, _LOCK), "a+"))
            if is_in_use(model_dir):
                raise _in_use(file, model_dir, f"{_INSTEAD}; if it was killed, wait two minutes")
            lock(file, model_dir)
            # For machines that the kernel's lock does not reach.
            stack.callback(lease.beat(os.path.join(model_dir, _LOCK)))
            for name in ("", *results.STAGES):
                folder = os.path.join(model_dir, name)
                for unfinished in glob.glob(UNFINISHED + "*", root_dir=folder):
                    delete(os.path.join(folder, unfinished))
        yield


def is_in_use(model_dir):
    """Whether a run writes to model_dir, on this machine or another; a guess by its last sign."""
    path = os.path.join(model_dir, _LOCK)
    return os.path.exists(path) and os.path.getsize(path) > 0 and lease.is_alive(path)


def lock(file, folder, instead=_INSTEAD):
    """Makes this process the only writer of a folder, until the file, opened by "a+", is closed.

    Raises:
        UserError: another process on this machine is that; it names what to use `instead`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _in_use(file, folder, instead) from error
    except OSError as error:
        message = "%s cannot be locked (%s); make sure that no other process writes there"
        logging.warning(message, folder, error.strerror)
    file.truncate(0)
    file.write(lease.who())
    file.flush()


def _in_use(file, folder, instead):
    file.seek(0)
    return UserError(
        f"another process is writing to {folder} ({file.read()}); wait for it or stop it, or use "
        f"{instead}"
    )


def claim(model_dir, text, overwrite, again=None):
    """Makes model_dir, which is locked, this configuration's own and saves it there.

    One that differs in the length of the training is left to `longer.settle`, which saves it. One
    that no stage has begun with gives way: a first try may fail on the path of the images.

    Args:
        model_dir: of the run.
        text: of `operative_text`.
        overwrite: delete a run of another configuration first.
        again: function "evaluate" or "export" -> the command that does it again with this
            configuration.

    Raises:
        UserError: model_dir holds a run of another configuration, or files of those names that are
            not a run.
    """
    found = _found(model_dir)
    with _clear_errors(model_dir):
        if found and not _is_only_planned(model_dir, found):
            changed = overwrite and _is_earlier(_read(model_dir))
            changed = changed or differences.compare(_saved_text(model_dir), text)
            if changed and not overwrite:
                if changed_lengths(model_dir, text):
                    return
                _check_goes_on(model_dir, changed, text, again)
            for name in found if changed and overwrite else ():
                delete(os.path.join(model_dir, name))
        save(model_dir, text)


def save(model_dir, text):
    """Writes the configuration to model_dir."""
    write_atomically(os.path.join(model_dir, FILE_NAME), text)


def holds(model_dir, text):
    """Whether model_dir is of a run of that configuration, but for the length of the training."""
    if not os.path.isfile(os.path.join(model_dir, FILE_NAME)):
        return False
    changed = differences.compare(_saved_text(model_dir), text)
    return not changed or bool(changed_lengths(model_dir, text))


def changed_lengths(model_dir, text):
    """`differences.of_length` of model_dir's configuration and another."""
    return differences.of_length(_saved_text(model_dir), text)


def _is_only_planned(model_dir, found):
    """Whether a run has left its configuration there and no stage has begun."""
    return found == [FILE_NAME] and differences.SEED in differences.bindings_of(_read(model_dir))


def _check_goes_on(model_dir, changed, text, again):
    """Raises UserError unless only what comes after a training that is not finished differs."""
    names = [differences.named(line) for line in changed]
    of_training = differences.training_differences(_saved_text(model_dir), text)
    lines = f"{model_dir} holds another run:\n  " + "\n  ".join(changed)
    is_finished = results.read(os.path.join(model_dir, "pretrain")) is not None
    if of_training or differences.SEED in names or again is None:
        fix = "use another --model_dir, or --overwrite to delete that run"
        if is_finished and again and again("evaluate").startswith("bin/"):
            own = shlex.join([f"--model_dir={model_dir}"])
            fix += f"; its training is finished, and bin/evaluate {own} and bin/export {own} take "
            fix += "it as it is"
        raise UserError(f"{lines}\n{fix}")
    if not is_finished:
        return
    of_export = [name for name in names if re.search(r"\bExport\.|Experiment\.export$", name)]
    stages = ["evaluate"] * (of_export != names) + ["export"] * bool(of_export)
    raise UserError(
        f"{lines}\nonly {' and '.join(stages)} would change, and the training is finished; use\n  "
        + "\n  ".join(again(stage) for stage in stages)
    )


def _found(model_dir):
    """What of a run is in model_dir.

    Raises:
        UserError: files of those names that are not a run.
    """
    found = [name for name in _MADE_BY_A_RUN if os.path.lexists(os.path.join(model_dir, name))]
    if found and FILE_NAME not in found:
        raise UserError(
            f"{model_dir} holds {', '.join(found)} but no {FILE_NAME}, so it is not a run that "
            "can be continued or deleted; use another --model_dir, or remove these yourself"
        )
    return found


@contextlib.contextmanager
def _clear_errors(path, instead="another --model_dir"):
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); use {instead}") from error


def make_folder(path, instead="another --out"):
    """Makes a folder; raises UserError that names what to use instead unless it can be written."""
    with _clear_errors(path, instead):
        os.makedirs(path, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()


def check_same_training(model_dir, text):
    """Raises UserError when a configuration trains otherwise than model_dir's."""
    changed = differences.training_differences(_saved_text(model_dir), text)
    if changed:
        raise UserError(
            f"{model_dir} was trained with another configuration:\n  "
            + "\n  ".join(changed)
            + "\nonly evaluation and export may differ"
        )


def saved_seed(model_dir):
    """The seed in model_dir/config.gin.

    Raises:
        UserError: there is no run in model_dir.
    """
    return int(differences.bindings_of(_saved_text(model_dir)).get(differences.SEED, 0))


def _saved_text(model_dir):
    text = _read(model_dir)
    if _is_earlier(text):
        raise UserError(
            f"{model_dir} was made by an earlier version, whose configurations name modules; use "
            "that version for it, or another --model_dir, or bin/train with --overwrite to delete "
            "it and train again"
        )
    return text


def _is_earlier(text):
    return re.search(r"^experiment\.Experiment\.", text, re.MULTILINE) is not None


def _read(model_dir):
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
