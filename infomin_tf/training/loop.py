"""One loop for every learner: strategy.run, checkpoints, TensorBoard, progress, clean stops."""

import contextlib
import dataclasses
import functools
import signal
import sys
import time
import typing
from collections.abc import Callable

import keras
from tqdm import tqdm

from infomin_tf.distribution import replicas, strategies, workers
from infomin_tf.progress import Place
from infomin_tf.settings import FROM_ZERO, check
from infomin_tf.training.checkpoint import Checkpoint
from infomin_tf.training.report import Report
from infomin_tf.training.step import WAITED, check_finite, compile_steps


@dataclasses.dataclass
class Task:
    """What the loop trains.

    Args:
        name: of the stage, or "stage: which" where it trains several, for messages.
        learner: a built keras.Model with `train_step(batch) -> dict of scalars` and a tuple
            `optimizers`; `tables`, if it has any, are variables that a step reads whole and then
            writes by rows.
        make_batches: function (first_step, shard) -> infinite tf.data.Dataset of this host's
            batches.
        global_batch_size: images per step.
        steps_per_epoch: steps.
        total_steps: steps.
        directory: where checkpoints and events go.
        on_start: function (writer) called before the first step.
        on_epoch_end: function (step, writer, last) called after each epoch and after the last step,
            for monitors; it must not change the learner. It may return a dict name -> text that the
            progress shows from then on.
    """

    name: str
    learner: keras.Model
    make_batches: Callable
    global_batch_size: int
    steps_per_epoch: int
    total_steps: int
    directory: str
    on_start: Callable | None = None
    on_epoch_end: Callable | None = None


class Trained(typing.NamedTuple):
    """What a training came to.

    Args:
        steps: done, over all the runs that it took.
        seconds: of wall-clock time, over all the runs.
        i_nce: (mean in nats over the steps of the last epoch, their number), as the learner saw
            them; None without.
        steps_per_second: of this run, once compiled; None where that is not known.
    """

    steps: int
    seconds: float
    i_nce: tuple[float, int] | None
    steps_per_second: float | None = None


