"""The contrastive learner: one shared encoder for views of one domain, two for the halves of split views."""

import math

import keras
import tensorflow as tf

from infomin_tf import distribution
from infomin_tf.contrastive import losses


class ContrastiveLearner(keras.Model):
    """Minimises L_NCE (equation 1) between two views of each image.

    With a split of one part (`splits.Whole`), one encoder sees both views. With a split of two parts, encoder 1 sees
    part 1 of the first view and encoder 2 part 2 of the second (section 3.4, CMC; section 4.2, learned views); the
    split is frozen here.

    Args:
        split: layer, image [B, H, W, 3] in [0, 1] -> tuple of one or two parts.
        encoders: one encoder a part.
        negatives: `negatives.InBatch` or `negatives.MomentumQueue`.
        optimizer: a keras optimizer.
        key_encoders: like `encoders`, needed by a MomentumQueue; they start equal to the encoders.
        both_directions: average L_NCE from view 1 to 2 and from 2 to 1; otherwise only from 1 to 2.
        weight_decay: L2 coefficient added to the gradient, as torch.optim.SGD does (not decoupled).
    """

    def __init__(
        self,
        split,
        encoders,
        negatives,
        optimizer,
        key_encoders=(),
        both_directions=True,
        weight_decay=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if len(encoders) != split.num_parts:
            raise ValueError(
                f"the split makes {split.num_parts} part(s) but {len(encoders)} encoder(s) were given; "
                "give one encoder a part"
            )
        needed = len(encoders) if negatives.momentum is not None else 0
        if len(key_encoders) != needed:
            raise ValueError(
                f"{type(negatives).__name__} needs {needed} key encoder(s), {len(key_encoders)} were given"
            )
        split.trainable = False
        self.split, self.negatives = split, negatives
        self.encoders, self.key_encoders = list(encoders), list(key_encoders)
        self.encoder_optimizer = optimizer
        self.both_directions, self.weight_decay = both_directions, weight_decay

    @property
    def optimizers(self):
        """All optimizers, whose state belongs into a checkpoint."""
        return (self.encoder_optimizer,)

    def build(self, view_shape):
        """Makes all weights for views of shape (H, W, 3); key encoders become equal to the encoders."""
        part_shapes = self.split.part_shapes(view_shape)
        for encoder, shape in zip(self.encoders, part_shapes, strict=True):
            encoder.build((None, *shape))
        for encoder, key_encoder, shape in zip(
            self.encoders, self.key_encoders, part_shapes, strict=False
        ):
            key_encoder.build((None, *shape))
            key_encoder.set_weights(encoder.get_weights())
        if self.negatives.momentum is not None:
            self.negatives.build_queues(len(self.encoders), self.encoders[0].head.dimension)
        self.encoder_optimizer.build(self._encoder_variables())
        self.built = True

    def train_step(self, batch):
        """One update on a batch ((x1, x2), labels) of view pairs [b, H, W, 3] in [0, 1]; returns scalar metrics.

        Metrics are means over this replica (or over the global batch where noted in `_scalars`).
        """
        (x1, x2), _ = batch
        v1, v2 = self.split(x1)[0], self.split(x2)[-1]
        f1, f2 = self.encoders[0], self.encoders[-1]
        with tf.GradientTape() as tape:
            q1 = f1(v1, training=True)
            q2 = f2(v2, training=True) if self._needs_second_query() else None
            k1, k2 = self._keys(v1, v2, q1, q2)
            loss, correct = self._contrast(q1, q2, k1, k2)
            replica_loss = loss / distribution.num_replicas()
        self._apply_gradients(tape, replica_loss)
        self._update_momentum(k1, k2)
        return self._scalars(loss, correct, q1, k2)

    def embed(self, x1, x2):
        """Embeddings z1 = f1(v1), z2 = f2(v2) of view pairs in inference mode, [B, D] each."""
        v1, v2 = self.split(x1)[0], self.split(x2)[-1]
        return self.encoders[0](v1, training=False), self.encoders[-1](v2, training=False)

    def _needs_second_query(self):
        return self.both_directions or self.negatives.momentum is None

    def _keys(self, v1, v2, q1, q2):
        if self.negatives.momentum is None:
            return q1, q2
        g1, g2 = self.key_encoders[0], self.key_encoders[-1]
        k1 = tf.stop_gradient(g1(v1, training=True)) if self.both_directions else None
        return k1, tf.stop_gradient(g2(v2, training=True))

    def _contrast(self, q1, q2, k1, k2):
        last = len(self.encoders) - 1
        forward, correct = self.negatives.contrast(q1, k2, last)
        if not self.both_directions:
            return tf.reduce_mean(forward), correct
        backward, _ = self.negatives.contrast(q2, k1, 0)
        return (tf.reduce_mean(forward) + tf.reduce_mean(backward)) / 2, correct

    def _apply_gradients(self, tape, loss):
        variables = self._encoder_variables()
        gradients = tape.gradient(loss, [v.value for v in variables])
        decay = self.weight_decay / distribution.num_replicas()
        if decay:
            gradients = [g + decay * v.value for g, v in zip(gradients, variables, strict=True)]
        self.encoder_optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def _update_momentum(self, k1, k2):
        """theta_k <- m theta_k + (1 - m) theta_q for parameters; BN statistics are the key encoder's own."""
        if self.negatives.momentum is None:
            return
        m = self.negatives.momentum
        for encoder, key_encoder in zip(self.encoders, self.key_encoders, strict=True):
            pairs = zip(key_encoder.trainable_weights, encoder.trainable_weights, strict=True)
            for theta_k, theta_q in pairs:
                theta_k.assign(m * theta_k.value + (1.0 - m) * theta_q.value)
        last = len(self.encoders) - 1
        self.negatives.enqueue(k2, last)
        if k1 is not None:
            self.negatives.enqueue(k1, 0)

    def _scalars(self, loss, correct, q1, k2):
        num_candidates = self.negatives.num_candidates(q1.shape[0] * distribution.num_replicas())
        z1 = distribution.all_gather(tf.stop_gradient(q1))
        z2 = distribution.all_gather(tf.stop_gradient(k2))
        return {
            "loss": loss,
            "i_nce": losses.info_nce_bound(loss, num_candidates),
            "i_nce_ceiling": tf.constant(math.log(num_candidates)),
            "contrast_accuracy": tf.reduce_mean(tf.cast(correct, tf.float32)),
            "alignment": losses.alignment(z1, z2),
            "uniformity": losses.uniformity(z1),
            "embedding_spread": losses.embedding_spread(z1),
            "learning_rate": tf.convert_to_tensor(self.encoder_optimizer.learning_rate),
        }

    def _encoder_variables(self):
        return [v for encoder in self.encoders for v in encoder.trainable_variables]
