"""What an audit found, how sure it is, and what it did not try, in sentences."""

import math
from operator import ne

from infomin_tf.auditing.ranking import SharingRanking, tells_nothing
from infomin_tf.errors import UserError
from infomin_tf.sweeps.comparison import Comparison
from infomin_tf.sweeps.outcome import mean_text


def without_color(audit, facts):
    """A sentence on grey images and what is left out with them; [] for images with colour."""
    if not facts.get("grey"):
        return []
    axes = enumerate(audit.axes)
    names = [f"{axis.name} {label}" for p, axis in axes for label in audit.left_out(p, facts)]
    left_out = (
        f"; settings that concern colour alone are left out: {'; '.join(names)}" if names else ""
    )
    return [
        "The images are grey (red, green and blue are equal), so hue, saturation and greyscale "
        f"change nothing{left_out}."
    ]


class Findings:
    """Both rounds of an audit.

    Args:
        audit: `Audit`.
        facts: of `preparation.prepare`.
        first, second: `outcome.Outcome`s of the rounds.

    Raises:
        UserError: the base has no results in the second round.
    """

    def __init__(self, audit, facts, first, second):
        self.audit, self.facts, self.first, self.second = audit, facts, first, second
        self.ranking = audit.ranking(facts)
        self.order = self.ranking.order(second.settings, first.settings)
        self._base = _named(second, "base")
        if self._base not in self.order:
            raise UserError(
                "the base has no results in the second round, so nothing can be recommended; read "
                "the messages of its runs above, then run the same command again"
            )

    @property
    def recommended(self):
        """Label of the first of the second round."""
        return self.order[0].labels[0]

    def sentences(self):
        """The recommendation, and what was found on each axis."""
        return [self._recommendation(), *map(self._axis, range(len(self.audit.axes)))]

    def not_tried(self):
        """What the audit leaves open."""
        axis = self.second.sweep.axes[0]
        combined = any(sum(map(ne, setting, axis.base)) > 1 for setting in axis.settings)
        return [
            *without_color(self.audit, self.facts),
            f"{'Other combinations' if combined else 'Combinations'} of strengths; values between "
            "and beyond those listed.",
            "Larger networks, larger views and longer training, which usually tolerate stronger "
            "views; other losses and negatives.",
            "Learned views, the JigSaw branch, patches, other operations and other colour spaces; "
            "tasks other than these labels.",
        ]

    def uncertainty(self):
        """How certain the recommendation is."""
        said = [self._told_apart()]
        if self.facts["classes"]:
            size = self.facts["sizes"]["test"]
            share = (self.order[0].mean(self.ranking.metric) / 100 * size + 1) / (size + 2)
            error = 100 * math.sqrt(share * (1 - share) / size)
            said += [
                f"Accuracy is measured on {size} test images. This adds a standard error of "
                f"{error:.1f} points to that over seeds, which no comparison here includes; all "
                "settings are judged, chosen and compared on the same images, so part of it "
                "cancels.",
                self._without_labels(),
            ]
        else:
            said.append(
                "There are no labels, so nothing was measured that a task needs. Among the "
                "settings whose embeddings are spread over the sphere (uniformity within 85 % of "
                "the best), the one with the least I_NCE is called best, because the paper's "
                "principle is to share little. I_NCE of splits, which have two smaller networks, "
                "is not strictly comparable with that of whole images. Label a few hundred images "
                "and pass --labels to check."
            )
        said += [*self._that_tell_nothing(), *self.facts["doubts"]]
        missing = sum(bool(row.problem) for row in (*self.first.rows, *self.second.rows))
        if missing:
            said.append(f"{missing} runs have no results; they may change this.")
        return said

    def _that_tell_nothing(self):
        found = [*self.first.settings, *self.second.settings]
        names = list(dict.fromkeys(s.labels[0] for s in found if tells_nothing(s)))
        place = "by accuracy nevertheless" if self.facts["classes"] else "last"
        return names and [
            "Next to nothing was learned (I_NCE not above 0, or embeddings nearly collapsed to "
            f"one point: uniformity above -0.5) with {'; '.join(names)}. These are ranked "
            f"{place} and say little; more Audit.steps may help."
        ]

    def _recommendation(self):
        best = self.order[0]
        shown = "; ".join(
            f"{self.second.label(key)} {mean_text(best, key)}, base {mean_text(self._base, key)}"
            for key in (self.ranking.drawn, *self.second.metrics[1:], "i_nce")
        )
        return (
            f"Recommended: {self.recommended} ({shown}; second round, fresh seeds, "
            f"{len(best.values['i_nce'])} of them)."
        )

    def _axis(self, place):
        axis, usual = self.audit.axes[place], self.audit.base[place]
        labels = {label: f"{axis.name} {label}" for label in axis.labels} | {usual: "base"}
        along = {label: _named(self.first, setting) for label, setting in labels.items()}
        order = self.ranking.order([s for s in along.values() if s], self.first.settings)
        best = next(label for label, setting in along.items() if setting is order[0])
        left_out = self.audit.left_out(place, self.facts)
        tried = [label for label in axis.labels if label not in left_out]
        edge = axis.ordered and len(tried) > 2 and best in (tried[0], tried[-1])
        return (
            f"{axis.name} ({', '.join(tried)}; base {usual}): {best} ranks first in the first round"
            f"{', at the edge of what was tried' if edge else ''}{self._beside_base(order[0])}."
        )

    def _beside_base(self, setting):
        base = _named(self.first, "base")
        comparison = Comparison(self.first.settings, self.ranking.metric)
        if setting is base or not self.facts["classes"] or not comparison.freedom:
            return ""
        better = comparison.is_better(setting, base)
        return f", {'' if better else 'not '}significantly different from the base"

    def _told_apart(self):
        best, base = self.order[0], self._base
        if best is base:
            return "Nothing that was tried ranks above the base in the second round."
        comparison = Comparison([*self.first.settings, *self.second.settings], self.ranking.metric)
        if not comparison.freedom:
            return (
                "With one seed per round the spread is unknown, so no difference is called "
                "significant."
            )
        better = comparison.is_better(best, base) or (
            not self.facts["classes"] and comparison.is_better(base, best)
        )
        return (
            f"The recommendation {'is' if better else 'is NOT'} significantly different from the "
            f"base: {self.second.label(self.ranking.metric)} differs by "
            f"{abs(comparison.difference(best, base)):.2f}, with a standard error over seeds of "
            f"{comparison.standard_error(best, base):.2f} (pooled over both rounds; t test at "
            "95 %, not corrected for the number of comparisons)."
        )

    def _without_labels(self):
        metric = self.ranking.metric
        guess = SharingRanking().order(self.first.settings)[0]
        best = self.ranking.order(self.first.settings)[0]
        return (
            f"Without the labels the audit would have put {guess.labels[0]} first in the first "
            f"round: {self.first.label(metric)} {mean_text(guess, metric)}, where the best, "
            f"{best.labels[0]}, has {mean_text(best, metric)}."
        )


def _named(outcome, label):
    return next((s for s in outcome.settings if s.labels[0] == label), None)
