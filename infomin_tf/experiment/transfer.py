"""How good the frozen features are on other images."""

import dataclasses
from collections.abc import Callable

from infomin_tf.data.checks import check_view_size
from infomin_tf.data.images import Source
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import Features
from infomin_tf.evaluation.probe import Probe
from infomin_tf.experiment.evaluate import check_probes, standard_probes


class Transfer(Probe):
    """Probes of the pre-trained features on another labelled data set.

    Args:
        name: name of the data set in the results.
        train, test: sources of labelled images.
        probes: in the order of the results; None for `standard_probes`.
        test_view: the single view of an image; None for that of `Evaluate`.
    """

    baselines = ()

    def __init__(
        self,
        name: str,
        train: Source,
        test: Source,
        probes: tuple[Probe, ...] | None = None,
        test_view: Callable | None = None,
    ):
        if set(",/") & set(name) or not name:
            raise UserError(
                f"Transfer.name={name!r} becomes part of keys; give a name without , and /"
            )
        self.name, self.key, self._test_view = name, f"transfer {name}", test_view
        self._probes = check_probes(
            "Transfer.probes", standard_probes() if probes is None else probes
        )
        self.takes_views = test_view is None and any(p.takes_views for p in self._probes)
        self._sources, self._loaded = (train, test), None

    def load(self, data_dir):
        """(train, test), loaded images; read once, when they are checked before the training."""
        self._loaded = self._loaded or [source.load(data_dir) for source in self._sources]
        return self._loaded

    def check(self, run):
        """Raises UserError unless the images are labelled, and each probe has what it needs."""
        other = self._on_its_images(run)
        other.need_labels(f"Transfer to {self.name}")
        check_view_size(run.pair, self._test_view, f"Transfer.test_view of {self.name}")
        for probe in self._probes:
            probe.check(other)

    def sets(self, run):
        """See `Probe`."""
        other = self._on_its_images(run)
        sets = {f"{self.key}, train": other.train, f"{self.key}, test": other.test}
        for probe in self._probes:
            more = probe.sets(other)
            sets |= {f"{self.key}, {role}": images for role, images in more.items()}
        return sets

    def measure(self, run, features, subject):
        """See `Probe`."""
        other = self._on_its_images(run)
        features = Features(features.function, self._test_view or features.view)
        subject = f"{subject}, {self.name}"
        return [m for probe in self._probes for m in probe.measure(other, features, subject)]

    def _on_its_images(self, run):
        train, test = self.load(run.data_dir)
        return dataclasses.replace(run, train=train, test=test)
