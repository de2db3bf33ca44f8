"""Small learners of every kind on small random images, each as a `Task` of the training loop."""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order, Shard
from infomin_tf.evaluation import segmentation
from infomin_tf.evaluation.linear import ProbeLearner
from infomin_tf.evaluation.segmentation import DecoderLearner
from infomin_tf.learners.contrastive import ContrastiveLearner
from infomin_tf.learners.negatives import InBatch
from infomin_tf.models import heads
from infomin_tf.models.decoder import SegmentationDecoder
from infomin_tf.models.encoder import Encoder
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.moving_mnist.networks import SequenceEncoder
from infomin_tf.moving_mnist.pair import FactorPair
from infomin_tf.moving_mnist.sequences import Sequences
from infomin_tf.moving_mnist.supervised import FactorLearner
from infomin_tf.training.loop import Task
from infomin_tf.views import color, families, pairs, splits
from infomin_tf.views.augment.jigsaw import JigsawPatches
from tests import small

BATCH = 8
CROPS = pairs.CropAndFlip(12)
PAIR = pairs.IndependentPair(CROPS)


def task(name, directory, total_steps):
    """The `Task` of a learner of `LEARNERS`, with the same initial weights at each call."""
    keras.utils.set_random_seed(3)
    learner, make_batches = LEARNERS[name]()
    return Task(name, learner, make_batches, BATCH, 5, total_steps, directory)


def contrastive(pair=PAIR, numbered=False, **arguments):
    def make():
        images = small.images(40)
        batches = stream(pair, images.numbered() if numbered else images)
        return small.contrastive_learner(num_images=40, **arguments), batches

    return make


def stream(transform, images, size=BATCH, seed=1):
    return lambda step, shard: transform.batches(
        images, Order(size, seed, first_step=step, shard=Shard(*shard))
    )


def view_learning(labelled_size):
    """Adversarial views; semi-supervised, or unsupervised with no labelled images per step."""

    def make():
        sets = [(BATCH, 1), (labelled_size, 2)] if labelled_size else [(BATCH, 1)]
        streams = [stream(PAIR, small.images(40), size, seed) for size, seed in sets]

        def batches(step, shard):
            return tf.data.Dataset.zip(tuple(part(step, shard) for part in streams))

        weight = float(labelled_size > 0)
        return small.view_learner(supervised_weight=weight), batches

    return make


def probe():
    learner = ProbeLearner(extractor(), 3, keras.optimizers.SGD(0.1, momentum=0.9))
    learner.build(None)
    return learner, stream(CROPS, small.images(40))


def extractor():
    found = FeatureExtractor(small.split(), [small.SmallBackbone() for _ in range(2)])
    found.build((None, *small.VIEW_SHAPE))
    return found


def sequences():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    digits, backgrounds = (
        ArrayImages(name, pixels[:, :side, :side], np.arange(30) % 3, ("a", "b", "c"))
        for name, side in (("digits", 6), ("backgrounds", 12))
    )
    return Sequences(digits, backgrounds, canvas=12)


def sequence_contrast():
    split = splits.Sequence(color.RGB(), (0.5,) * 3, (0.25,) * 3)
    split.build((None, *small.VIEW_SHAPE))
    backbone = small.SmallBackbone()
    encoders = [
        SequenceEncoder(backbone, heads.LinearHead(8), 6),
        Encoder(backbone, heads.LinearHead(8)),
    ]
    learner = ContrastiveLearner(split, encoders, InBatch(0.2), keras.optimizers.SGD(0.1))
    learner.build(small.VIEW_SHAPE)
    return learner, stream(
        FactorPair(12, keep_digit=True, num_frames=3, target_frame=4), sequences()
    )


def supervised_factors():
    sizes = {"digit": 3, "background": 3}
    # Stopped between the batches of one update.
    optimizer = keras.optimizers.SGD(0.1, global_clipnorm=1.0, gradient_accumulation_steps=3)
    learner = FactorLearner(extractor(), sizes, 12, optimizer)
    learner.build(small.VIEW_SHAPE)
    source = sequences()
    return learner, lambda step, shard: source.raw(
        Order(BATCH, 1, first_step=step, shard=Shard(*shard)), BATCH
    )


def decoder():
    """Label maps of which the halves of a batch have unequal numbers of labelled pixels."""
    generator = np.random.default_rng(4)
    maps = generator.normal(size=(40, 3, 3, 4)).astype(np.float32)
    truth = generator.integers(0, 3, (40, 12, 12))
    truth[generator.random(truth.shape) < np.linspace(0.1, 0.9, 40)[:, None, None]] = 255
    learner = DecoderLearner(
        SegmentationDecoder(3, (12, 12), 6), 255, keras.optimizers.SGD(0.1, momentum=0.9)
    )
    learner.build(maps.shape[1:])
    return learner, lambda step, shard: segmentation.batches(
        maps, truth, Order(BATCH, 1, step, Shard(*shard))
    )


JIGSAW = pairs.IndependentPair(families.moco_v1(12), JigsawPatches(24, grid=2, patch=12))
LEARNERS = {
    "contrastive, in-batch": contrastive(),
    "contrastive, NT-Xent": contrastive(nt_xent=True, whole=True),
    "contrastive, queue": contrastive(queue=20),
    "contrastive, shuffled keys and JigSaw": contrastive(
        JIGSAW, queue=20, whole=True, both_directions=False, jigsaw=True, shuffle_keys=True
    ),
    "contrastive, bank": contrastive(bank=10, numbered=True),
    "contrastive, sequences": sequence_contrast,
    "views, unsupervised": view_learning(0),
    "views, semi-supervised": view_learning(4),
    "linear probe": probe,
    "supervised factors": supervised_factors,
    "segmentation decoder": decoder,
}
