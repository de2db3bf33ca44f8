"""Small finished parts that several tests train."""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.data.images import ArrayImages
from infomin_tf.experiment.run import Run
from infomin_tf.learners import bounds, negatives
from infomin_tf.learners.contrastive import ContrastiveLearner
from infomin_tf.learners.view_learner import ViewLearner
from infomin_tf.models import heads, layers
from infomin_tf.models.encoder import Encoder
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.models.image_encoder import ImageEncoder
from infomin_tf.moving_mnist.networks import ConvNet
from infomin_tf.views import color, generators, pairs, splits

VIEW_SHAPE = (12, 12, 3)
NUM_IMAGES = 30


class SmallBackbone(keras.layers.Layer):
    """One convolution, synchronised batch normalisation, mean over the image."""

    output_dimension = 6

    def build(self, input_shape):
        self.convolution, self.normalization = (
            layers.convolution(6, 3),
            layers.batch_normalization(),
        )
        self.convolution.build(input_shape)
        self.normalization.build((*input_shape[:-1], 6))
        self.built = True

    def call(self, x, training=None):
        x = self.normalization(self.convolution(x), training=training)
        return tf.reduce_mean(tf.nn.relu(x), axis=(1, 2))


def encoder():
    return Encoder(SmallBackbone(), heads.LinearHead(8))


def split(generator=None):
    layer = splits.ChannelSplit(color.YDbDr(), generator)
    layer.build((None, *VIEW_SHAPE))
    return layer


def contrastive_learner(
    queue=None, bank=None, nt_xent=False, whole=False, learning_rate=0.1, **arguments
):
    """A built learner on raw YDbDr halves, or on whole images with one shared encoder."""
    keras.utils.set_random_seed(3)
    parts = 1 if whole else 2
    views = splits.Whole(color.RGB()) if whole else splits.ChannelSplit(color.YDbDr())
    views.build((None, *VIEW_SHAPE))
    kind = negatives.NTXent(0.2) if nt_xent else negatives.InBatch(0.2)
    if queue:
        kind = negatives.MomentumQueue(queue, 0.9, 0.2)
    if bank is not None:
        kind = negatives.MemoryBank(bank or None, 0.5, 0.2)
        arguments.setdefault("num_images", NUM_IMAGES)
    if arguments.pop("jigsaw", False):
        patch_head = heads.LinearHead(5, normalize=False)
        arguments["jigsaw_head"] = heads.JigsawHead(patch_head, 4, 8)
    learner = ContrastiveLearner(
        views,
        [encoder() for _ in range(parts)],
        kind,
        keras.optimizers.SGD(learning_rate, momentum=0.9),
        [encoder() for _ in range(parts)] if queue else (),
        **arguments,
    )
    learner.build(VIEW_SHAPE)
    return learner


def view_learner(unsupervised_weight=1.0, supervised_weight=1.0, learning_rate=1e-2):
    """A built learner of an affine generator, with classifiers of three classes."""
    keras.utils.set_random_seed(3)
    classifiers = [Encoder(SmallBackbone(), heads.Classifier(3)) for _ in range(2)]
    learner = ViewLearner(
        split(generators.AffineGenerator(num_blocks=1)),
        (encoder(), encoder()),
        classifiers if supervised_weight else (),
        bounds.InfoNCE(0.2),
        keras.optimizers.SGD(learning_rate),
        keras.optimizers.SGD(learning_rate),
        unsupervised_weight,
        supervised_weight,
    )
    learner.build(VIEW_SHAPE)
    return learner


def views(batch_size=8, seed=0):
    """A pair of views with labels, as the input pipeline gives them."""
    generator = np.random.default_rng(seed)
    color = generator.random((batch_size, 1, 1, 3))
    base = 0.7 * color + 0.3 * generator.random((batch_size, *VIEW_SHAPE))
    pair = [np.clip(base + 0.1 * generator.normal(size=base.shape), 0, 1) for _ in range(2)]
    labels = generator.integers(0, 3, batch_size).astype(np.int32)
    return tuple(tf.constant(x, tf.float32) for x in pair), tf.constant(labels)


def views_with_patches(batch_size=8, seed=0):
    """A pair of views and four patches of each image; the images' places in NUM_IMAGES."""
    pair, _ = views(batch_size, seed)
    generator = np.random.default_rng(seed + 50)
    patches = generator.random((batch_size, 4, *VIEW_SHAPE))
    places = generator.permutation(NUM_IMAGES)[:batch_size].astype(np.int32)
    return (*pair, tf.constant(patches, tf.float32)), tf.constant(places)


def images(count=40, seed=0):
    """A loaded set of labelled random images."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, *VIEW_SHAPE), dtype=np.uint8)
    return ArrayImages("random", pixels, generator.integers(0, 3, count), ("a", "b", "c"))


def whole():
    """The split of whole RGB images."""
    return splits.Whole(color.RGB(), (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))


def run_of(folder, split):
    """A `Run` of 20 images that begins."""
    split.build((None, *VIEW_SHAPE))
    pair, loaded = pairs.IndependentPair(pairs.CropAndFlip(12)), images(20)
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    return Run(str(folder), strategy, 0, loaded, loaded, loaded, loaded, pair, split, "")


def image_encoder(resize=36, backbones=None):
    """A built encoder of learned channels with two small networks, or of others, with no weight at
    its first value.
    """
    keras.utils.set_random_seed(0)
    numbers = np.random.default_rng(0)
    halves = [ConvNet((4, 8)) for _ in range(2)]
    divide = splits.ChannelSplit(
        color.YDbDr(), generators.GlowGenerator(num_blocks=1), (0.4, 0.0, 0.0), (0.5, 1.2, 1.3)
    )
    if backbones:
        divide = splits.Whole(color.RGB(), (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
    model = ImageEncoder(FeatureExtractor(divide, backbones or halves), 32, resize)
    model.build()
    for variable in model.trainable_variables:
        variable.assign(variable.value + 0.01 * numbers.normal(size=variable.shape))
    return model


def weights(learner):
    """All weights of a learner and its optimizers, as arrays."""
    variables = [v for optimizer in learner.optimizers for v in optimizer.variables]
    return [np.array(variable) for variable in list(learner.weights) + variables]
