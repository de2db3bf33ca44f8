"""Running the stages of a run in order, or one of them again."""

import contextlib
import time

import keras
from tqdm import tqdm

from infomin_tf import progress, seeds
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.experiment import begun
from infomin_tf.progress import Place
from infomin_tf.runs import run_folder


def run_stages(run, stages):
    """Checks the stages that are not finished, then runs these and reads the others, in order."""
    _check(run, [stage for stage in stages if not run.is_finished(stage.name)])
    names = [stage.name for stage in stages]
    for number, stage in enumerate(stages, 1):
        later = stages[number:]
        words, steps = tuple(_outlook(run, s) for s in later), sum(s.num_steps(run) for s in later)
        place = Place(number, len(names), stage.name, words, steps)
        finished = run.is_finished(stage.name)
        # All have read the note of then before one of them writes that of now.
        changed = workers.gather(int(begun.check_images(run, stage, finished))).any()
        keras.utils.set_random_seed(seeds.stream(run.seed, stage.name))
        if finished:
            _say(f"{place} is finished: skipped")
            stage.restore(run)
            continue
        if changed:
            stage.begin_again(run)
        _run(run, stage, place)


def _check(run, stages):
    """Raises one UserError with what each of the stages lacks: who fixes it does so in one go."""
    problems = []
    for stage in stages:
        try:
            stage.check(run)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))


def _outlook(run, later):
    """What is said of a stage before it begins: its name and, of a training, how many steps."""
    steps = later.num_steps(run)
    return f"{later.name} ({steps} steps)" if steps else later.name


def repeat(run, before, stage):
    """Runs a stage again, with what the stages before it have trained."""
    before = [earlier for earlier in before if earlier.trains_on]
    for needed in before:
        if run.results_of(needed.name) is None:
            raise UserError(
                f"{run.model_dir} has no finished stage {needed.name}; run bin/train with this "
                "--model_dir first"
            )
    stage.check(run)
    for earlier in before:
        begun.check_images(run, earlier, finished=True)
        earlier.restore(run)
    stage.begin_again(run)
    _run(run, stage, Place(1, 1, stage.name))


def _run(run, stage, place):
    begun.write(run, stage)
    run.place, started = place, time.monotonic()
    if not stage.trains_on:  # a training says itself that it begins
        _say(f"{place} begins")
    stage.run(run)
    _say(f"{place} is finished after {tqdm.format_interval(time.monotonic() - started)}")


def _say(text):
    if workers.is_chief():
        progress.say(text)


@contextlib.contextmanager
def claimed(model_dir, text, *, repeats=False, overwrite=False, again=None):
    """Locks model_dir for an experiment of a configuration, and makes it its own; gives the text.

    Args:
        model_dir: of the run.
        text: the configuration.
        repeats: whether a stage runs again, on a training of this configuration.
        overwrite, again: see `run_folder.claim`.

    Raises:
        UserError: model_dir is another run's, or in use.
    """
    if repeats:
        run_folder.check_same_training(model_dir, text)
    with run_folder.locked(model_dir) if workers.is_chief() else contextlib.nullcontext():
        if not repeats:
            if workers.is_chief():
                run_folder.claim(model_dir, text, overwrite, again)
            workers.wait_for_all()
            workers.check_one_run(model_dir, run_folder.holds(model_dir, text))
        yield text
        workers.wait_for_all()
