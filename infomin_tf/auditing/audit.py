"""What an audit of views runs: all settings briefly, the better ones longer, the best again."""

import os
import re

from infomin_tf.auditing import budget, places, recommendation
from infomin_tf.auditing.ranking import LabelFreeRanking, Ranking
from infomin_tf.errors import UserError
from infomin_tf.runs import files
from infomin_tf.settings import COUNT, SHARE, check, check_seeds
from infomin_tf.sweeps.sweep import Axis, BindingsAxis, Combinations, FileAxis, Sweep

# kNN decides: it has no setting to choose, and spreads less over seeds.
_PROBES = ("knn/pre-trained", "fast_linear_probe/pre-trained")
_LABEL_FREE = (
    "label_free_score/pre-trained",
    "unshared_spread",
    "rotation_probe/pre-trained",
    "lidar/pre-trained",
    "effective_rank/pre-trained",
)
_LEAST_SEEDS = 4
_COLOR = re.compile(r"grey_probability|[.](hue|saturation)$")


class Audit:
    """Three rounds of short runs, the fewer the longer (successive halving, arXiv:1502.07943).

    First each value of each axis alone in the base; then the better third, longer; then base, best
    and best values together, with as many seeds as there is time for. Each round has fresh seeds,
    because the best of many settings owes something to luck.

    Args:
        axes: objects of `sweeps.axes`.
        base: label of the base's value on each axis.
        gin_files: gin files of the small experiment.
        labelled_files: gin files that are added when there are labels.
        learned_files: gin files that come before those of the experiment, for settings that learn
            their views.
        learned_labelled_files: gin files that are added where views are learned with labels.
        first_steps: training steps of a run of the first round; the others take what time allows.
        most_steps: the largest number of steps of any run.
        batch_size: images per step.
        seeds: one of the first round, one of the second, and those that the last may take.
        limit: the largest number of images that are used.
        max_corrupt_share: a larger share of unreadable images than this is an error.
        image_size: side in pixels to which images are reduced.
    """

    def __init__(
        self,
        axes: tuple[Axis | FileAxis | BindingsAxis, ...],
        base: tuple,
        gin_files: tuple[str, ...],
        labelled_files=(),
        learned_files=(),
        learned_labelled_files=(),
        first_steps=80,
        most_steps=1000,
        batch_size=128,
        seeds=tuple(range(10)),
        limit=4000,
        image_size=96,
        max_corrupt_share=0.01,
    ):
        counts = {"first_steps": first_steps, "most_steps": most_steps, "batch_size": batch_size}
        check(self, COUNT, limit=limit, image_size=image_size, **counts)
        check(self, SHARE, max_corrupt_share=max_corrupt_share)
        check_seeds(self, seeds=seeds)
        if len(seeds) < _LEAST_SEEDS:
            raise UserError(
                f"Audit.seeds must hold at least {_LEAST_SEEDS} seeds, one for each of the first "
                f"two rounds and two for the last, not {len(seeds)}; add seeds"
            )
        if not axes:
            raise UserError(
                "Audit.axes must hold at least one axis, not (); otherwise there is nothing to try"
            )
        self.axes, self.base = list(axes), tuple(map(str, base))
        Combinations(self.axes, [self.base], self.base)  # refuses a base that is none
        self.limit, self.image_size, self.max_corrupt_share = limit, image_size, max_corrupt_share
        self.first_steps, self.most_steps, self.batch_size = first_steps, most_steps, batch_size
        self.seeds = tuple(seeds)
        self._gin_files, self._labelled_files = list(gin_files), list(labelled_files)
        self._learned_files = list(learned_files), list(learned_labelled_files)

    def first_round(self, out, facts):
        """The `Sweep` of every value of every axis alone.

        Args:
            out: folder of the audit.
            facts: what `preparation.prepare` returned.
        """
        settings = [self.base]
        for place, axis in enumerate(self.axes):
            skipped = {self.base[place], *self.left_out(place, facts)}
            others = [label for label in axis.labels if label not in skipped]
            settings += [self.base[:place] + (label,) + self.base[place + 1 :] for label in others]
        title = "First round: each value alone"
        return self._sweep(title, out, facts, settings, self.first_steps, self.seeds[:1])

    def second_round(self, out, facts, settings, steps):
        """The `Sweep` of the better settings, longer.

        Args:
            out, facts: see `first_round`.
            settings: tuples of labels.
            steps: of each run.
        """
        title = "Second round: the better ones, longer"
        return self._sweep(title, out, facts, settings, steps, self.seeds[1:2])

    def last_round(self, out, facts, settings, steps, num_seeds):
        """The `Sweep` of the finalists; arguments as of `second_round`."""
        seeds = self.seeds[2 : 2 + num_seeds]
        return self._sweep("Last round: more seeds", out, facts, settings, steps, seeds)

    def left_out(self, place, facts):
        """Labels of an axis, except the base's, that concern colour alone; only for grey images."""
        if not facts.get("grey"):
            return []
        axis, base = self.axes[place], self.base[place]
        others, usual = (label for label in axis.labels if label != base), axis.bindings(base)
        return [label for label in others if _is_about_color(axis.bindings(label), usual)]

    def without_color(self, facts):
        """A sentence on grey images and what is left out with them; [] for images with colour."""
        if not facts.get("grey"):
            return []
        axes = enumerate(self.axes)
        names = [f"{axis.name} {label}" for p, axis in axes for label in self.left_out(p, facts)]
        left_out = f"; settings that concern colour alone are left out: {'; '.join(names)}"
        return [
            "The images are grey (red, green and blue are equal), so hue, saturation and greyscale "
            f"change nothing{left_out if names else ''}."
        ]

    def files(self, facts, bindings=None):
        """gin files of the small experiment; those of view learning only where bindings need it."""
        is_learned = bindings is None or recommendation.learns(bindings)
        before, after = self._learned_files if is_learned else ((), ())
        labelled = [*self._labelled_files, *after] if facts["classes"] else ()
        return [*before, *self._gin_files, *labelled]

    @staticmethod
    def ranking(facts):
        """What decides: kNN with labels, otherwise what `LabelFreeRanking` has."""
        return Ranking(_PROBES[0]) if facts["classes"] else LabelFreeRanking()

    def better(self, outcome, ranking):
        """Tuples of labels of the better third of a round, the base's first.

        Raises:
            UserError: fewer than two settings have results.
        """
        order = self._order(outcome, ranking)
        if self.base not in order or len(order) < 2:
            raise UserError(
                f"too few runs of the first round have {ranking.metric}, so the audit cannot "
                "continue; read their messages above, then run the same command again, with more "
                "--minutes if there was no time for them, or with another --out if they are of "
                "an earlier version"
            )
        others = [setting for setting in order if setting != self.base]
        return [self.base, *others[: budget.num_better(len(order)) - 1]]

    def finalists(self, first, second, ranking):
        """Two or three tuples of labels: base, best, and best values together.

        Args:
            first, second: `outcome.Outcome`s of the rounds.
            ranking: see `ranking`.
        """
        order = self._order(second, ranking) or [self.base]
        order += [s for s in self._order(first, ranking) if s not in order]
        best = next(setting for setting in order if setting != self.base)
        improve = [
            setting
            for setting in order
            if setting != self.base
            and all(self._improves(setting, round_, ranking) for round_ in (first, second))
        ]
        return list(dict.fromkeys([self.base, best, self._together(improve)]))

    def _order(self, outcome, ranking):
        """Tuples of labels of a round, the best first."""
        known = outcome.sweep.axes[0].settings
        return [known[s.labels[0]] for s in ranking.order(outcome.settings)]

    def _improves(self, setting, outcome, ranking):
        """Whether a setting is better than the base in a round, or not in that round."""
        tried = outcome.sweep.axes[0].settings
        known = {tried[s.labels[0]]: s for s in outcome.settings}
        pair = [known.get(labels) for labels in (setting, self.base)]
        return None in pair or ranking.is_improvement(*pair, outcome.settings)

    def _together(self, order):
        """The base with the first value of every axis in an order of settings.

        Of two that bind the same parameter, it has the one that comes first.
        """
        together, bound = list(self.base), set()
        for setting in order:
            place = next(i for i, label in enumerate(setting) if label != self.base[i])
            names = set(map(_parameter, self.axes[place].bindings(setting[place])))
            if together[place] == self.base[place] and not names & bound:
                together[place] = setting[place]
                bound |= names
        return tuple(together)

    def _sweep(self, title, out, facts, settings, steps, seeds):
        return Sweep(
            gin_files=[*self.files(facts), self._write_data_file(out, facts, steps)],
            axes=[Combinations(self.axes, settings, self.base)],
            seeds=seeds,
            metrics=[*(_PROBES if facts["classes"] else ()), *_LABEL_FREE],
            until="evaluate",
            title=f"{title} ({steps} steps)",
        )

    def _write_data_file(self, out, facts, steps):
        """Writes a gin file of the prepared images and the length of a run; returns its path."""
        epochs = steps / max(1, facts["sizes"]["unlabelled"] // self.batch_size)
        lines = [
            "# Made by bin/audit_views: the small copies of the images, and the length of each "
            "run.\n",
            f"ImageFolder.image_size = {self.image_size}",
            f"Pretrain.batch_size = {self.batch_size}",
            f"Pretrain.epochs = {epochs!r}",
            f"LearnViews.epochs = {epochs!r}",
        ]
        for part in facts["sizes"]:
            labels = {"labelled": True} if part in ("train", "test") else {}
            lines += places.bindings(part, directory=os.path.join(out, "copies", part), **labels)
        path = os.path.join(out, f"data_{steps}_steps.gin")
        files.write_atomically(path, "\n".join(lines) + "\n")
        return path


def _is_about_color(bindings, usual):
    """Whether bindings split by colour, or differ from the base's in strengths of colour alone."""
    own = [_parameter(binding) for binding in bindings if binding not in usual]
    splits = any("ChannelSplit" in binding for binding in bindings)
    return splits or bool(own) and all(map(_COLOR.search, own))


def _parameter(binding):
    return binding.partition("=")[0].strip()
