"""Runs the rounds of an audit within its time, and keeps what it decides, so it can continue."""

import contextlib
import hashlib
import json
import os

from infomin_tf.auditing import budget
from infomin_tf.errors import UserError
from infomin_tf.progress import say
from infomin_tf.runs import files, lease
from infomin_tf.sweeps.outcome import Outcome
from infomin_tf.sweeps.runner import Runner

_LEAST_SEEDS, _FINALISTS = 2, 3
_KEEP_SECONDS = 10.0  # a kill loses so much of the time that is counted
_ROUNDS = ("first_round", "second_round", "last_round")


class Rounds:
    """The three rounds of an audit.

    Args:
        audit: `Audit`.
        facts: of `preparation.prepare`.
        out: folder of the audit.
        minutes: that all runs may take together, over all the times that the audit was started.
        jobs: runs at a time, without devices.
        devices: see `Runner`.
    """

    def __init__(self, audit, facts, out, minutes, jobs, devices):
        self._audit, self._facts, self._out = audit, facts, out
        self._jobs, self._devices = jobs, devices
        self._at_a_time, self._ranking = len(devices) or jobs, audit.ranking(facts)
        self._minutes = minutes
        self._clock = budget.Clock(minutes, self._read("seconds", 0.0))

    def run(self):
        """Runs what is missing and what there is time for.

        Returns:
            `outcome.Outcome`s of the three rounds, and steps of the runs of the last two.

        Raises:
            UserError: too few runs have results.
        """
        arguments = self._out, self._facts
        first = self._run(0, self._audit.first_round(*arguments), 0.6)
        # With more minutes, or other settings, there may be more results to decide by.
        tried = json.dumps([self._minutes, list(first.sweep.axes[0].settings.values())])
        tried = hashlib.sha256(tried.encode()).hexdigest()[:8]
        better = self._decide(
            f"second_round_{tried}", lambda: self._audit.better(first, self._ranking)
        )
        steps = self._decide("steps", lambda: self._steps(first, better))
        second = self._run(1, self._audit.second_round(*arguments, better, steps), 0.7)
        finalists = self._decide(
            f"last_round_{tried}", lambda: self._audit.finalists(first, second, self._ranking)
        )
        for seeds in range(_LEAST_SEEDS, len(self._audit.seeds) - 1):
            # Without two seeds of the finalists there would be no answer, so they may take longer.
            share = None if seeds == _LEAST_SEEDS else 1.0
            last = self._run(2, self._audit.last_round(*arguments, finalists, steps, seeds), share)
            if self._is_told(last) or not self._is_there_time(first, finalists, steps, seeds):
                break
        return first, second, last, steps

    def _run(self, number, sweep, share):
        """The `Outcome` of a round that may take a share of the time that is left, written."""
        say(f"{sweep.title}: {len(sweep.points())} runs, {self._clock}")
        sweep.hours = share and share * self._clock.seconds_left / 3600
        folder = os.path.join(self._out, _ROUNDS[number])
        runner = Runner(sweep, folder, None, self._jobs, self._devices)
        end_keeping = lease.repeat(self._try_to_keep_time, _KEEP_SECONDS)
        try:
            outcome = Outcome(runner, runner.run())
        finally:
            end_keeping()
            self._keep_time()
        outcome.write(runner.out)
        return outcome

    def _try_to_keep_time(self):
        with contextlib.suppress(UserError):  # the last one says it
            self._keep_time()

    def _keep_time(self):
        spent = max(self._clock.seconds_spent, self._read("seconds", 0.0))
        files.write_atomically(self._file("seconds"), json.dumps(spent))

    def _decide(self, name, decide):
        """What was decided before, here or on another machine, or is now, and kept."""
        if not os.path.exists(self._file(name)):
            files.write_first(self._file(name), json.dumps(decide()))
        found = self._read(name)
        return [tuple(setting) for setting in found] if isinstance(found, list) else found

    def _read(self, name, otherwise=None):
        if otherwise is not None and not os.path.exists(self._file(name)):
            return otherwise
        return files.read_json(self._file(name), "delete this file, and the audit decides again")

    def _file(self, name):
        return os.path.join(self._out, "plan", f"{name}.json")

    def _steps(self, first, better):
        costs = self._costs(first)
        measured = [s for s in better if s in costs.steps]
        limits = self._audit.first_steps, max(self._audit.first_steps, self._audit.most_steps)
        share = self._clock.seconds_left, self._at_a_time
        return budget.steps_of_rest(*share, costs, measured, _FINALISTS, _LEAST_SEEDS, *limits)

    def _costs(self, first):
        """`Costs` by the first round."""
        known = first.sweep.axes[0].settings
        rows = {known[row.point.labels[0]]: row for row in first.rows if row.measurements}
        spent = {setting: first.runner.spent(row.point) for setting, row in rows.items()}
        rates = {setting: row.seconds_per_step for setting, row in rows.items()}
        return budget.measured(spent, rates, self._audit.first_steps)

    def _is_told(self, last):
        """Whether the first finalist is significantly different from all others."""
        order, better = self._ranking.order(last.settings), self._ranking.is_better
        return all(better(order[0], other, last.settings) for other in order[1:])

    def _is_there_time(self, first, finalists, steps, seeds):
        """Whether one more seed of the finalists is finished, or can be within the time."""
        sweep = self._audit.last_round(self._out, self._facts, finalists, steps, seeds + 1)
        runner = Runner(sweep, os.path.join(self._out, _ROUNDS[2]), None, 1)
        if all(runner.is_finished(point) for point in sweep.points()):
            return True
        costs = self._costs(first)
        mean = sum(costs.steps.values()) / len(costs.steps)
        needed = len(finalists) * (costs.start + steps * mean) / self._at_a_time
        return needed <= self._clock.seconds_left
