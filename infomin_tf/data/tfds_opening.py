"""Finding and opening the data sets of TensorFlow Datasets, and what to do if one is missing."""

import difflib
import functools
import os
import socket

import tensorflow_datasets as tfds

from infomin_tf.errors import UserError
from infomin_tf.runs.paths import expand


def open_builder(name, version=None, data_dir=None):
    """The TFDS builder of a data set, prepared; downloads where that is possible.

    Args:
        name, version: of the data set; None for the newest version.
        data_dir: folder of prepared data sets; None for TFDS's own.

    Raises:
        UserError: the set or version can be neither found nor downloaded.
    """
    data_dir = expand(data_dir)
    wanted = name if version is None else f"{name}:{version}"
    missing = functools.partial(_missing, name, data_dir)
    try:
        builder = tfds.builder(wanted, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, ValueError, AssertionError) as error:
        known = tfds.list_builders() + _prepared(data_dir)
        near = difflib.get_close_matches(name, known, 3)
        hint = f"; nearest names: {', '.join(near)}" if near and name not in known else ""
        raise missing(f"{wanted} was not found{hint}") from error
    except Exception as error:  # files of information that are damaged, in many ways
        raise missing(f"{wanted} cannot be opened ({error})") from error
    if not os.path.exists(os.path.join(builder.data_dir, "dataset_info.json")):
        if not _is_online():
            why = "is not there and cannot be downloaded (no internet connection)"
            raise missing(f"{wanted} {why}")
        try:
            builder.download_and_prepare()
        except Exception as error:  # downloads fail in many ways, all with the same fix
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise missing(f"{wanted} could not be downloaded ({reason})") from error
    return builder


def _prepared(data_dir):
    if not data_dir or not os.path.isdir(data_dir):
        return []
    return [entry for entry in os.listdir(data_dir) if os.path.isdir(os.path.join(data_dir, entry))]


def _missing(name, data_dir, what):
    looked = data_dir or tfds.core.constants.DATA_DIR
    prepared = ", ".join(sorted(_prepared(data_dir))) or "nothing"
    folder, there = os.path.join(looked, name), ""
    if versions := sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        there = (
            f" It holds these versions of {name}: {', '.join(versions)} (usable only with a "
            "complete dataset_info.json and features.json). To use one, bind Tfds.version."
        )
    return UserError(
        f"{what}. Looked in {looked}, which holds {prepared}.{there}\n"
        "Two ways to get it:\n"
        f"  1. a prepared copy: --data_dir=DIR, where DIR/{name}/VERSION holds the TFDS files;\n"
        f'  2. on a machine with internet: python -c "import tensorflow_datasets as tfds; '
        f"tfds.load('{name}')\", which fills {tfds.core.constants.DATA_DIR}; copy that folder here "
        "if need be."
    )


def _is_online():
    """Whether there is a way to the internet; without one TFDS itself would try for minutes."""
    if any(map(os.environ.get, ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))):
        return True
    try:
        socket.create_connection(("storage.googleapis.com", 443), timeout=5).close()
    except OSError:
        return False
    return True
