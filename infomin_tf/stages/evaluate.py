"""Stage 3: what the frozen features are worth."""

import time

import keras
import tensorflow as tf

from infomin_tf import results
from infomin_tf.evaluation import features, knn, logistic
from infomin_tf.results import Number


class Evaluate:
    """Probes of the pre-trained features, and of the baselines that are asked for.

    Args:
        test_view: the single view of an image, such as `pairs.CenterCrop`.
        linear_probe: `LinearProbe`, the paper's protocol; None to leave it out.
        logistic_regression: the fast probe, on cached features of single views.
        knn_neighbours: k of weighted kNN (cosine); 0 to leave it out.
        knn_temperature: of the kNN weights exp(cosine / T).
        random_encoder: probe the same networks untrained, too.
        raw_pixels: logistic regression and kNN on the pixels of the views, too.
    """

    name = "evaluate"

    def __init__(
        self,
        test_view,
        linear_probe=None,
        logistic_regression=True,
        knn_neighbours=200,
        knn_temperature=0.1,
        random_encoder=False,
        raw_pixels=False,
    ):
        self.test_view, self._linear_probe = test_view, linear_probe
        self._logistic_regression = logistic_regression
        self._knn_neighbours, self._knn_temperature = knn_neighbours, knn_temperature
        self._random_encoder, self._raw_pixels = random_encoder, raw_pixels

    def run(self, run, extractor, untrained):
        """Measures, and writes results.json.

        Args:
            run: the `Run`.
            extractor: `FeatureExtractor` of the pre-trained networks.
            untrained: function that makes one of the same networks untrained.
        """
        run.need_labels("evaluation")
        started = time.monotonic()
        numbers = self._probe(run, extractor, "pre-trained")
        if self._random_encoder:
            numbers += self._probe(run, untrained(), "untrained")
        if self._raw_pixels:
            numbers += self._probe_cached(run, tf.identity, "raw pixels")
        results.write(
            run.directory(self.name),
            numbers,
            wall_time_seconds=round(time.monotonic() - started, 1),
            **run.facts(),
        )

    def _probe(self, run, extractor, subject):
        numbers = []
        if self._linear_probe:
            keras.utils.set_random_seed(run.seed)
            accuracy, protocol = self._linear_probe.accuracy(
                run, extractor, self.test_view, f"linear_probe_{subject}"
            )
            numbers.append(Number(f"linear probe, {subject}", accuracy, "%", protocol))
        return numbers + self._probe_cached(run, extractor, subject)

    def _probe_cached(self, run, function, subject):
        """kNN and logistic regression on features of one centre crop of each image."""
        train, train_labels = features.extract(function, run.train, self.test_view)
        test, test_labels = features.extract(function, run.test, self.test_view)
        numbers = []
        if self._knn_neighbours:
            accuracy = knn.knn_accuracy(
                train,
                train_labels,
                test,
                test_labels,
                len(run.train.class_names),
                self._knn_neighbours,
                self._knn_temperature,
            )
            protocol = f"offline kNN, cosine, k {self._knn_neighbours}, T {self._knn_temperature}, one centre crop"
            numbers.append(Number(f"kNN, {subject}", accuracy, "%", protocol))
        if self._logistic_regression:
            fit = logistic.fit_logistic(train, train_labels, test, test_labels, run.seed)
            protocol = f"logistic regression on cached features ({train.shape[1]}-d, C {fit.chosen_c:g}), one centre crop"
            numbers.append(Number(f"fast linear probe, {subject}", fit.accuracy, "%", protocol))
        return numbers
