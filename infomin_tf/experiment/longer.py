"""A finished or unfinished training that continues to another length than it was begun with."""

import numpy as np

from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.experiment import begun
from infomin_tf.runs import results, run_folder
from infomin_tf.training.checkpoint import newest_step


def settle(run, stages, wanted):
    """Accepts another length of the training if it ends as if it had been so from the start.

    Saves the configuration. Stages that then have more to do, and those after them, are unfinished
    again.

    Args:
        run: the `Run`.
        stages: all of the experiment, in order.
        wanted: those that are going to run, which are checked before a result is forgotten.

    Raises:
        UserError: why the training cannot continue.
    """
    changed = run_folder.changed_lengths(run.model_dir, run.configuration)
    if not workers.gather(len(changed)).any():  # read by all before one of them saves
        return
    trained = [stage for stage in stages if stage.trains_on]
    for place, stage in enumerate(trained):
        if why := _why_not(run, stage, trained[place + 1 :]):
            raise UserError(
                f"{run.model_dir} cannot continue with\n  "
                + "\n  ".join(changed)
                + f"\n{why}; use another --model_dir, or --overwrite to delete that run"
            )
    longer = [stage for stage in trained if _done(run, stage) < _end(run, stage)]
    first = stages.index(longer[0]) if longer else len(stages)
    for stage in wanted[first:]:
        begun.check_images(run, stage, finished=False)
        stage.check(run)
    for stage in reversed(stages[first:]):
        if workers.is_chief():
            results.forget(run.directory(stage.name))
        stage.begin_again(run)
    if workers.is_chief():
        run_folder.save(run.model_dir, run.configuration)
    workers.wait_for_all()


def _done(run, stage):
    return newest_step(run.directory(stage.name))


def _end(run, stage):
    return stage.training.last_step(stage.images(run))


def _why_not(run, stage, later):
    """Why a stage does not end as if it had begun with the new length; None where it does."""
    name, done, end = stage.name, _done(run, stage), _end(run, stage)
    if end < done:
        return f"{name} has done {done} steps, but only {end} are asked for: steps cannot be undone"
    if done < end and any(_done(run, other) for other in later):
        return f"{later[0].name} has begun on the views of {name}, which more training would change"
    if not done:
        return None
    planned = (begun.read(run, stage) or {}).get("learning_rates")
    if planned is None:
        return f"{name} was begun by an earlier version, which did not record its learning rates"
    steps = np.array(planned["steps"])
    then = np.array(planned["rates"])[:, steps < done]
    steps = steps[steps < done]
    now = np.array(stage.training.rates(stage.images(run), steps)).reshape(then.shape)
    differ = np.flatnonzero((then != now).any(axis=0))
    if not len(differ):
        return None
    first, schedule = differ[0], type(stage.training.schedule).__name__
    return (
        f"{name} has done {done} steps, and with {schedule} the learning rate at step "
        f"{steps[first]} was {then[:, first].max():.6g}, but would have been "
        f"{now[:, first].max():.6g}. A schedule that keeps the rates of the steps already done "
        "can continue: Constant, or StepDecay with of_epochs bound to the new length"
    )
