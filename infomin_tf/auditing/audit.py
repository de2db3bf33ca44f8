"""What an audit of views runs: each axis alone, then the best values together, with fresh seeds."""

import os
import re

from infomin_tf.auditing import places
from infomin_tf.auditing.ranking import AccuracyRanking, SharingRanking
from infomin_tf.errors import UserError
from infomin_tf.runs import files
from infomin_tf.settings import COUNT, SHARE, check, check_seeds
from infomin_tf.sweeps.sweep import Axis, BindingsAxis, Combinations, FileAxis, Sweep

# kNN decides: it has no setting to choose, and spreads less over seeds.
_PROBES = ("knn/pre-trained", "fast_linear_probe/pre-trained")
_COLOR = re.compile(r"grey_probability|[.](hue|saturation)$")


class Audit:
    """Two rounds: each value of each axis alone in the base; then base, best, best values together.

    The second round has fresh seeds, because the best of many settings owes something to luck.

    Args:
        axes: objects of `sweeps.axes`.
        base: label of the base's value on each axis.
        gin_files: gin files of the small experiment.
        labelled_files: gin files that are added when there are labels.
        steps: pre-training steps per run.
        batch_size: images per step.
        seeds: seeds of the first round.
        final_seeds: seeds of the second round.
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
        steps=250,
        batch_size=128,
        seeds=(0, 1),
        final_seeds=(2, 3),
        limit=4000,
        image_size=96,
        max_corrupt_share=0.01,
    ):
        check_seeds(self, seeds=seeds, final_seeds=final_seeds)
        check(self, COUNT, steps=steps, batch_size=batch_size, limit=limit, image_size=image_size)
        check(self, SHARE, max_corrupt_share=max_corrupt_share)
        if set(seeds) & set(final_seeds):
            raise UserError(
                f"Audit.final_seeds = {final_seeds} must be fresh, but shares seeds with "
                f"Audit.seeds = {seeds}; bind other seeds"
            )
        if not axes:
            raise UserError(
                "Audit.axes must hold at least one axis, not (); otherwise there is nothing to try"
            )
        self.axes, self.base = list(axes), tuple(map(str, base))
        Combinations(self.axes, [self.base], self.base)  # refuses a base that is none
        self.limit, self.image_size, self.max_corrupt_share = limit, image_size, max_corrupt_share
        self.steps, self.batch_size = steps, batch_size
        self._gin_files, self._labelled_files = list(gin_files), list(labelled_files)
        self._seeds, self._final_seeds = seeds, final_seeds

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
        return self._sweep("First round: each axis alone", out, facts, settings, self._seeds)

    def left_out(self, place, facts):
        """Labels of an axis, except the base's, that concern colour alone; only for grey images."""
        if not facts.get("grey"):
            return []
        usual = self._bindings(place, self.base[place])
        others = [label for label in self.axes[place].labels if label != self.base[place]]
        return [label for label in others if _is_about_color(self._bindings(place, label), usual)]

    def second_round(self, out, facts, outcome):
        """The `Sweep` of the base, the best setting and the best values together.

        Args:
            out, facts: see `first_round`.
            outcome: `outcome.Outcome` of the first round.
        """
        settings = self.finalists(outcome, self.ranking(facts))
        return self._sweep("Second round: fresh seeds", out, facts, settings, self._final_seeds)

    def files(self, facts):
        """gin files of the small experiment."""
        return [*self._gin_files, *(self._labelled_files if facts["classes"] else ())]

    @staticmethod
    def ranking(facts):
        """What decides: accuracy with labels, otherwise how much the views share."""
        return AccuracyRanking(_PROBES[0]) if facts["classes"] else SharingRanking()

    def finalists(self, outcome, ranking):
        """Two or three tuples of labels, the base's first.

        Raises:
            UserError: fewer than two settings have results.
        """
        known = dict(zip(outcome.sweep.axes[0].labels, outcome.sweep.axes[0].settings, strict=True))
        found = {known[s.labels[0]]: s for s in outcome.settings}
        order = [known[s.labels[0]] for s in ranking.order(outcome.settings)]
        if self.base not in order or len(order) < 2:
            raise UserError(
                "too few runs of the first round have results, so the audit cannot continue; read "
                "their messages above, then run the same command again"
            )
        best = next(setting for setting in order if setting != self.base)
        together = self._together(order, found, outcome, ranking)
        return list(dict.fromkeys([self.base, best, together]))

    def _together(self, order, found, outcome, ranking):
        """The base with the best value of every axis that improves on it.

        Of two that bind the same parameter, it has the better.
        """
        together, bound = list(self.base), set()
        for setting in order:  # the best first
            place = next((i for i, label in enumerate(setting) if label != self.base[i]), None)
            if place is None or together[place] != self.base[place]:
                continue
            names = {_parameter(binding) for binding in self._bindings(place, setting[place])}
            pair = found[setting], found[self.base]
            if not names & bound and ranking.is_improvement(*pair, outcome.settings):
                together[place] = setting[place]
                bound |= names
        return tuple(together)

    def _bindings(self, place, label):
        axis = self.axes[place]
        return axis.arguments(axis.labels.index(label))[1]

    def _sweep(self, title, out, facts, settings, seeds):
        return Sweep(
            gin_files=[*self.files(facts), self._write_data_file(out, facts)],
            axes=[Combinations(self.axes, settings, self.base)],
            seeds=seeds,
            metrics=_PROBES if facts["classes"] else (),
            until="evaluate" if facts["classes"] else "pretrain",
            title=title,
        )

    def _write_data_file(self, out, facts):
        """Writes a gin file of the prepared images and the length of a run; returns its path."""
        epochs = self.steps / max(1, facts["sizes"]["unlabelled"] // self.batch_size)
        lines = [
            "# Made by bin/audit_views: the small copies of the images, and the length of each "
            "run.\n",
            f"ImageFolder.image_size = {self.image_size}",
            f"Pretrain.batch_size = {self.batch_size}",
            f"Pretrain.epochs = {epochs!r}",
        ]
        for part in facts["sizes"]:
            labels = {"labelled": True} if part in ("train", "test") else {}
            lines += places.bindings(part, directory=os.path.join(out, "copies", part), **labels)
        path = os.path.join(out, "data.gin")
        files.write_atomically(path, "\n".join(lines) + "\n")
        return path


def _is_about_color(bindings, usual):
    """Whether bindings split by colour, or differ from the base's in strengths of colour alone."""
    own = [_parameter(binding) for binding in bindings if binding not in usual]
    splits = any("ChannelSplit" in binding for binding in bindings)
    return splits or bool(own) and all(map(_COLOR.search, own))


def _parameter(binding):
    return binding.partition("=")[0].strip()
