"""What an audit found, how sure it is, and what it did not try, in sentences."""

import math
from operator import ne

from infomin_tf.auditing import advice
from infomin_tf.auditing.ranking import LabelFreeRanking, tells_nothing
from infomin_tf.errors import UserError
from infomin_tf.sweeps.comparison import Comparison
from infomin_tf.sweeps.outcome import mean_text

_PROBE = "fast_linear_probe/pre-trained"


class Findings:
    """The rounds of an audit.

    Args:
        audit: `Audit`.
        facts: of `preparation.prepare`.
        first, second, last: `outcome.Outcome`s of the rounds.
        steps: of a run of the second and the last round.

    Raises:
        UserError: the base has no results in the last round.
    """

    def __init__(self, audit, facts, first, second, last, steps):
        self.audit, self.facts, self.steps = audit, facts, steps
        self.first, self.second, self.last = first, second, last
        self.ranking = audit.ranking(facts)
        self.order = self.ranking.order(last.settings)
        self._base = _named(last, "base")
        if self._base not in self.order:
            raise UserError(
                "the base has no results in the last round, so nothing can be recommended; read "
                "the messages of its runs above, then run the same command again"
            )
        # Without labels the order of settings that learned nothing says nothing.
        self._is_blind = not facts["classes"] and tells_nothing(self.order[0])
        if self._is_blind:
            self.order = [self._base, *(s for s in self.order if s is not self._base)]

    @property
    def rows(self):
        """Of all rounds."""
        return [*self.first.rows, *self.second.rows, *self.last.rows]

    @property
    def recommended(self):
        """Label of the first of the last round."""
        return self.order[0].labels[0]

    def bindings(self):
        """Those of the recommended setting."""
        return self.last.sweep.axes[0].bindings(self.recommended)

    def speed(self):
        """(seconds per step, 0 where not known; steps) of the recommended setting's last runs."""
        rows = [r for r in self.last.rows if r.point.labels[0] == self.recommended]
        rates = [row.seconds_per_step for row in rows if row.seconds_per_step]
        return sum(rates) / max(1, len(rates)), self.steps

    def answer(self):
        """What to do, in plain words."""
        if self._is_blind:
            return [
                "Keep the usual views (the base): next to nothing was learned with any setting, so "
                "none is known to be better; give more --minutes, or more images."
            ]
        if self.order[0] is self._base:
            return ["Keep the usual views (the base): nothing that was tried is better for you."]
        if not self._is_apart():
            return [
                f"{self.recommended} came first, but it is not significantly better than the usual "
                "views (the base), so either will do."
            ]
        if not self.facts["classes"]:
            return [
                f"Train on {self.recommended}. Without labels this is a guess: among all that was "
                "tried, its network tells images apart best for how little its views share."
            ]
        axes, base = self.audit.axes, self.audit.base
        usual = [b for axis, label in zip(axes, base, strict=True) for b in axis.bindings(label)]
        said = []
        combination = self.last.sweep.axes[0].settings[self.recommended]
        for axis, label, before in zip(axes, combination, base, strict=True):
            if label != before:
                said += advice.advice(usual, axis.bindings(label))
        return [f"Train on {self.recommended}.", *said]

    def _is_apart(self):
        """Whether the recommendation is significantly different from the base."""
        return self.ranking.is_better(self.order[0], self._base, self.last.settings)

    def sentences(self):
        """The recommendation in numbers, and what was found on each axis."""
        return [self._recommendation(), *map(self._axis, range(len(self.audit.axes)))]

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
                *self._without_labels(),
            ]
        else:
            said.append(
                "There are no labels, so nothing was measured that a task needs. Settings are "
                "ordered by the label-free score: how far embeddings spread (the negative "
                "uniformity), times the information that two views do not share (log N - I_NCE), "
                "times the share of rotations that features tell beyond chance (at least 10 %). "
                "The paper's principle is to share little and to keep what a task needs. On four "
                "of five sets of images the score, after 250 steps, ordered settings much as "
                "labels do (Spearman about 0.7). Label a few hundred images and pass --labels to "
                "check."
            )
        said += [*self._that_tell_nothing(), *self.facts["doubts"]]
        # In the last round that concerns further seeds only.
        short = (row for row in (*self.first.rows, *self.second.rows) if not row.measurements)
        late = [row.point.labels[0] for row in short if row.is_left_out]
        missing = sum(bool(row.problem) and not row.is_left_out for row in self.rows)
        if late:
            said.append(
                f"There was no time for {'; '.join(dict.fromkeys(late))}; more --minutes make up "
                "for that."
            )
        if missing:
            said.append(f"{missing} runs have no results; they may change this.")
        return said

    def not_tried(self):
        """What the audit leaves open."""
        axis = self.last.sweep.axes[0]
        combined = any(sum(map(ne, s, axis.base)) > 1 for s in axis.settings.values())
        return [
            *self.audit.without_color(self.facts),
            f"{'Other combinations' if combined else 'Combinations'} of strengths; values between "
            "and beyond those listed.",
            "Larger networks, larger views and longer training, which usually tolerate stronger "
            "views; other losses and negatives.",
            "The JigSaw branch, patches, other operations, other colour spaces and generators; "
            "tasks other than these labels.",
            "Views without the flip from left to right, which half of all crops have. Are left and "
            "right different things in your images, as in letters or in hands? Then bind "
            "families.infomin.flip_probability = 0.0.",
        ]

    def _that_tell_nothing(self):
        found = [*self.first.settings, *self.last.settings]
        names = list(dict.fromkeys(s.labels[0] for s in found if tells_nothing(s)))
        place = "by accuracy nevertheless" if self.facts["classes"] else "last"
        return names and [
            "Next to nothing was learned (I_NCE not above 0, or embeddings nearly collapsed to "
            f"one point: uniformity above -0.5) with {'; '.join(names)}. These are ranked "
            f"{place} and say little; more --minutes may help."
        ]

    def _recommendation(self):
        best, base = self.order[0], self._base
        usual = zip(self.audit.axes, self.audit.base, strict=True)
        base_is = "the base is " + ", ".join(f"{axis.name} {label}" for axis, label in usual)
        compared = [best] if best is base else [best, base]
        shown = "; ".join(
            f"{self.last.label(key)} {', base '.join(self._mean(s, key) for s in compared)}"
            for key in dict.fromkeys((self.ranking.metric, _PROBE, "i_nce"))
            if key in best.values
        )
        return (
            f"Recommended: {self.recommended} ({shown}; last round, "
            f"{len(best.values['i_nce'])} fresh seeds; {base_is})."
        )

    def _mean(self, setting, key):
        return f"{mean_text(setting, key)} {self.last.unit(key)}".rstrip()

    def _axis(self, place):
        axis, usual = self.audit.axes[place], self.audit.base[place]
        labels = {label: f"{axis.name} {label}" for label in axis.labels} | {usual: "base"}
        along = {label: _named(self.first, setting) for label, setting in labels.items()}
        order = self.ranking.order([s for s in along.values() if s])
        best = next(label for label, setting in along.items() if setting is order[0])
        tried = [label for label in axis.labels if along[label]]
        if tried == [usual]:
            return f"{axis.name}: nothing but the base's {usual} was tried."
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
            return "Nothing that was tried ranks above the base in the last round."
        comparison = Comparison(self.last.settings, self.ranking.metric)
        if not comparison.freedom:
            return "With one seed the spread is unknown, so no difference is called significant."
        differs = "is" if self._is_apart() else "is NOT"
        metric = self.last.label(self.ranking.metric)
        return (
            f"The recommendation {differs} significantly different from the base: {metric} differs "
            f"by {abs(comparison.difference(best, base)):.2f}, with a standard error over seeds of "
            f"{comparison.standard_error(best, base):.2f} (pooled over the last round; t test at "
            "95 %, not corrected for the number of comparisons)."
        )

    def _without_labels(self):
        metric = self.ranking.metric
        guess = next(iter(LabelFreeRanking().order(self.first.settings)), None)
        if guess is None:  # runs of an earlier version, or without a RotationProbe
            return []
        best = self.ranking.order(self.first.settings)[0]
        return [
            f"Without the labels the audit would have put {guess.labels[0]} first in the first "
            f"round: {self.first.label(metric)} {mean_text(guess, metric)}, where the best, "
            f"{best.labels[0]}, has {mean_text(best, metric)}."
        ]


def _named(outcome, label):
    return next((s for s in outcome.settings if s.labels[0] == label), None)
