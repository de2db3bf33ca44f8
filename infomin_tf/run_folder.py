"""Folders that runs write to: whose they are, and whether their configuration is the same."""

import os
import re
import shutil
import tempfile

from infomin_tf import results
from infomin_tf.errors import UserError

FILE_NAME = "config.gin"
_MADE_BY_A_RUN = ("learn_views", "pretrain", "evaluate", "export", FILE_NAME)


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
            differences = compare(_saved_text(model_dir), text)
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
    """Makes a folder, and sees whether it can be written to, or raises UserError."""
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); use another --out"
        ) from error


def check_same_training(model_dir, text):
    """Raises UserError when a configuration differs from model_dir's in more than evaluation and export."""
    differences = compare(_saved_text(model_dir), text)
    of_evaluation = (
        "--seed",
        "evaluate.",
        "sequences.EvaluateFactors.",
        "linear.",
        "export.",
        "probe/",
        "pairs.CenterCrop.",
    )
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
