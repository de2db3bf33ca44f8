"""Probes of features that need no labels: what can be known where nobody has named a class."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from infomin_tf import seeds
from infomin_tf.errors import UserError
from infomin_tf.evaluation.features import check_finite, extract
from infomin_tf.evaluation.probe import PRE_TRAINED, RAW_PIXELS, UNTRAINED, Probe, key_of
from infomin_tf.runs.results import Measurement
from infomin_tf.settings import COUNT, Range, check

_FOLDS = 5
_CHANCE, _NOISE = 25.0, 10.0  # %


class LabelFreeProbe(Probe):
    """A figure of the features of held-out images.

    Args:
        images: the largest number of held-out images that are looked at, spread over them.
    """

    needs_labels, unit, baselines = False, "", ()
    least = 2  # held-out images

    def __init__(self, images=500):
        check(self, _at_least(self.least), images=images)
        self._images = images

    def check(self, run):
        """See `Probe`."""
        if run.held_out.size < self.least:
            raise UserError(
                f"{type(self).__name__} needs at least {self.least} held-out images, not "
                f"{run.held_out.size}; add images, bind Data.held_out to others, or leave it out"
            )

    def measure(self, run, features, subject):
        """See `Probe`."""
        started, images = time.monotonic(), run.held_out.thin(self._images)
        value, how = self.judge(run, features, images)
        protocol = f"{how}, {images.size} images of {run.held_out_name}"
        label, seconds = f"{self.label}, {subject}", time.monotonic() - started
        key = key_of(self.key, subject)
        return [Measurement(key, label, value, self.unit, protocol, (), seconds)]

    def judge(self, run, features, images):
        """(value, protocol in words) of `Features` on loaded images."""
        raise NotImplementedError


class RotationProbe(LabelFreeProbe):
    """Which of four rotations an image has, told from its features: accuracy in %, chance 25.

    Images are rotated by multiples of 90 degrees after the centre crop, so without interpolation.
    Logistic regression on standardised features is tested on images that it was not fitted to, in
    five parts. It ranks augmentations as accuracies with labels do, on images that have an upright
    (SelfAugment, arXiv:2009.07724, section 3.1); others, such as cells, say nothing.

    Of pre-trained features it also gives `label_free_score`.
    """

    key, label, unit = "rotation_probe", "rotation probe", "%"
    baselines, least = (UNTRAINED, RAW_PIXELS), _FOLDS

    def measure(self, run, features, subject):
        """See `Probe`."""
        [accuracy] = super().measure(run, features, subject)
        if subject != PRE_TRAINED:
            return [accuracy]
        known = {m["key"]: m["value"] for m in run.results_of("pretrain")["measurements"]}
        if "unshared_spread" not in known:  # a run of an earlier version
            return [accuracy]
        score = label_free_score(known["unshared_spread"], accuracy.value)
        key, protocol = key_of("label_free_score", subject), "unshared spread x rotations told"
        label = f"label-free score, {subject}"
        return [accuracy, Measurement(key, label, score, "nats", protocol)]

    def judge(self, run, features, images):
        """See `LabelFreeProbe`."""
        rotated = _of_several(features, images, _rotated(features.view), 4)
        return rotation_accuracy(rotated), (
            f"logistic regression on features of 4 rotations, C 0.1, {_FOLDS} parts by image, one "
            "centre crop"
        )


def label_free_score(unshared_spread, rotation):
    """What orders views where there are no labels; docs/results.md says how well.

    Views that let embeddings spread although they share little (`embeddings.unshared_spread`) may
    keep what no task needs; how well rotations are told says that features are of what is shown.
    Less than 10 % beyond chance count as 10 %: where images have no upright, rotations say nothing,
    and unshared spread decides alone.

    Args:
        unshared_spread: in nats.
        rotation: accuracy of telling four rotations, in %.

    Returns:
        unshared_spread times the share of rotations told beyond chance, in nats.
    """
    return unshared_spread * max(rotation - _CHANCE, _NOISE) / (100.0 - _CHANCE)


def rotation_accuracy(rotated):
    """Accuracy of telling rotations, in %.

    Args:
        rotated: [M, R, D], features of R rotations of each image.
    """
    count, rotations, dimension = rotated.shape
    inputs = rotated.reshape(count * rotations, dimension)
    check_finite(inputs)
    rotation, image = np.tile(np.arange(rotations), count), np.repeat(np.arange(count), rotations)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200, tol=1e-3))
    with threadpool_limits(1):  # of small matrices several threads take longer
        said = cross_val_predict(model, inputs, rotation, groups=image, cv=GroupKFold(_FOLDS))
    return 100 * float(np.mean(said == rotation))


def _rotated(view):
    def rotated(images, seed):
        upright = view(images, seed)
        turned = [tf.image.rot90(upright, quarters) for quarters in range(4)]
        return tf.reshape(tf.stack(turned, axis=1), [-1, *upright.shape[1:]])

    return rotated


def _of_several(features, images, views, number, seed=0):
    """[M, number, D]: features of several views of each image, which `views` gives together."""
    batch_size, seed = max(1, 256 // number), seeds.stream(seed, "evaluate/several views")
    found, labels = extract(features.compiled, images, views, batch_size, seed)
    return found.reshape(len(labels), number, -1)


class EffectiveRank(LabelFreeProbe):
    """RankMe of the features, see `effective_rank`."""

    key, label = "effective_rank", "effective rank"

    def judge(self, run, features, images):
        """See `LabelFreeProbe`."""
        found = extract(features.compiled, images, features.view)[0]
        return effective_rank(found), f"RankMe of {found.shape[1]}-d features, one centre crop"


def effective_rank(features):
    """exp(-sum p log p), p the singular values over their sum plus 1e-7.

    Source: RankMe, arXiv:2210.02885, equation 1 and section 3.1.

    Args:
        features: [M, D].

    Returns:
        float, from 1 (all on a line) to min(M, D).
    """
    check_finite(features)
    values = np.linalg.svd(np.asarray(features, np.float64), compute_uv=False)
    return _entropy_rank(values)


class Lidar(LabelFreeProbe):
    """LiDAR of the features under one reference augmentation, see `lidar`.

    The reference is the same for all that is compared, because weaker views raise the figure by
    themselves.

    Args:
        sampler: function (images uint8, seed) -> views in [0, 1], the reference augmentation.
        images: the largest number of images that are looked at.
        views: of each image, 2 or more.
    """

    key, label = "lidar", "LiDAR"

    def __init__(self, sampler: Callable, images=250, views=8):
        super().__init__(images)
        check(self, _at_least(2), views=views)
        self._sampler, self._views = sampler, views

    def judge(self, run, features, images):
        """See `LabelFreeProbe`."""

        def several(batch, seed):
            return self._sampler(tf.repeat(batch, self._views, axis=0), seed)

        seen = _of_several(features, images, several, self._views, run.seed)
        return lidar(seen), (
            f"LiDAR of {seen.shape[-1]}-d features of {self._views} reference views"
        )


def lidar(features, delta=1e-4):
    """Effective rank of the linear discriminant whose classes are the views of an image.

    exp(-sum p log p), p the eigenvalues of W^-1/2 B W^-1/2 over their sum plus 1e-7, with B the
    covariance of the images' means and W that of views around the mean of their image, plus delta.

    Source: LiDAR, arXiv:2312.04000, section 4.

    Args:
        features: [M, Q, D], of Q >= 2 views of each of M >= 2 images.
        delta: added to the diagonal of W.

    Returns:
        float, from 1 to D.
    """
    features = np.asarray(features, np.float64)
    count, views, dimension = features.shape
    check_finite(features.reshape(count * views, dimension))
    means = features.mean(axis=1)
    between = np.cov(means, rowvar=False).reshape(dimension, dimension)
    around = (features - means[:, None]).reshape(-1, dimension)
    within = around.T @ around / (count * (views - 1)) + delta * np.eye(dimension)
    values, vectors = np.linalg.eigh(within)
    whitening = vectors / np.sqrt(values) @ vectors.T
    return _entropy_rank(np.linalg.eigvalsh(whitening @ between @ whitening).clip(0))


def _at_least(least):
    holds = lambda value: value >= least and COUNT.holds(value)
    return Range(f"a whole number of at least {least}", holds)


def _entropy_rank(values):
    shares = values / max(values.sum(), 1e-12) + 1e-7
    return float(np.exp(-np.sum(shares * np.log(shares))))
