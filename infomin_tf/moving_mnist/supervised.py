"""The supervised baseline of Colorful Moving-MNIST (section 4.1): a network, a head per factor."""

import keras
import tensorflow as tf

from infomin_tf.learners.learner import Learner
from infomin_tf.training.optimizer import Update


class FactorLearner(Learner):
    """Minimises cross entropy of digit + of background + squared error of the position.

    Args:
        extractor: `FeatureExtractor`.
        num_classes: dict digit, background -> number of classes.
        canvas: side of a frame in pixels; the error is in units of half of it.
        optimizer: a keras optimizer.
    """

    def __init__(self, extractor, num_classes, canvas, optimizer, **kwargs):
        super().__init__(**kwargs)
        self.extractor, self.canvas = extractor, canvas
        self.factor_optimizer = Update(optimizer)
        outputs = {n: num_classes[n] for n in ("digit", "background")} | {"position": 2}
        self.heads = {n: keras.layers.Dense(d, dtype="float32") for n, d in outputs.items()}

    @property
    def optimizers(self):
        """See `Learner`."""
        return (self.factor_optimizer,)

    def build(self, view_shape):
        """Makes all weights for images of shape (H, W, 3)."""
        if not self.extractor.built:
            self.extractor.build((None, *view_shape))
        for head in self.heads.values():
            head.build((None, self.extractor.output_dimension))
        self.factor_optimizer.build(self.trainable_variables)
        self.built = True

    def predict_factors(self, images):
        """Inference: digit, background -> logits [B, C]; position -> centre (y, x), px [B, 2]."""
        return self._outputs(self.extractor(images, training=False))

    def train_step(self, batch):
        """One update; returns scalar metrics.

        Args:
            batch: (images [b, H, W, 3] in [0, 1], dict digit, background int32 [b], position [b, 2]
                in pixels).
        """
        images, labels = batch
        with tf.GradientTape() as tape:
            outputs = self._outputs(self.extractor(images, training=True))
            losses = {f"{n}_loss": self._loss(n, outputs[n], labels[n]) for n in outputs}
            total = tf.add_n(list(losses.values()))
            replica_loss = self.share(total)
        self.factor_optimizer.minimize(tape, replica_loss, self.trainable_variables)
        return losses | {"loss": total}

    def _outputs(self, features):
        outputs = {name: head(features) for name, head in self.heads.items()}
        half = self.canvas / 2
        return outputs | {"position": half + half * outputs["position"]}

    def _loss(self, name, output, label):
        if name == "position":
            error = (output - label) / (self.canvas / 2)
            return tf.reduce_mean(tf.reduce_sum(tf.square(error), axis=-1))
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(label, output)
        return tf.reduce_mean(cross_entropy)