class TrainingLoop:
    """How the loop runs; none of these but `steps_limit` changes the numbers that come out.

    Args:
        steps_per_call: train steps in one call of the compiled function (a TPU wants many).
        checkpoint_minutes: wall-clock time between checkpoints; 0 for one after each call of the
            compiled function.
        checkpoint_steps: steps between checkpoints, besides; None for by time alone.
        checkpoints_kept: how many of the newest checkpoints stay on disk.
        jit_compile: compile train_step with XLA; for accelerators (on a CPU it is slower than graph
            mode).
        steps_limit: end every stage after that many steps, to try a configuration out; None for no
            limit.
    """

    def __init__(
        self,
        steps_per_call=20,
        checkpoint_minutes=5.0,
        checkpoint_steps: int | None = None,
        checkpoints_kept=2,
        jit_compile=False,
        steps_limit: int | None = None,
    ):
        self.steps_per_call, self.checkpoint_steps = steps_per_call, checkpoint_steps
        self.checkpoints_kept, self.steps_limit = checkpoints_kept, steps_limit
        given = [(name, count) for name, count in vars(self).items() if count is not None]
        wrong = [f"{n} = {c!r}" for n, c in given if not isinstance(c, int) or c < 1]
        if wrong:
            raise ValueError(f"TrainingLoop takes counts of at least 1, not {', '.join(wrong)}")
        check(self, FROM_ZERO, checkpoint_minutes=checkpoint_minutes)
        self.checkpoint_minutes, self.jit_compile = checkpoint_minutes, jit_compile

    def fit(self, task, strategy, place=None):
        """Trains to `total_steps`, from the newest checkpoint in the task's directory if any.

        A run that was stopped and continues equals an uninterrupted one, on one device to the bit:
        batches are a function of the step, and all state is in the checkpoint.

        Args:
            task: a `Task`.
            strategy: the tf.distribute strategy under whose scope the learner was built.
            place: `Place` of the stage in the run; None for a training by itself.

        Returns:
            `Trained`.

        Raises:
            UserError: a loss that is not finite, a checkpoint that does not fit, a full disk, XLA
                on several CPUs.
            SystemExit: after SIGTERM or Ctrl-C, once the state is saved.
        """
        if self.steps_limit:
            task = dataclasses.replace(task, total_steps=min(task.total_steps, self.steps_limit))
        if self.jit_compile:
            strategies.check_xla(strategy)
        checkpoint = Checkpoint(task.learner, task.directory, self.checkpoints_kept)
        step = checkpoint.restore()
        if step >= task.total_steps:
            return Trained(step, checkpoint.seconds, checkpoint.i_nce)
        checkpoint.check_streams()
        batches = replicas.distribute_batches(
            strategy, lambda shard: task.make_batches(step, shard), task.global_batch_size
        )
        run_steps = compile_steps(task.learner, strategy, self.jit_compile)
        take = functools.partial(_take, run_steps, batches, task, checkpoint)
        writer = workers.summary_writer(task.directory)
        saved_at = time.monotonic()
        report = Report(task, step, place or Place(1, 1, task.name))
        with _StopSignals() as stop, report.progress, writer.as_default():
            if step == 0 and task.on_start:
                task.on_start(writer)
            while step < task.total_steps:
                count = self._count(task, step)
                metrics = take(step, count)
                step += count
                report.add(metrics, step, count)
                last = step == task.total_steps
                if task.on_epoch_end and (step % task.steps_per_epoch == 0 or last):
                    report.note(task.on_epoch_end(step, writer, last))
                report.show(step)
                asked_to_stop = workers.gather(stop.signal or 0).max()
                if self._is_due(step, saved_at) or asked_to_stop or last:
                    checkpoint.save(step)
                    saved_at = time.monotonic()
                if asked_to_stop:
                    _leave(task, step, int(asked_to_stop))
        if strategy.num_replicas_in_sync > 1:
            # Statistics that each replica had of its own are those of the first from here on.
            workers.wait_for_all()  # until the chief has saved
            checkpoint.restore()
        return Trained(step, checkpoint.seconds, checkpoint.i_nce, report.steps_per_second)

    def _count(self, task, step):
        """Steps of the next call: to the end of the epoch or to a checkpoint, if these are near."""
        count = min(self.steps_per_call, task.total_steps - step)
        for period in (task.steps_per_epoch, self.checkpoint_steps):
            count = min(count, period - step % period) if period else count
        return count

    def _is_due(self, step, saved_at):
        """Whether a checkpoint is, by the clock or by the steps."""
        is_time = time.monotonic() - saved_at > 60 * self.checkpoint_minutes
        return is_time or bool(self.checkpoint_steps) and step % self.checkpoint_steps == 0


def _take(run_steps, batches, task, checkpoint, step, count):
    """Takes `count` steps after a step; returns the means of their metrics, floats."""
    started = time.monotonic()
    history = {name: value.numpy() for name, value in run_steps(batches, count).items()}
    waited = history.pop(WAITED, None)
    check_finite(history, task, step, checkpoint)
    if "i_nce" in history:
        checkpoint.note_i_nce(history["i_nce"], step % task.steps_per_epoch == 0)
    seconds = time.monotonic() - started
    metrics = {name: float(values.mean()) for name, values in history.items()}
    if waited is not None:
        metrics["waiting_for_data"] = float(waited.sum()) / seconds
    return metrics | {"images_per_second": task.global_batch_size * count / seconds}


class _StopSignals:
    """Notes SIGTERM and SIGINT while the loop runs, so that it saves; a second stops at once."""

    def __enter__(self):
        self.signal, self._previous = None, {}
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # not in the main thread
                self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.signal = number
        self.__exit__()

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def _leave(task, step, number):
    """Says where the run stands and exits with the status of the signal."""
    workers.wait_for_all()  # until the chief has saved
    tqdm.write(
        f"{task.name} stopped at step {step} of {task.total_steps} and saved; the same command "
        "continues from there",
        file=sys.stderr,
    )
    raise SystemExit(128 + number)
