"""The interface of every probe of frozen features."""

import time

import numpy as np

from infomin_tf.evaluation import doubts
from infomin_tf.runs.results import Measurement

PRE_TRAINED, UNTRAINED, RAW_PIXELS = "pre-trained", "untrained", "raw pixels"


class Probe:
    """One protocol by which features are judged.

    Attributes:
        key, label: of its measurements, "knn" and "kNN".
        baselines: which subjects it can judge in addition to the pre-trained features.
        takes_views: whether it needs the single view of an image.
        needs_labels: whether it needs labelled images to train and to test on.
    """

    key, label = "", ""
    baselines = (UNTRAINED,)
    takes_views = needs_labels = True

    def check(self, run):
        """Raises UserError unless the run has what the probe needs; trains nothing."""

    def sets(self, run):
        """dict role -> loaded images of its own."""
        return {}

    def measure(self, run, features, subject):
        """Judges features.

        Args:
            run: the `Run`, whose `train` the probe learns from and whose `test` it is tested on.
            features: `Features`.
            subject: whose features they are, for keys, labels and folders: "pre-trained".

        Returns:
            List of `Measurement`, with the keys `key_of(key, subject)`.
        """
        raise NotImplementedError

    def accuracy(self, run, subject, value, protocol, seconds, *more_doubts):
        """The `Measurement` of an accuracy; that of pre-trained features has to beat chance."""
        label = f"{self.label}, {subject}"
        is_ours = subject.startswith(PRE_TRAINED)
        doubt = doubts.of_accuracy(label, value, run.test) if is_ours else None
        protocol = doubts.beside_chance(protocol, run.test)
        found = (*more_doubts, doubt)
        key = key_of(self.key, subject)
        return Measurement(key, label, value, "%", protocol, found, seconds)


class CachedProbe(Probe):
    """A probe of cached features of one view of every image; it can also judge raw pixels."""

    baselines = (UNTRAINED, RAW_PIXELS)

    def measure(self, run, features, subject):
        """See `Probe`."""
        started = time.monotonic()
        train, test = features.of(run.train), features.of(run.test)
        value, protocol = self.judge(run, train, test)
        constant = np.all(np.ptp(train[0], axis=0) == 0)
        doubt = f"the features, {subject}, are the same for all of {run.train.name}"
        seconds = time.monotonic() - started
        return [self.accuracy(run, subject, value, protocol, seconds, doubt if constant else None)]

    def judge(self, run, train, test):
        """(accuracy in %, protocol in words), of (features [M, D], labels [M]) of both sets."""
        raise NotImplementedError


def key_of(key, subject):
    """Key of a measurement: "knn/pre-trained"; of a transfer "knn/pre-trained/cifar10"."""
    return "/".join([key, *subject.replace(" ", "_").split(",_")])
