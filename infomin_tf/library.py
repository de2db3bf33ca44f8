"""The commands from Python: `infomin_tf.train`, `infomin_tf.embed` and `infomin_tf.audit`."""

import dataclasses
import functools
import hashlib
import io
import os
import typing

import numpy as np

from infomin_tf.command_line import experiments
from infomin_tf.configuration import gin_files
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.errors import UserError
from infomin_tf.evaluation import features
from infomin_tf.export import load_encoder
from infomin_tf.runs import files, paths

_WITH_LABELS, _WITHOUT = "gin/folder_semisup_views.gin", "gin/folder_unsup_views.gin"


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
        return load_encoder(os.path.join(self.model_dir, "export"))


class Embedded(typing.NamedTuple):
    """Features of images.

    Args:
        features: float32 [M, D].
        paths: of the images' files under their folder; () for arrays.
    """

    features: np.ndarray
    paths: tuple


def train(
    images,
    labels=None,
    *,
    model_dir=None,
    gin_file=None,
    gin_param=(),
    data_dir=None,
    strategy="auto",
    seed=0,
    until=None,
    overwrite=False,
):
    """What bin/train does: learns views of a person's images, pre-trains, evaluates and exports.

    The same call continues where it stopped, and reads what is finished. As the commands do, it
    makes TensorFlow repeatable from then on. An array is kept in model_dir/images, so that
    bin/evaluate and bin/export work on the run, too.

    Args:
        images: folder of images at any depth, or an array uint8 [M, H, W, 3].
        labels: of a folder: another with a folder for each class, or a table with the columns file
            and label; of an array: integers or texts [M], negative or "" where there is none. None
            for no labels: then nothing is probed.
        model_dir: where everything is written; None for runs/<name of the gin file>.
        gin_file: path of the experiment, or several; None for gin/folder_semisup_views.gin, without
            labels gin/folder_unsup_views.gin.
        gin_param: further bindings, such as ("Pretrain.epochs = 50",).
        data_dir, strategy, seed, until, overwrite: flags of bin/train.

    Returns:
        `Trained`.

    Raises:
        UserError: a mistake that the message explains.
    """
    default = _WITHOUT if labels is None else _WITH_LABELS
    named = [gin_file or default] if isinstance(gin_file, str | None) else list(gin_file)
    model_dir = paths.expand(model_dir or paths.default_folder(named[0]))
    found = [gin_files.find_file(file) for file in named]
    bindings = [*_data(images, labels, model_dir), *gin_param]
    options = {"data_dir": data_dir, "strategy": strategy, "seed": seed, "until": until}
    experiments.repeatable()
    with gin_files.fresh():
        stages = experiments.train(found, bindings, model_dir, overwrite=overwrite, **options)
    return Trained(model_dir, stages)


def embed(encoder, images, batch_size=256):
    """Features of images.

    Args:
        encoder: of `load_encoder` or `Trained.encoder`; or the path of an export.
        images: array uint8 [M, H, W, 3]; or a folder of images at any depth, which are made squares
            of the size that the encoder looks at.
        batch_size: images a call.

    Returns:
        `Embedded`.
    """
    encoder = load_encoder(encoder) if isinstance(encoder, str | os.PathLike) else encoder
    if not isinstance(images, str | os.PathLike):
        pixels = _uint8(images)
        parts = [pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size)]
        return Embedded(np.concatenate([encoder(part).numpy() for part in parts]), ())
    loaded = ImageFolder(images, encoder.resize or encoder.size).load()
    found, _ = features.extract(encoder, loaded, lambda pixels, seed: pixels, batch_size)
    return Embedded(found, loaded.facts.files)


def audit(images, labels=None, *, out=None, gin_file=None, gin_param=(), jobs=1, devices=()):
    """What bin/audit_views does: many short runs, which say what views suit the images of a folder.

    Args:
        images: a folder.
        labels: a folder with a folder for each class, or a table with the columns file and label;
            None for none.
        out: folder of everything that is written; None for runs/audit_views.
        gin_file, gin_param: configuration of the `Audit`; None for gin/audit_views.gin.
        jobs, devices: see `Runner`.

    Returns:
        `audit.Audited`.
    """
    from infomin_tf.auditing import command

    if not isinstance(images, str | os.PathLike):
        raise UserError(
            "audit reads a folder of images; write the array to files, or pass the folder"
        )
    name = gin_file or "gin/audit_views.gin"
    found = [gin_files.find_file(name)]
    folders = [paths.expand(path) for path in (images, labels, out or paths.default_folder(name))]
    with gin_files.fresh():
        return command.audit(found, gin_param, *folders, jobs, devices)


def _data(images, labels, model_dir):
    """Bindings of the sources."""
    if not isinstance(images, str | os.PathLike):
        return _of_arrays(images, labels, model_dir)
    directory = f"ImageFolder.directory = {paths.expand(images)!r}"
    if labels is None:
        return [directory]
    labels = paths.expand(labels)
    bindings = [f"unlabelled/{directory}"]
    for part in ("train", "test"):
        if os.path.isdir(labels):
            bindings.append(f"{part}/ImageFolder.directory = {labels!r}")
        else:
            bindings += [f"{part}/{directory}", f"{part}/ImageFolder.labels_file = {labels!r}"]
            bindings.append(f"{part}/ImageFolder.labelled = False")
    return bindings


def _of_arrays(images, labels, model_dir):
    folder = os.path.abspath(os.path.join(model_dir, "images"))
    bindings = [
        "Data.unlabelled = @unlabelled/ArrayFile()",
        f"ArrayFile.images = {_kept('images', _uint8(images), folder)!r}",
    ]
    if labels is None:
        return bindings
    table = _kept("labels", np.asarray(labels), folder)
    for part in ("train", "test"):
        bindings += [
            f"Data.{part} = @{part}/ArrayFile()",
            f"{part}/ArrayFile.labels = {table!r}",
            f"{part}/ArrayFile.split = '{part}'",
        ]
    return bindings


def _kept(name, array, folder):
    """Path of an array's .npy file, named after its contents, so that no other replaces it."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    digest = hashlib.sha256(content.getbuffer()).hexdigest()[:8]
    path = os.path.join(folder, f"{name}_{digest}.npy")
    if not os.path.exists(path):
        files.write_atomically(path, content.getbuffer())
    return path


def _uint8(images):
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise UserError(
            f"images are a folder, or an array uint8 [M, H, W, 3], not {images.dtype} "
            f"{list(images.shape)}; floats in [0, 1] become so by np.uint8(np.round(255 * images))"
        )
    return images
