"""The stages of a run one after the other, and one of them again."""

import contextlib
import sys

import keras

from infomin_tf import seeds
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.experiment import begun
from infomin_tf.runs import run_folder


def run_stages(run, stages):
    """Checks the stages that are not finished, then runs these and reads the others, in order."""
    for stage in stages:
        if not run.is_finished(stage.name):
            stage.check(run)
    for stage in stages:
        finished = run.is_finished(stage.name)
        # All have read the note of then before one of them writes that of now.
        changed = workers.gather(int(begun.check_images(run, stage, finished))).any()
        keras.utils.set_random_seed(seeds.stream(run.seed, stage.name))
        if finished:
            _say(f"{stage.name} is finished: skipped")
            stage.restore(run)
            continue
        if changed:
            stage.begin_again(run)
        begun.write(run, stage)
        stage.run(run)


def repeat(run, before, stage):
    """Runs a stage again, on what the stages before it have trained."""
    before = [earlier for earlier in before if earlier.trains_on]
    for needed in before:
        if run.results_of(needed.name) is None:
            raise UserError(
                f"{run.model_dir} has no finished stage {needed.name}; run bin/train with this --model_dir first"
            )
    stage.check(run)
    for earlier in before:
        begun.check_images(run, earlier, finished=True)
        earlier.restore(run)
    stage.begin_again(run)
    begun.write(run, stage)
    stage.run(run)


@contextlib.contextmanager
def claimed(model_dir, text, repeats):
    """Locks model_dir for an experiment of these settings, from Python, and makes it its own; gives the text."""
    only_writer = contextlib.nullcontext
    if workers.is_chief():
        run_folder.adopt(model_dir, text)
        only_writer = run_folder.locked
    if repeats:
        run_folder.check_same_training(model_dir, text)
    with only_writer(model_dir):
        if workers.is_chief() and not repeats:
            run_folder.claim(model_dir, text, overwrite=False, again=_repeats)
        workers.wait_for_all()
        yield text


def _repeats(stage):
    return f'Experiment.repeat("{stage}", model_dir, ...)'


def _say(line):
    """On standard error; of several workers the chief does."""
    if workers.is_chief():
        print(line, file=sys.stderr)
