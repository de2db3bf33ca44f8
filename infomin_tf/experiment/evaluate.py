"""Stage 3: what the frozen features are worth."""

import contextlib
import dataclasses
import glob
import math
import os
import shutil
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.data.checks import check_view_size
from infomin_tf.data.images import Source
from infomin_tf.distribution import workers
from infomin_tf.evaluation import doubts, features, knn, logistic
from infomin_tf.evaluation.linear import LinearProbe
from infomin_tf.evaluation.segmentation import SegmentationProbe
from infomin_tf.experiment import begun
from infomin_tf.experiment.stage import EvaluationStage
from infomin_tf.runs import files
from infomin_tf.runs.results import Number

_UNDER_WAY = "under_way.gin"


class Transfer:
    """Another labelled data set on which kNN and the fast probe judge the features, and a linear probe of its own.

    Args:
        name: in the results.
        train, test: sources of labelled images.
        test_view: the single view of an image; None for that of `Evaluate`.
        linear_probe: `LinearProbe`; None to leave it out.
    """

    def __init__(
        self,
        name: str,
        train: Source,
        test: Source,
        test_view: Callable | None = None,
        linear_probe: LinearProbe | None = None,
    ):
        self.name, self.test_view, self.linear_probe = name, test_view, linear_probe
        self._sources, self._loaded = (train, test), None

    def load(self, data_dir):
        """(train, test), loaded images; read once, when they are checked before the training."""
        self._loaded = self._loaded or [source.load(data_dir) for source in self._sources]
        return self._loaded


