"""The command line: flags -> gin -> one call. Arguments are checked before TensorFlow loads."""

import dataclasses
import errno
import functools
import os
import sys

from absl import flags

from infomin_tf import environment, progress
from infomin_tf.command_line import options
from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.runs import paths, run_folder

_TRAIN = """Learns views, pre-trains on them, evaluates and exports, as a gin file says.

  bin/train --images=photos --labels=sorted_photos     # your own: a folder for each class, or csv
  bin/train --gin_file=gin/quickstart.gin
  bin/train --gin_file=gin/stl10_semisup_views.gin --data_dir=DIR --gin_param='Pretrain.epochs=100'

The same command continues where it stopped; finished stages are skipped."""
_EVALUATE = """Evaluates the finished pre-training of a model_dir again.

  bin/evaluate --model_dir=runs/quickstart
  bin/evaluate --model_dir=runs/quickstart --gin_param='Evaluate.raw_pixels = True'
  bin/evaluate --model_dir=runs/cmc --gin_file=gin/evaluation/nyuv2_segmentation.gin --data_dir=DIR

Files that are not a whole experiment are added to the run's configuration."""
_EXPORT = """Exports the finished pre-training of a model_dir again.

  bin/export --model_dir=runs/quickstart
  bin/export --model_dir=runs/imagenet --format=torchvision --format=onnx

What is there in other formats stays."""

_SHOW_VIEWS = """\
Writes a picture of 8 images, each with 8 random views of it, as the gin files make them.

  bin/show_views --gin_file=gin/quickstart.gin --out=views.png
  bin/show_views --gin_file=gin/small/infomin.gin --gin_file=gin/small/cifar10.gin --data_dir=DIR"""

_SWEEP = """\
Runs an experiment at every value of an axis or two, with several seeds, and says which is best.

  bin/sweep --gin_file=gin/small/fig5_crop_area.gin --data_dir=DIR

The same command runs what is missing. Under --out: sweep.csv, sweep.json, curve.png, curve.svg,
report.html, and a model_dir for each point."""

_AUDIT_VIEWS = """\
Says which views to train on for the images of a folder: crop area, jitter, blur, RandAugment,
splits, learned views.

  bin/audit_views --images=photos --minutes=10
  bin/audit_views --images=photos --labels=photos      # a folder for each class
  bin/audit_views --images=photos --labels=labels.csv  # columns file (path under photos) and label

Many short runs of a small network, fewer and longer ones of what is better; the same command runs
what is missing. Under --out: report.html, recommended.gin, curve.png, and three rounds of runs."""

_EMBED = """\
Writes the features of a folder of images, or of a TFDS data set, to a file: Parquet, npz or csv.

  bin/embed --export=runs/quickstart/export --images=photos --out=features.parquet
  bin/embed --export=runs/quickstart/export --images=photos --labels=photos --out=features.npz
  bin/embed --export=runs/quickstart/export --tfds=stl10 --split=test --data_dir=DIR --out=stl10.csv

Of a finished file, without computing again:

  bin/embed --out=features.parquet --neighbours=photos/a.jpg   # a page of the nearest images
  bin/embed --out=features.parquet --projector                 # a folder for TensorBoard

The same command continues where it stopped."""


def _main(command, description):
    environment.open_streams()
    values = options.define(command)
    try:
        try:
            rest = values(sys.argv)
        except flags.Error as error:
            raise UserError(f"{error}\nsee bin/{command} --help") from error
        if values["help"].value:
            print(f"{environment.as_installed(description)}\n\nFlags:\n{options.help_text(values)}")
            sys.exit(0)
        if len(rest) > 1:
            raise UserError(f"unexpected argument {rest[1]!r}; flags are given as --name=value")
        options.settle(values)
        files = _gin_files(values, command)
        environment.prepare(_written_folder(values))
        environment.show_warnings()
        with progress.quieted("quiet" in values and values.quiet):
            _run(command, values, files)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {environment.as_installed(str(error))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"error: {error}; make room, then the same command continues", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nstopped; the same command continues where it stopped", file=sys.stderr)
        sys.exit(130)


def _written_folder(values):
    if "model_dir" in values:
        return values.model_dir
    return values.out if "jobs" in values else os.path.dirname(values.out) or os.curdir


def _request(values):
    """What bin/embed is asked for."""
    from infomin_tf.embedding.request import Request

    names = (field.name for field in dataclasses.fields(Request))
    return Request(**{name: values[name].value for name in names})


def _gin_files(values, command):
    """Paths of the gin files, and sets the default model_dir; bin/embed has neither."""
    if command == "embed":
        _request(values).check()
        return []
    files = values.gin_file
    if command == "audit_views":
        if not values.images:
            raise UserError("bin/audit_views needs --images, a folder; see bin/audit_views --help")
        files = files or ["gin/audit_views.gin"]
    repeats = command in ("evaluate", "export")
    if repeats and not files and values.model_dir:
        run_folder.saved_seed(values.model_dir)  # which tells where there is no run
        return [os.path.join(values.model_dir, run_folder.FILE_NAME)]
    if not files:
        needed = "--model_dir of a run, or its --gin_file" if repeats else "--gin_file"
        raise UserError(f"bin/{command} needs {needed}; see bin/{command} --help")
    written = values["model_dir" if "model_dir" in values else "out"]
    written.value = written.value or paths.default_folder(files[0])
    return [gin_files.find_file(file) for file in files]


def _run(command, values, files):
    if command == "sweep":
        from infomin_tf.sweeps import command as sweep_command

        arguments = values.out, values.data_dir, values.jobs, values.devices
        sys.exit(sweep_command.run(files, values.gin_param, *arguments))
    if command == "audit_views":
        from infomin_tf.auditing import command as audit_command

        arguments = values.images, values.labels, values.out, values.jobs, values.devices
        sys.exit(audit_command.run(files, values.gin_param, *arguments, values.minutes))
    with environment.quiet_standard_error():  # imported here, as TensorFlow takes seconds
        from infomin_tf.command_line import experiments

    experiments.repeatable()
    if command == "embed":
        from infomin_tf.embedding import command as embed_command

        embed_command.run(_request(values))
        return
    shared = {"data_dir": values.data_dir, "seed": values.seed}
    if command == "show_views":
        experiments.show_views(files, values.gin_param, values.out, **shared)
        print(f"wrote {values.out}")
        return
    arguments = files, values.gin_param, values.model_dir
    shared["strategy"] = values.strategy
    if command == "train":
        more = {"until": values.until, "overwrite": values.overwrite}
        experiments.train(*arguments, **shared, **more, again=options.again(values))
    else:
        shared["seed"] = values.seed if values["seed"].present else None
        experiments.repeat(command, *arguments, **shared)


# What launch.py and the scripts infomin-train, infomin-evaluate and so on call.
train_main = functools.partial(_main, "train", _TRAIN)
evaluate_main = functools.partial(_main, "evaluate", _EVALUATE)
export_main = functools.partial(_main, "export", _EXPORT)
show_views_main = functools.partial(_main, "show_views", _SHOW_VIEWS)
sweep_main = functools.partial(_main, "sweep", _SWEEP)
audit_views_main = functools.partial(_main, "audit_views", _AUDIT_VIEWS)
embed_main = functools.partial(_main, "embed", _EMBED)
