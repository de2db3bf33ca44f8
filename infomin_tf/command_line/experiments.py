"""What bin/train, evaluate, export and show_views do with their flags; imports TensorFlow."""

import contextlib
import os
import sys

import keras
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.auditing import names  # noqa: F401
from infomin_tf.configuration import (
    experiment_names,  # noqa: F401
    gin_files,
    root,
)
from infomin_tf.data.records import streaming_damage_explained
from infomin_tf.distribution import strategies, workers
from infomin_tf.experiment import order
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.runs import run_folder
from infomin_tf.training import precision


def repeatable():
    """Makes TensorFlow give the same numbers in every process, from now on."""
    # TensorFlow writes the functions that it converts to temporary files; no bytecode stays there.
    sys.dont_write_bytecode = True
    tf.config.experimental.enable_op_determinism()
    # This pass orders a graph, and so the sums of gradients, differently in each process.
    tf.config.optimizer.set_experimental_options({"dependency_optimization": False})


def train(files, bindings, model_dir, *, seed, strategy, data_dir, until, overwrite, again=None):
    """Runs the stages of an experiment that are not finished.

    Args:
        files, bindings: its configuration.
        model_dir, seed, data_dir, until: see `Experiment.run`.
        strategy: name, see `strategies.create_strategy`.
        overwrite: whether a run of another configuration in model_dir is deleted.
        again: function "evaluate" or "export" -> the command that does it again.

    Returns:
        See `Experiment.run`.
    """
    with (
        _built(files, bindings, seed, strategy, data_dir) as (experiment, arguments),
        order.claimed(model_dir, arguments["configuration"], overwrite=overwrite, again=again),
    ):
        return experiment.run(model_dir, until=until, **arguments)


def repeat(command, files, bindings, model_dir, *, seed, strategy, data_dir):
    """Evaluates or exports again; arguments as of `train`, a `seed` of None is that of the run."""
    if seed is None:
        seed = run_folder.saved_seed(model_dir)
    if not root.is_whole(Experiment, files):
        files = [os.path.join(model_dir, run_folder.FILE_NAME), *files]
    with (
        _built(files, bindings, seed, strategy, data_dir) as (experiment, arguments),
        order.claimed(model_dir, arguments["configuration"], repeats=True),
    ):
        experiment.repeat(command, model_dir, **arguments)


def show_views(files, bindings, out, *, seed, data_dir):
    """Writes a picture of views, see `Experiment.save_picture`."""
    with streaming_damage_explained(data_dir):
        build(files, bindings).save_picture(out, data_dir=data_dir, seed=seed)


def build(files, bindings):
    """The experiment that the files configure, its layers made in the precision that they bind."""
    gin_files.parse(files, bindings)
    precision.use(root.bound(Experiment, "precision", "float32"))
    experiment = gin_files.build(Experiment)
    gin_files.check_all_used()
    return experiment


@contextlib.contextmanager
def _built(files, bindings, seed, strategy, data_dir):
    """(the experiment, what its `run` and `repeat` take), under the scope of the strategy."""
    made = strategies.create_strategy(strategy)
    with streaming_damage_explained(data_dir), made.scope(), workers.clear_loss():
        keras.utils.set_random_seed(seeds.stream(seed, "weights"))
        experiment = build(files, bindings)
        arguments = {"strategy": made, "seed": seed, "data_dir": data_dir}
        yield experiment, arguments | {"configuration": gin_files.operative_text(seed)}
