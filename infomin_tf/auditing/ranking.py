"""Which setting of an audit is better: by accuracy with labels, by what the views share without."""

import math

import numpy as np

from infomin_tf.sweeps.comparison import Comparison

_SPREAD_SHARE = 0.85
_LEAST_SPREAD = -0.5  # spread evenly over the sphere: about -4


def tells_nothing(setting):
    """Whether embeddings lie nearly in a point (uniformity above -0.5), or I_NCE is not above 0."""
    values = setting.values
    spread = "uniformity" not in values or setting.mean("uniformity") <= _LEAST_SPREAD
    shared = "i_nce" not in values or setting.mean("i_nce") > 0
    return not (spread and shared)  # so is what is not a number


class AccuracyRanking:
    """With labels: the mean accuracy of a probe over seeds.

    Args:
        metric: key of the accuracy.

    Attributes:
        metric: key of what decides.
        drawn: key of what the report shows over I_NCE.
    """

    def __init__(self, metric):
        self.metric = self.drawn = metric

    def order(self, settings, among=()):
        """`outcome.Setting`s, the best first, without those that lack the metric.

        `among` has no effect here.
        """
        measured = [s for s in settings if not math.isnan(s.mean(self.metric))]
        return sorted(measured, key=lambda s: -s.mean(self.metric))

    def is_improvement(self, setting, base, settings):
        """Whether a setting lies above the base by more than the difference's standard error."""
        comparison = Comparison(settings, self.metric)
        return comparison.difference(setting, base) > _error(comparison, setting, base)

    @staticmethod
    def is_apart(setting, other, comparison):
        """Whether a setting is significantly better than another, by a `Comparison`."""
        return comparison.is_better(setting, other)


class SharingRanking:
    """Without labels: of the settings whose embeddings spread over the sphere, the least sharing.

    "Spread" is a uniformity (Wang and Isola, arXiv:2005.10242; of both views' embeddings the less
    uniform) of at least 85 % of the most negative one; the others, which have not learned to tell
    images apart, follow by uniformity, and last those for which `tells_nothing` holds. To share
    little is the paper's principle (section 3.1); without labels it is only a guess that what is
    shared is still enough for the task.
    """

    metric, drawn = "i_nce", "uniformity"

    def order(self, settings, among=()):
        """`outcome.Setting`s, the best first.

        The most negative uniformity is also searched `among` others.
        """
        measured = [s for s in settings if "uniformity" in s.values]
        learned = [s for s in (*settings, *among) if not tells_nothing(s)]
        known = [s.mean("uniformity") for s in learned if "uniformity" in s.values]
        limit = _SPREAD_SHARE * min(known, default=0.0)
        spread = [s for s in measured if not tells_nothing(s) and s.mean("uniformity") <= limit]
        others = [s for s in measured if s not in spread]
        others.sort(key=lambda s: (tells_nothing(s), np.nan_to_num(s.mean("uniformity"))))
        return sorted(spread, key=lambda s: s.mean("i_nce")) + others

    def is_improvement(self, setting, base, settings):
        """Whether a setting precedes the base, and differs in I_NCE by a standard error."""
        order, comparison = self.order(settings), Comparison(settings, self.metric)
        difference = abs(comparison.difference(setting, base))
        is_before = order.index(setting) < order.index(base)
        return is_before and difference > _error(comparison, setting, base)

    @staticmethod
    def is_apart(setting, other, comparison):
        """Whether what two settings share differs significantly, by a `Comparison`."""
        return comparison.is_better(setting, other) or comparison.is_better(other, setting)


def _error(comparison, setting, base):
    """Standard error of their difference; 0 with one seed each."""
    return comparison.standard_error(setting, base) if comparison.freedom else 0.0
