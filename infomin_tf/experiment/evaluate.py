"""Stage 3: how good the frozen features are."""

import pathlib
import shutil
from collections.abc import Callable

import tensorflow as tf

from infomin_tf.data.checks import check_view_size
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import Features
from infomin_tf.evaluation.knn import NearestNeighbours
from infomin_tf.evaluation.logistic import FastLinearProbe
from infomin_tf.evaluation.probe import PRE_TRAINED, RAW_PIXELS, UNTRAINED, Probe
from infomin_tf.experiment import begun
from infomin_tf.experiment.stage import EvaluationStage
from infomin_tf.runs import files


class Evaluate(EvaluationStage):
    """Probes of the pre-trained features, and of the baselines that are asked for.

    Args:
        test_view: the single view of an image, such as `pairs.CenterCrop`; None where no probe
            takes views.
        probes: in the order of the results; None for `standard_probes`.
        extra_probes: more probes after these, such as `SegmentationProbe` and `Transfer`, so that a
            gin file can add to those of another.
        random_encoder: also probe the same networks untrained.
        raw_pixels: also probe the pixels of the views, with the probes that can.
    """

    def __init__(
        self,
        test_view: Callable | None = None,
        probes: tuple[Probe, ...] | None = None,
        extra_probes: tuple[Probe, ...] = (),
        random_encoder=False,
        raw_pixels=False,
    ):
        probes = standard_probes() if probes is None else probes
        what = "Evaluate.probes and extra_probes together"
        self.probes, self.test_view = check_probes(what, (*probes, *extra_probes)), test_view
        self._random_encoder, self._raw_pixels = random_encoder, raw_pixels
        if test_view is None and any(probe.takes_views for probe in self.probes):
            raise UserError(
                "Evaluate.test_view is not bound; bind it, for example to @CenterCrop()"
            )

    def check_views(self, pair, split):
        """See `Stage`."""
        check_view_size(pair, self.test_view, "Evaluate.test_view")

    def check(self, run):
        """Raises UserError unless each probe has its images, labels and views; opens its sets."""
        if any(probe.needs_labels for probe in self.probes):
            run.need_labels("evaluation")
        for probe in self.probes:
            probe.check(run)

    def sets(self, run):
        """See `Stage`; those of the probes, too."""
        sets = super().sets(run)
        for probe in self.probes:
            sets = sets | probe.sets(run)
        return sets

    def run(self, run):
        """Measures, and writes results.json."""
        subjects = {PRE_TRAINED: lambda: run.extractor}
        if self._random_encoder:
            subjects[UNTRAINED] = run.untrained
        if self._raw_pixels:
            subjects[RAW_PIXELS] = lambda: tf.identity
        found = []
        for subject, make in subjects.items():
            features = Features(make(), self.test_view)
            for probe in self.probes:
                if subject in (PRE_TRAINED, *probe.baselines):
                    found += probe.measure(run, features, subject)
        run.finish(self.name, found, run.results_of("pretrain")["steps"])
        if workers.is_chief():
            self._note(run).unlink(missing_ok=True)

    def begin_again(self, run):
        """Forgets the probes of an earlier evaluation.

        One that was stopped, and had this configuration and these images, is continued.
        """
        note = self._note(run)
        is_same = note.is_file() and note.read_text("utf-8") == run.configuration
        is_same = is_same and begun.read(run, self) and not begun.changes(run, self)
        if workers.is_chief() and not is_same:
            for entry in note.parent.glob("*/"):
                if not entry.is_symlink():
                    shutil.rmtree(entry)
            files.write_atomically(note, run.configuration)
        workers.wait_for_all()

    def _note(self, run):
        """The file that holds the configuration of an evaluation that is under way."""
        return pathlib.Path(run.directory(self.name), "under_way.gin")


def check_probes(what, probes):
    """The probes as a tuple; UserError for two of one key, whose results would be mixed up."""
    keys = [probe.key for probe in probes]
    if twins := sorted({key for key in keys if keys.count(key) > 1}):
        raise UserError(f"{what} hold two of {', '.join(twins)}; leave out one of them")
    return tuple(probes)


def standard_probes():
    """The probes that need no settings."""
    return NearestNeighbours(), FastLinearProbe()
