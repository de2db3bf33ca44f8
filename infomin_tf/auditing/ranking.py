"""Which setting of an audit is better: by accuracy with labels, by a score that needs none."""

import math

from infomin_tf.sweeps.comparison import Comparison

_LEAST_SPREAD = -0.5  # spread evenly over the sphere: about -4


def tells_nothing(setting):
    """Whether embeddings lie nearly in a point (uniformity above -0.5), or I_NCE is not above 0."""
    values = setting.values
    spread = "uniformity" not in values or setting.mean("uniformity") <= _LEAST_SPREAD
    shared = "i_nce" not in values or setting.mean("i_nce") > 0
    return not (spread and shared)  # so is what is not a number


class Ranking:
    """By the mean of a measurement over seeds, such as an accuracy.

    Args:
        metric: its key.
    """

    def __init__(self, metric):
        self.metric = metric

    def order(self, settings):
        """`outcome.Setting`s, the best first, without those that lack the metric."""
        measured = [s for s in settings if not math.isnan(s.mean(self.metric))]
        return sorted(measured, key=lambda s: -s.mean(self.metric))

    def is_improvement(self, setting, other, settings):
        """Whether a setting lies above another by more than the difference's standard error."""
        return self._is_above(setting, other, settings, sure=False)

    def is_better(self, setting, other, settings):
        """Whether a setting is significantly better than another."""
        return self._is_above(setting, other, settings, sure=True)

    def _is_above(self, setting, other, settings, sure):
        """One of the two, with the spread of all `settings`."""
        comparison = Comparison(settings, self.metric)
        if sure:
            return comparison.is_better(setting, other)
        error = comparison.standard_error(setting, other) if comparison.freedom else 0.0
        return comparison.difference(setting, other) > error


class LabelFreeRanking(Ranking):
    """Without labels: by `label_free.label_free_score`, and what `tells_nothing` last."""

    def __init__(self):
        super().__init__("label_free_score/pre-trained")

    def order(self, settings):
        """As `Ranking` has it, but settings that tell nothing come last."""
        return sorted(super().order(settings), key=tells_nothing)

    def _is_above(self, setting, other, settings, sure):
        if tells_nothing(setting) or tells_nothing(other):
            return not tells_nothing(setting)
        return super()._is_above(setting, other, settings, sure)
