"""All stages of a small experiment on images of three colours, with all that evaluations hold."""

import keras
import numpy as np

from infomin_tf.data.images import ArrayImages
from infomin_tf.data.label_maps import SegmentationImages
from infomin_tf.data.sets import Data
from infomin_tf.evaluation.knn import NearestNeighbours
from infomin_tf.evaluation.linear import LinearProbe
from infomin_tf.evaluation.logistic import FastLinearProbe
from infomin_tf.evaluation.segmentation import SegmentationProbe
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.experiment.export import Export
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.experiment.transfer import Transfer
from infomin_tf.models import heads
from infomin_tf.models.alexnet import AlexNetHalf
from infomin_tf.models.encoder import Encoder
from infomin_tf.views import color, pairs, splits


class Colors:
    """Images of three classes, told by a mean colour with noise; label maps of them."""

    def __init__(self, count, seed, maps=False):
        self._count, self._seed, self._maps = count, seed, maps

    def load(self, data_dir=None):
        del data_dir
        generator = np.random.default_rng(self._seed)
        labels = np.arange(self._count) % 3
        means = 90 + 80 * np.eye(3)[labels] + generator.normal(0, 15, (self._count, 3))
        noise = generator.normal(0, 20, (self._count, 26, 26, 3))
        pixels = np.clip(means[:, None, None] + noise, 0, 255).astype(np.uint8)
        if self._maps:
            maps = np.tile(labels[:, None, None], (1, 26, 26)).astype(np.uint8)
            maps[:, : 5 + self._seed] = 255
            return SegmentationImages("maps", pixels, maps)
        return ArrayImages(f"colors {self._seed}", pixels, labels, ("a", "b", "c"))


def make():
    """The `Experiment`; build it under the strategy's scope."""
    view = pairs.CenterCrop(26, 24)
    return Experiment(
        Data(Colors(40, 1), Colors(41, 2), Colors(23, 3), Colors(35, 4)),
        pairs.IndependentPair(pairs.CropAndFlip(24)),
        splits.Whole(color.YDbDr()),
        Pretrain(
            lambda: Encoder(AlexNetHalf(0.0625, units=512), heads.LinearHead(8)),
            keras.optimizers.SGD(1e-5),  # so small that rounding does not grow
            batch_size=20,
            epochs=8,
            num_candidates=16,
        ),
        Evaluate(
            view,
            (
                LinearProbe(
                    keras.optimizers.SGD(0.1),
                    pairs.CropAndFlip(24),
                    epochs=3,
                    batch_size=12,
                    learning_rates=(1e-4, 1.0),
                    tuning_epochs=2,
                ),
                NearestNeighbours(5),
                FastLinearProbe(),
                SegmentationProbe(
                    Colors(17, 7, maps=True), Colors(13, 8, maps=True), 3, epochs=4, batch_size=8
                ),
                Transfer(
                    "transfer",
                    Colors(30, 5),
                    Colors(17, 6),
                    (NearestNeighbours(5), FastLinearProbe()),
                ),
            ),
        ),
        export=Export(view),
    )
