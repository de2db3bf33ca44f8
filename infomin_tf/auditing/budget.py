"""How an audit spends its time: many settings briefly, the better ones longer, the best again."""

import dataclasses
import math
import time


class Clock:
    """How much of an audit's time is left.

    Args:
        minutes: that the audit may take, over all the times that it was started.
        spent: seconds of them that were spent before.
    """

    def __init__(self, minutes, spent=0.0):
        self._start, self._seconds = time.monotonic() - spent, 60 * minutes

    @property
    def seconds_spent(self):
        """Of wall-clock time, over all the times."""
        return time.monotonic() - self._start

    @property
    def seconds_left(self):
        """Above 0."""
        return max(1e-3, self._seconds - self.seconds_spent)

    def __str__(self):
        return f"{self.seconds_left / 60:.0f} minutes left"


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds that runs take.

    Args:
        start: of one run, on average, without its steps.
        steps: dict setting -> seconds per step.
    """

    start: float
    steps: dict

    def of(self, settings, steps):
        """Seconds of one run of each setting."""
        return sum(self.start + steps * self.steps[setting] for setting in settings)


def measured(spent, rates, steps):
    """`Costs` of runs that are finished.

    Args:
        spent: dict setting -> seconds of a run of it.
        rates: dict setting -> seconds per step, without compilation; 0 where that is not known, as
            of a run that was interrupted at its last step: then taken for the mean of the others
            or, without others, for all of the run.
        steps: of each run.
    """
    known = [rate for rate in rates.values() if rate]
    usual = sum(known) / len(known) if known else max(1e-3, *spent.values()) / steps
    rates = {setting: rate or usual for setting, rate in rates.items()}
    starts = [spent[setting] - steps * rates[setting] for setting in spent]
    return Costs(max(0.0, sum(starts) / len(starts)), rates)


def steps_of_rest(seconds, jobs, costs, better, finalists, seeds, least, most):
    """How long the runs of the second and the last round can be.

    Args:
        seconds: that are left.
        jobs: runs at a time.
        costs: `Costs`.
        better: settings of the second round, one run each.
        finalists: number of settings of the last round, not known yet, taken to cost as much as the
            mean of the second round.
        seeds: runs of each finalist.
        least, most: steps.

    Returns:
        int in [least, most].
    """
    runs = len(better) + finalists * seeds
    a_step = costs.of(better, 1) - costs.of(better, 0)
    a_step *= runs / len(better)
    return int(min(most, max(least, (seconds * jobs - runs * costs.start) / a_step)))


def num_better(settings):
    """How many of so many settings the second round has: a third, and four where there are four."""
    return min(settings, max(4, math.ceil(settings / 3)))
