"""The commands from Python: `infomin_tf.train`, `infomin_tf.embed` and `infomin_tf.audit`."""

import contextlib
import dataclasses
import functools
import glob
import os
import shlex
import typing

import keras
import numpy as np

from infomin_tf import progress
from infomin_tf.command_line import experiments, own_images
from infomin_tf.configuration import gin_files
from infomin_tf.data import array_file
from infomin_tf.embedding import encoders, reading
from infomin_tf.embedding.rows import join
from infomin_tf.errors import UserError
from infomin_tf.export import load_encoder
from infomin_tf.runs import paths
from infomin_tf.settings import ABOVE_ZERO, COUNT, SEED, check


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished run.

    Args:
        model_dir: where it lies.
        stages: dict stage -> content of its results.json, see `Experiment.run`.
    """

    model_dir: str
    stages: dict

    @functools.cached_property
    def results(self):
        """dict key -> value of all measurements: {"i_nce": 3.5, "knn/pre-trained": 51.2, ...}."""
        found = (m for content in self.stages.values() for m in content["measurements"])
        return {measurement["key"]: measurement["value"] for measurement in found}

    @functools.cached_property
    def encoder(self):
        """The exported encoder, a Keras layer; see `load_encoder`."""
        if "export" not in self.stages:
            raise UserError(f"{self.model_dir} has no export yet; call train without until")
        return load_encoder(os.path.join(self.model_dir, "export"))


class Embedded(typing.NamedTuple):
    """Features of images.

    Args:
        features: float32 [M, D].
        paths: of the images' files under their folder; () for arrays.
        labels: of the images, "" for none; () if none were given.
    """

    features: np.ndarray
    paths: tuple
    labels: tuple = ()


def train(
    images=None,
    labels=None,
    *,
    model_dir=None,
    gin_file=None,
    gin_param=(),
    data_dir=None,
    strategy="auto",
    seed=0,
    init=None,
    until=None,
    overwrite=False,
    quiet=False,
):
    """What bin/train does: learns views of a person's images, pre-trains, evaluates and exports.

    The same call continues where it stopped, and reads what is finished. As the commands do, it
    makes TensorFlow repeatable from then on. An array is kept in model_dir/images, so that
    bin/evaluate and bin/export work on the run, too, as long as it stays where it is. Your own
    settings of Keras and TensorFlow hold; a command starts without them.

    Args:
        images: folder of images at any depth, or an array uint8 [M, H, W, 3]; None for the sets
            that gin_file names itself.
        labels: of a folder: another with a folder for each class, or a table with the columns file
            and label; of an array: integers or strings [M], negative or "" for an image without a
            label. None for no labels; then nothing is probed.
        model_dir: where everything is written; None for runs/<name of the gin file>.
        gin_file: path of the experiment, or several; None for gin/folder_semisup_views.gin, without
            labels gin/folder_unsup_views.gin.
        gin_param: one more binding, such as "Pretrain.epochs = 50", or several.
        data_dir, strategy, seed, init, until, overwrite, quiet: flags of bin/train.

    Returns:
        `Trained`.

    Raises:
        UserError: a mistake that the message explains.
    """
    check("train", SEED, seed=seed)
    if images is None and (gin_file is None or labels is not None):
        raise UserError("train needs images, with or without labels, or a gin_file that names both")
    named, own = _several(gin_file or own_images.default_file(labels)), _several(gin_param)
    if init:
        own.append(f"Pretrain.initial_weights = {paths.expand(init)!r}")
    model_dir = _folder(model_dir or paths.default_folder(named[0]))
    found = [gin_files.find_file(file) for file in named]
    with _array_files(model_dir) as kept:
        bindings = [*_data(images, labels, kept), *own]
        options = {"data_dir": data_dir, "strategy": strategy, "seed": seed, "until": until}
        options |= {"overwrite": overwrite, "again": functools.partial(_again, model_dir, own)}
        with _settings_restored(), progress.quieted(quiet):
            stages = experiments.train(found, bindings, model_dir, **options)
    return Trained(model_dir, stages)


def embed(encoder, images, batch_size=256, *, labels=None, image_size=None, white=None):
    """Features of images, in memory; bin/embed writes those of large sets to a file.

    Args:
        encoder: of `load_encoder` or `Trained.encoder`; or the path of an export.
        images: array uint8 [M, H, W, 3], or [M, H, W] for grey images; or a folder of images at any
            depth, which are cut to squares. Files that cannot be read are named and left out.
        batch_size: images per call.
        labels: of a folder: the same folder again if it has a folder for each class, or a table
            with the columns file and label; None for none.
        image_size: side in pixels of the squares of a folder; None for what the encoder resizes to
            or expects.
        white: of deep images, see `ImageFolder`; None for what is found in the folder.

    Returns:
        `Embedded`.
    """
    given = 1 if image_size is None else image_size
    check("embed", COUNT, batch_size=batch_size, image_size=given)
    encoder = encoders.open_encoder(os.fspath(encoder)) if _is_path(encoder) else encoder
    if not _is_path(images):
        if labels is not None:
            raise UserError("labels are those of a folder; an array's are in its order already")
        pixels = _uint8(images)
        parts = [pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size)]
        return Embedded(np.concatenate([encoder(part).numpy() for part in parts]), ())
    side = image_size or encoders.usual_side(encoder)
    reader = reading.FolderReader(paths.expand(images), side, paths.expand(labels), white)
    call = encoders.compiled(encoder, side)
    rows = join(encoders.embed(call, reader, 0, reader.size, batch_size))
    reader.check(rows.left_out)
    return Embedded(rows.features, tuple(rows.paths), tuple(rows.labels) if labels else ())


def audit(
    images,
    labels=None,
    *,
    out=None,
    gin_file=None,
    gin_param=(),
    jobs=None,
    devices=(),
    minutes=None,
    quiet=False,
):
    """What bin/audit_views does: many short runs that show which views suit the images of a folder.

    Args:
        images: a folder.
        labels: a folder with a folder for each class, or a table with the columns file and label;
            None for none.
        out: folder to which everything is written; None for runs/audit_views.
        gin_file, gin_param: of the `Audit`, one or several; None for gin/audit_views.gin.
        jobs, devices: runs at a time, None for one per CPU core, up to four; or GPU numbers, with
            one run on each at a time.
        minutes: that all runs may take together; None for 20, or 10 with devices.
        quiet: flag of bin/audit_views.

    Returns:
        `audit.Audited`.
    """
    from infomin_tf.auditing import command

    if not _is_path(images) or not (labels is None or _is_path(labels)):
        raise UserError(
            "audit reads a folder of images, and labels from folders or a table; write arrays to "
            "files"
        )
    check("audit", COUNT, jobs=1 if jobs is None else jobs)
    check("audit", ABOVE_ZERO, minutes=1 if minutes is None else minutes)
    named = _several(gin_file or "gin/audit_views.gin")
    out = _folder(out or paths.default_folder(named[0]), "out")
    found = [gin_files.find_file(file) for file in named]
    with gin_files.fresh(), progress.quieted(quiet):
        folders = paths.expand(images), paths.expand(labels), out
        devices = [str(device) for device in devices]
        return command.audit(found, _several(gin_param), *folders, jobs, devices, minutes)


def _is_path(value):
    return isinstance(value, str | os.PathLike)


def _several(value):
    """Texts, of one or of several."""
    return [os.fspath(part) for part in ([value] if _is_path(value) else value)]


def _folder(path, name="model_dir"):
    path = paths.expand(path)
    paths.check_folder(name, path, is_run=True)
    return path


def _again(model_dir, gin_param, command):
    """The command that evaluates or exports again, with these bindings."""
    flags = [f"--model_dir={model_dir}", *(f"--gin_param={binding}" for binding in gin_param)]
    return shlex.join([f"bin/{command}", *flags])


@contextlib.contextmanager
def _settings_restored():
    """Afterwards gin has the bindings, and Keras the precision, that they had before."""
    experiments.repeatable()
    policy = keras.config.dtype_policy()
    try:
        with gin_files.fresh():
            yield
    finally:
        keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def _array_files(model_dir):
    """A function (name, array) -> path of its file in model_dir/images.

    A call that fails leaves no new file there, and one that succeeds none of other arrays.
    """
    folder, new, used = os.path.abspath(os.path.join(model_dir, "images")), [], []

    def keep(name, array):
        path, is_new = array_file.keep(array, folder, name)
        new.extend([path] * is_new)
        used.append(path)
        return path

    try:
        yield keep
    except UserError:
        for path in new:
            os.remove(path)
        raise
    for path in glob.glob(os.path.join(glob.escape(folder), "*.npy")):
        if path not in used:
            os.remove(path)


def _data(images, labels, keep):
    """Bindings of the sources."""
    if images is None:
        return []
    if not _is_path(images):
        return _of_arrays(images, labels, keep)
    if not (labels is None or _is_path(labels)):
        raise UserError("the labels of a folder must be another folder or a table, not an array")
    return own_images.bindings(images, labels)


def _of_arrays(images, labels, keep):
    pixels = _uint8(images)
    classes = None if labels is None else array_file.check_labels("labels", labels, len(pixels))
    bindings = [
        "Data.unlabelled = @unlabelled/ArrayFile()",
        f"ArrayFile.images = {keep('images', pixels)!r}",
    ]
    if classes is None:
        return bindings
    table = keep("labels", classes)
    for part in ("train", "test"):
        bindings += [
            f"Data.{part} = @{part}/ArrayFile()",
            f"{part}/ArrayFile.labels = {table!r}",
            f"{part}/ArrayFile.split = '{part}'",
        ]
    return bindings


def _uint8(images):
    images = np.asarray(images)
    if images.dtype.kind == "f":
        raise UserError(
            "images must be a folder or an array uint8 [M, H, W, 3]; convert floats in [0, 1] "
            "with np.uint8(np.round(255 * images))"
        )
    return array_file.check_pixels("images", images)