class Evaluate(EvaluationStage):
    """Probes of the pre-trained features, and of the baselines that are asked for.

    Args:
        test_view: the single view of an image, such as `pairs.CenterCrop`.
        linear_probe: `LinearProbe`, the paper's protocol; None to leave it out.
        logistic_regression: the fast probe, on cached features of single views.
        knn_neighbours: k of weighted kNN (cosine); 0 to leave it out.
        knn_temperature: of the kNN weights exp(cosine / T).
        random_encoder: probe the same networks untrained, too.
        raw_pixels: logistic regression and kNN on the pixels of the views, too.
        transfers: `Transfer`s, further data sets.
        segmentation_probe: `SegmentationProbe`; None to leave it out.
    """

    def __init__(
        self,
        test_view: Callable,
        linear_probe: LinearProbe | None = None,
        logistic_regression=True,
        knn_neighbours=200,
        knn_temperature=0.1,
        random_encoder=False,
        raw_pixels=False,
        transfers: tuple[Transfer, ...] = (),
        segmentation_probe: SegmentationProbe | None = None,
    ):
        if knn_neighbours < 0 or not 0 < knn_temperature < math.inf:
            raise ValueError(
                f"Evaluate takes knn_neighbours >= 0 and knn_temperature > 0, not {knn_neighbours} and {knn_temperature}"
            )
        self.test_view, self._linear_probe = test_view, linear_probe
        self._logistic_regression = logistic_regression
        self._knn_neighbours, self._knn_temperature = knn_neighbours, knn_temperature
        self._random_encoder, self._raw_pixels = random_encoder, raw_pixels
        self._transfers, self._segmentation_probe = tuple(transfers), segmentation_probe

    def check_views(self, pair, split):
        """See `Stage`."""
        check_view_size(pair, self.test_view, "Evaluate.test_view")

    def check(self, run):
        """Raises UserError unless each probe has its images, labels and views; opens the sets of transfers, too."""
        run.need_labels("evaluation")
        if self._linear_probe:
            self._linear_probe.check(run)
        if self._segmentation_probe:
            self._segmentation_probe.check(run)
        self._check_cached(run)
        for transfer in self._transfers:
            other = self._other(run, transfer)
            other.need_labels(f"Transfer to {transfer.name}")
            check_view_size(run.pair, transfer.test_view, f"Transfer.test_view of {transfer.name}")
            self._check_cached(other)
            if transfer.linear_probe:
                transfer.linear_probe.check(other)

    def sets(self, run):
        """See `Stage`; those of transfers and segmentation, too."""
        parts = {f"transfer {t.name}": t.load(run.data_dir) for t in self._transfers}
        if self._segmentation_probe:
            parts["segmentation"] = self._segmentation_probe.load(run.data_dir)
        roles = ("train", "test")
        more = {
            f"{n}, {r}": i for n, both in parts.items() for r, i in zip(roles, both, strict=True)
        }
        return super().sets(run) | more

    def _check_cached(self, run):
        labels = run.train.known_labels()
        if self._logistic_regression and labels is not None:
            logistic.check_labels(labels)

    def run(self, run):
        """Measures, and writes results.json."""
        extractor = run.extractor
        self._numbers, self._doubts, self._seconds = [], [], 0.0
        self._probe(run, extractor, "pre-trained")
        if self._random_encoder:
            self._probe(run, run.untrained(), "untrained")
        if self._raw_pixels:
            self._probe_cached(run, tf.identity, "raw pixels")
        if self._segmentation_probe:
            value, protocol, seconds = self._segmentation_probe.mean_iou(run, extractor)
            self._numbers.append(Number("segmentation, pre-trained", value, "%", protocol))
            self._seconds += seconds
        for transfer in self._transfers:
            view = transfer.test_view or self.test_view
            other = self._other(run, transfer)
            subject = f"pre-trained, {transfer.name}"
            if transfer.linear_probe:
                self._probe_linear(other, extractor, transfer.linear_probe, view, subject)
            self._probe_cached(other, extractor, subject, view)
        steps = run.numbers_of("pretrain")["steps"]
        run.finish(self.name, self._numbers, steps, self._seconds, self._doubts)
        if workers.is_chief():
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(run.directory(self.name), _UNDER_WAY))

    def begin_again(self, run):
        """Forgets the probes of an earlier evaluation, unless it was of this configuration and these images and was stopped."""
        note = os.path.join(run.directory(self.name), _UNDER_WAY)
        is_same = _read(note) == run.configuration and begun.read(run, self)
        if workers.is_chief() and (not is_same or begun.changes(run, self)):
            for pattern in ("linear_probe_*", "segmentation"):
                folder = glob.escape(run.directory(self.name))
                for path in glob.glob(os.path.join(folder, pattern)):
                    shutil.rmtree(path)
            files.write_atomically(note, run.configuration)
        workers.wait_for_all()

    def _other(self, run, transfer):
        """The run with the images of a transfer."""
        train, test = transfer.load(run.data_dir)
        return dataclasses.replace(run, train=train, test=test)

    def _probe(self, run, extractor, subject):
        if self._linear_probe:
            self._probe_linear(run, extractor, self._linear_probe, self.test_view, subject)
        self._probe_cached(run, extractor, subject)

    def _probe_linear(self, run, extractor, probe, view, subject):
        probed = probe.accuracy(run, extractor, view, f"linear_probe_{subject}")
        self._note(run, f"linear probe, {subject}", probed.top_1, probed.protocol)
        if probed.top_5 is not None:
            name = f"linear probe top-5, {subject}"
            self._numbers.append(Number(name, probed.top_5, "%", probed.protocol))
        self._seconds += probed.seconds

    def _note(self, run, name, accuracy, protocol):
        """Adds an accuracy; one of pre-trained features that is no better than chance is a doubt."""
        protocol = doubts.beside_chance(protocol, run.test)
        self._numbers.append(Number(name, accuracy, "%", protocol))
        if "pre-trained" in name and (doubt := doubts.of_accuracy(name, accuracy, run.test)):
            self._doubts.append(doubt)

    def _probe_cached(self, run, function, subject, view=None):
        """kNN and logistic regression on features of one centre crop of each image."""
        if not (self._knn_neighbours or self._logistic_regression):
            return
        started = time.monotonic()
        train, test = (
            features.extract(function, images, view or self.test_view)
            for images in (run.train, run.test)
        )
        if np.all(np.ptp(train[0], axis=0) == 0):
            self._doubts.append(
                f"the features, {subject}, are the same for all of {run.train.name}"
            )
        if self._knn_neighbours:
            classes = len(run.train.class_names)
            k, temperature = min(self._knn_neighbours, run.train.size), self._knn_temperature
            accuracy = knn.knn_accuracy(*train, *test, classes, k, temperature)
            protocol = f"offline kNN, cosine, k {k}, T {temperature}, one centre crop"
            self._note(run, f"kNN, {subject}", accuracy, protocol)
        if self._logistic_regression:
            seed = seeds.stream(run.seed, "evaluate/logistic regression")
            fit = logistic.fit_logistic(*train, *test, seed)
            protocol = (
                f"logistic regression on cached features ({train[0].shape[1]}-d, {fit.preprocessing}, "
                f"C {fit.chosen_c:g}), one centre crop"
            )
            self._note(run, f"fast linear probe, {subject}", fit.accuracy, protocol)
        self._seconds += time.monotonic() - started


def _read(path):
    """The text of a file; None when there is none."""
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()
