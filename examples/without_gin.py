"""Contrastive learning in Python alone: images, augmentation, split, learner, fit, features.

    python examples/without_gin.py

uses two thousand images of the embedded set; any array uint8 [M, H, W, 3] works. In a minute or two
it prints the accuracy of k nearest neighbours on the learned features, and on those of the same
network untrained.
"""

import keras
from sklearn.neighbors import KNeighborsClassifier

from infomin_tf.data.images import ArrayImages
from infomin_tf.data.order import Order
from infomin_tf.data.shapes import Shapes
from infomin_tf.evaluation import features
from infomin_tf.learners.contrastive import ContrastiveLearner
from infomin_tf.learners.negatives import InBatch
from infomin_tf.models.encoder import Encoder
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.models.heads import MlpHead
from infomin_tf.models.resnet import ResNet18
from infomin_tf.views import color, families, pairs, splits


def learn(pixels, epochs=4, batch_size=64, size=32, width=0.125, seed=0):
    """(trained, untrained) feature extractors of images uint8 [M, H, W, 3]."""
    keras.utils.set_random_seed(seed)
    photos = ArrayImages("photos", pixels)
    pair = pairs.IndependentPair(families.infomin(size=size, jitter=0.5, layers=0))
    split = splits.Whole(color.RGB())
    split.build((None, size, size, 3))
    split.adapt(photos.sample(2000))  # mean and standard deviation of its channels
    encoders = [Encoder(ResNet18(width, small_images=True), MlpHead()) for _ in range(2)]
    trained, untrained = (FeatureExtractor(split, [encoder.backbone]) for encoder in encoders)
    untrained.build((None, size, size, 3))

    optimizer = keras.optimizers.SGD(0.06, momentum=0.9)
    learner = ContrastiveLearner(split, encoders[:1], InBatch(temperature=0.1), optimizer)
    learner.build((size, size, 3))
    learner.compile(jit_compile=False)
    batches = pair.batches(photos, Order(batch_size, seed))
    learner.fit(batches, epochs=epochs, steps_per_epoch=photos.size // batch_size, shuffle=False)
    trained.build((None, size, size, 3))
    return trained, untrained


def main():
    """Learns from the embedded images."""
    labelled, test = (Shapes(split, 800, "texture").load() for split in ("train", "test"))
    view = pairs.CenterCrop(36, 32)
    extractors = learn(Shapes("unlabelled", 2000).load().images.numpy())
    for name, extractor in zip(("trained", "untrained"), extractors, strict=True):
        train, train_labels = features.extract(extractor, labelled, view)
        found, labels = features.extract(extractor, test, view)
        knn = KNeighborsClassifier(20, metric="cosine").fit(train, train_labels)
        print(f"{name}: kNN {100 * knn.score(found, labels):.1f} %")


if __name__ == "__main__":
    main()
