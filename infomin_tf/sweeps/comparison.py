"""Which settings of a sweep differ significantly."""

import numpy as np

CONFIDENCE = 0.95


class Comparison:
    """Differences of means over seeds, with the seeds' spread pooled over all settings.

    Args:
        settings: `outcome.Setting`s.
        metric: key of what is compared; settings without it are left out.
    """

    def __init__(self, settings, metric):
        self._metric = metric
        groups = [s.values[metric] for s in settings if metric in s.values]
        self.freedom = sum(len(group) - 1 for group in groups)
        squares = sum(np.sum(np.square(group - np.mean(group))) for group in groups)
        self.spread = float(np.sqrt(squares / self.freedom)) if self.freedom else float("nan")

    def difference(self, setting, other):
        """Mean of one setting above that of another."""
        return setting.mean(self._metric) - other.mean(self._metric)

    def standard_error(self, setting, other):
        """Of their difference; nan with one seed each."""
        sizes = [len(s.values[self._metric]) for s in (setting, other)]
        return self.spread * float(np.sqrt(sum(1 / size for size in sizes)))

    def is_better(self, setting, other):
        """Whether one setting is above another by a t test at 95 %; never with one seed each."""
        if not self.freedom:
            return False
        from scipy import stats  # takes seconds

        quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, self.freedom)
        return self.difference(setting, other) > quantile * self.standard_error(setting, other)
