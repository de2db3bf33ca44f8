"""The flags of each command."""

import os
import shlex

from absl import flags

from infomin_tf.command_line import own_images
from infomin_tf.errors import UserError
from infomin_tf.formats import format
from infomin_tf.runs import paths, results

_EXAMPLE = "Pretrain.epochs = 3"
_EXAMPLES = {"sweep": "Sweep.seeds = (0, 1, 2)", "audit_views": "Audit.limit = 1000"}
_WRITTEN = "where everything is written; default runs/<name of the first gin file>"
_PATHS = {"model_dir", "data_dir", "out", "images", "labels", "export", "neighbours"}
_STRATEGIES = ("auto", "one_device", "mirrored", "tpu", "multi_worker")


def define(command):
    """The flags of bin/<command>, as absl's `FlagValues`."""
    values = flags.FlagValues()
    flags.DEFINE_boolean("help", False, "show this help", short_name="h", flag_values=values)
    if command != "show_views":
        meaning = "say nothing on the way but warnings and errors"
        flags.DEFINE_boolean("quiet", False, meaning, flag_values=values)
    if command in ("train", "audit_views", "embed"):
        _text(values, "images", "folder of your images, at any depth")
        meaning = "folder with a folder for each class, or csv file; none without labels"
        _text(values, "labels", meaning)
    if command == "audit_views":
        meaning = "of all runs together; default 20, or 10 with --devices"
        flags.DEFINE_float("minutes", None, meaning, lower_bound=0.1, flag_values=values)
    if command == "embed":
        return _of_embed(values)
    meaning = "gin file, from the working directory or the package; repeatable, later ones win"
    flags.DEFINE_multi_string("gin_file", [], meaning, flag_values=values)
    meaning = f"one gin binding, such as '{_EXAMPLES.get(command, _EXAMPLE)}'; repeatable"
    flags.DEFINE_multi_string("gin_param", [], meaning, flag_values=values)
    if command != "audit_views":
        _text(values, "data_dir", "folder of prepared TFDS data sets")
    if command in ("sweep", "audit_views"):
        _text(values, "out", _WRITTEN)
        jobs, default = (1, "") if command == "sweep" else (None, "; default one per core, up to 4")
        meaning = f"runs at a time{default}"
        flags.DEFINE_integer("jobs", jobs, meaning, lower_bound=1, flag_values=values)
        meaning = "GPU numbers; one run at a time on each"
        flags.DEFINE_list("devices", [], meaning, flag_values=values)
        return values
    meaning = "seed of everything random"
    flags.DEFINE_integer("seed", 0, meaning, 0, 2**31 - 1, flag_values=values)
    if command == "show_views":
        flags.DEFINE_string("out", "views.png", "the picture that is written", flag_values=values)
        return values
    _text(values, "model_dir", _WRITTEN)
    flags.DEFINE_enum("strategy", "auto", _STRATEGIES, "tf.distribute strategy", flag_values=values)
    if command == "export":
        meaning = f"what is written; repeatable; default {' and '.join(format.DEFAULT)}"
        flags.DEFINE_multi_enum("format", [], format.NAMES, meaning, flag_values=values)
    if command == "train":
        _text(
            values, "init", "weights that pre-training starts from, torchvision's as .safetensors"
        )
        meaning = "stop after this stage"
        flags.DEFINE_enum("until", None, results.STAGES, meaning, flag_values=values)
        meaning = "delete a run of another configuration in model_dir"
        flags.DEFINE_boolean("overwrite", False, meaning, flag_values=values)
    return values


def _of_embed(values):
    """Adds those of bin/embed."""
    _text(values, "export", "export of a finished run, or its model_dir")
    _text(values, "tfds", "TFDS data set in the place of --images, such as stl10")
    _text(values, "split", "its split, such as test or train[:10%]")
    _text(values, "data_dir", "folder of prepared TFDS data sets")
    _text(values, "out", "file of features that is written: .parquet, .npz or .csv")
    meaning = "side to which images are cut first; default that of the run, or of the encoder"
    flags.DEFINE_integer("image_size", None, meaning, lower_bound=1, flag_values=values)
    meaning = "white of images beyond 8 bits; default that of the run, or what the folder tells"
    flags.DEFINE_float("white", None, meaning, flag_values=values)
    flags.DEFINE_integer("batch_size", 64, "images per call", lower_bound=1, flag_values=values)
    meaning = "also write a folder for TensorBoard's projector, next to --out"
    flags.DEFINE_boolean("projector", False, meaning, flag_values=values)
    _text(values, "neighbours", "image whose nearest images are written as a page, next to --out")
    meaning = "replace features of other arguments in --out"
    flags.DEFINE_boolean("overwrite", False, meaning, flag_values=values)
    return values


def settle(values):
    """Checks the values; a ~ becomes the home folder in every path, --format and --init bindings.

    Raises:
        UserError: a format whose package is not installed, a device that is not a number, a URL
            where only a folder on this machine will do, a name that is not UTF-8, or a working
            directory that is gone.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise UserError(
            f"the working directory cannot be used ({error.strerror}); cd to one that exists"
        ) from error
    if "format" in values and values.format:
        format.check_installed(values.format)
        values.gin_param = [*values.gin_param, f"Export.formats = {tuple(values.format)}"]
    if "init" in values and values.init:
        binding = f"Pretrain.initial_weights = {paths.expand(values.init)!r}"
        values.gin_param = [*values.gin_param, binding]
    for device in values["devices"].value if "devices" in values else ():
        if not device.isdecimal():
            raise UserError(f"--devices must be GPU numbers, such as 0,1, not {device!r}")
    if "gin_file" in values:
        values.gin_file = [paths.expand(file) for file in values.gin_file]
    for name in _PATHS & set(values):
        path = values[name].value = paths.expand(values[name].value)
        if name != "data_dir":  # TensorFlow Datasets reads from storage, too
            is_run = name == "model_dir" or (name == "out" and "jobs" in values)
            paths.check_folder(name, path, is_run)
    if "init" in values:
        own_images.check(values.images, values.labels)
        own_images.bind(values)


def help_text(values):
    """A line for each flag."""
    lines = []
    for name in values:
        flag = values[name]
        if name != flag.name:
            continue
        default = "" if flag.default in (None, []) or flag.boolean else f"; default {flag.default}"
        meaning = flag.help.removesuffix(";\n    repeat this option to specify a list of values")
        lines.append(f"  --{name:<10} {meaning}{default}")
    return "\n".join(lines)


def again(values):
    """A function "evaluate" or "export" -> the command that does it with the flags of this one."""
    given = [f"--model_dir={values.model_dir}"]
    for name in ("gin_file", "gin_param"):
        given += [f"--{name}={value}" for value in values[name].value]
    others = ("data_dir", "strategy", "seed")
    given += [f"--{name}={values[name].value}" for name in others if values[name].present]
    return lambda command: shlex.join([f"bin/{command}", *given])


def _text(values, name, meaning):
    flags.DEFINE_string(name, None, meaning, flag_values=values)
