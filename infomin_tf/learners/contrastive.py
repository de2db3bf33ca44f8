"""The contrastive learner: one shared encoder for views of one domain, two for split views."""

import math

import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.distribution import replicas
from infomin_tf.learners import losses
from infomin_tf.learners.learner import Learner
from infomin_tf.learners.negatives import Slot
from infomin_tf.training.optimizer import Update


class ContrastiveLearner(Learner):
    """Minimises L_NCE (equation 1) between two views of each image.

    With a split of one part (`splits.Whole`), one encoder sees both views. With a split of two
    parts, encoder 1 sees part 1 of the first view and encoder 2 part 2 of the second (section 3.4,
    CMC; section 4.2, learned views); the split is frozen here.

    With a JigSaw head (PIRL; C.3), (1 - beta) L_NCE(q, k) + beta L_NCE(q_jigsaw, k) with the same
    keys and negatives.

    Args:
        split: layer, image [B, H, W, 3] in [0, 1] -> tuple of one or two parts.
        encoders: one encoder per part.
        negatives: `negatives.Negatives`.
        optimizer: a keras optimizer.
        key_encoders: like `encoders`, needed by a MomentumQueue; they start equal to the encoders.
        both_directions: L_NCE from view 1 to 2 and from 2 to 1; otherwise only from 1 to 2.
        sum_directions: the loss is the sum of both directions, as in the code of CMC and of the
            authors (PyContrast), so that their learning rates fit the gradient of each of two
            encoders; otherwise it is the mean. I_NCE is always that of the mean.
        weight_decay: see `Update`.
        decay_only_kernels: leave biases and the parameters of batch normalisation out of weight
            decay.
        shuffle_keys: shuffle the images of the key encoders over the replicas; for batch
            normalisation per replica, or per part of a replica's batch (`normalization_splits` of a
            ResNet).
        jigsaw_head: `heads.JigsawHead`, for batches with a third view of patches; None for none.
        jigsaw_weight: beta.
        num_images: number of images in the set, for a MemoryBank.
        unlike_views: whether x1 and x2 differ in more than independent draws; a MemoryBank then has
            one bank per view, even with one shared encoder, and both directions are needed to fill
            them.
        seed: of a bank's samples and of the shuffling of keys.
        make_views: function (images, draws) -> views on the device; None when batches hold views.
    """

    bound_name = "InfoNCE bound"

    def __init__(
        self,
        split,
        encoders,
        negatives,
        optimizer,
        key_encoders=(),
        *,
        both_directions=True,
        sum_directions=False,
        weight_decay=0.0,
        decay_only_kernels=False,
        shuffle_keys=False,
        jigsaw_head=None,
        jigsaw_weight=0.5,
        num_images=None,
        unlike_views=False,
        seed=0,
        make_views=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_parts(split, encoders, negatives, key_encoders, jigsaw_head)
        self._num_tables = 2 if unlike_views and negatives.needs_indices else len(encoders)
        has_tables = negatives.uses_key_encoders or negatives.needs_indices
        self._needs_second_query = both_directions or not has_tables
        if not both_directions and self._num_tables > 1 and has_tables:
            raise ValueError(
                "with one direction only view 1 is embedded for training, but there are two "
                "parts, or two banks; set both_directions"
            )
        if sum_directions and (jigsaw_head or not both_directions):
            raise ValueError(
                "sum_directions needs both_directions and no JigSaw head; set sum_directions=False"
            )
        split.trainable = False
        self.split, self.negatives = split, negatives
        self.encoders, self.key_encoders = list(encoders), list(key_encoders)
        self.encoder_optimizer = Update(optimizer, weight_decay, decay_only_kernels)
        self.optimizers = (self.encoder_optimizer,)
        self.both_directions, self.sum_directions = both_directions, sum_directions
        self.shuffle_keys = shuffle_keys
        self.jigsaw_head, self.jigsaw_weight = jigsaw_head, jigsaw_weight
        self.num_images, self.seed, self.make_views = num_images, seed, make_views

    @property
    def tables(self):
        """See `Learner`: queues, or banks."""
        return self.negatives.tables

    def build(self, view_shape):
        """Makes all weights for views of shape (H, W, 3); key encoders start as the encoders."""
        shapes = self.split.part_shapes(view_shape)
        for encoders in (self.encoders, self.key_encoders):
            for encoder, shape in zip(encoders, shapes, strict=False):
                encoder.build((None, *shape))
        for encoder, key_encoder in self._pairs():
            key_encoder.set_weights(encoder.get_weights())
        if self.jigsaw_head is not None:
            self.jigsaw_head.build((None, None, self.encoders[0].backbone.output_dimension))
        dimension = self.encoders[0].head.dimension
        self.negatives.build_state(self._num_tables, dimension, self.num_images, self.seed)
        self.encoder_optimizer.build(self._encoder_variables())
        self.built = True

    def train_step(self, batch):
        """One update; returns scalar metrics.

        Args:
            batch: ((x1, x2), labels) or ((x1, x2, patches), labels): views [b, H, W, 3] and patches
                [b, 9, h, w, 3] in [0, 1]; labels are used only by a MemoryBank, for which they are
                the images' places in the set. With `make_views`, the batch holds (images, draws)
                instead of the views.

        Returns:
            Means over this replica (or over the global batch where noted in `_scalars`).
        """
        views, places = batch
        x1, x2, *patches = self.make_views(*views) if self.make_views else views  # [b, H, W, 3]
        v1, v2 = self.split(x1)[0], self.split(x2)[-1]  # [b, H, W, C1], [b, H, W, C2]
        f1, f2 = self.encoders[0], self.encoders[-1]
        slots = [Slot(t, places, self.encoder_optimizer.steps) for t in (0, self._num_tables - 1)]
        with tf.GradientTape() as tape:
            q1 = f1(v1, training=True)  # queries [b, D]
            q2 = f2(v2, training=True) if self._needs_second_query else None
            k1, k2 = self._keys(v1, v2, q1, q2, slots)  # keys [b, D], constant unless queries
            forward, correct = self.negatives.contrast(q1, k2, slots[1])  # [b], or [B]
            loss = tf.reduce_mean(forward)
            if self.both_directions:
                backward, _ = self.negatives.contrast(q2, k1, slots[0])
                loss = (loss + tf.reduce_mean(backward)) / 2
            total = 2.0 * loss if self.sum_directions else loss
            if self.jigsaw_head is not None:
                q_jigsaw = self._encode_patches(patches[0])  # [b, D]
                jigsaw, _ = self.negatives.contrast(q_jigsaw, k2, slots[1])
                beta = self.jigsaw_weight
                total = (1.0 - beta) * loss + beta * tf.reduce_mean(jigsaw)
            replica_loss = self.share(total)
        variables = self._encoder_variables()
        gradients = self.encoder_optimizer.gradients(tape, replica_loss, variables)
        updates = self.encoder_optimizer.apply(gradients, variables)
        with tf.control_dependencies(gradients):  # nothing reads the old keys any more
            self._move_key_encoders(updates)
            self._enqueue(q1, q2, k1, k2, slots)
        return self._scalars(total, loss, correct, q1, k2)

    def num_candidates(self, global_batch_size):
        """N of I_NCE in a step, the positive included."""
        return self.negatives.num_candidates(global_batch_size)

    def embed(self, x1, x2):
        """Embeddings z1 = f1(v1), z2 = f2(v2) of view pairs in inference mode, [B, D] each."""
        v1, v2 = self.split(x1)[0], self.split(x2)[-1]
        return self.encoders[0](v1, training=False), self.encoders[-1](v2, training=False)

    def _keys(self, v1, v2, q1, q2, slots):
        """Keys [b, D] of both views: entries of a bank, of momentum encoders, or the queries."""
        if self.negatives.needs_indices:
            return tuple(self.negatives.look_up(slot) for slot in slots)
        if not self.negatives.uses_key_encoders:
            return q1, q2
        k1 = self._encode_key(0, v1) if self.both_directions else None
        return k1, self._encode_key(len(self.encoders) - 1, v2)

    def _encode_key(self, index, view):
        def encode(x):
            return tf.stop_gradient(self.key_encoders[index](x, training=True))

        if not self.shuffle_keys:
            return encode(view)
        order = seeds.stream(self.seed, f"order of shuffled keys {index}")
        return replicas.shuffled(encode, view, tf.stack([order, self.encoder_optimizer.steps]))

    def _encode_patches(self, patches):
        count = patches.shape[1]
        flat = tf.reshape(patches, [-1, *patches.shape[2:]])  # [9b, h, w, 3]
        features = self.encoders[0].backbone(self.split(flat)[0], training=True)  # [9b, F]
        return self.jigsaw_head(tf.reshape(features, [-1, count, features.shape[-1]]))

    def _move_key_encoders(self, updates):
        """theta_k <- m theta_k + (1 - m) theta_q, where the step updates theta_q.

        Statistics of batch normalisation are the key encoder's own.
        """
        for f_q, f_k in self._pairs():
            share = (1.0 - self.negatives.momentum) * updates
            for theta_q, theta_k in zip(f_q.trainable_weights, f_k.trainable_weights, strict=True):
                replicas.move_towards(theta_k.value, theta_q.value, share)

    def _enqueue(self, q1, q2, k1, k2, slots):
        """The tables take the new keys; the one bank of both views those of the first."""
        if slots[1].table or not self.negatives.needs_indices:
            self.negatives.update(q2, k2, slots[1])
        if k1 is not None:
            self.negatives.update(q1, k1, slots[0])

    def _scalars(self, total, loss, correct, q1, k2):
        num_candidates = self.num_candidates(q1.shape[0] * replicas.num_replicas())
        z1, z2 = (replicas.all_gather(tf.stop_gradient(z)) for z in (q1, k2))
        return {
            "loss": total,
            "i_nce": losses.info_nce_bound(loss, num_candidates),
            "i_nce_ceiling": tf.constant(math.log(num_candidates)),
            "contrast_accuracy": tf.reduce_mean(tf.cast(correct, tf.float32)),
            "alignment": losses.alignment(z1, z2),
            "uniformity": losses.uniformity(z1),
            "embedding_spread": losses.embedding_spread(z1),
            "learning_rate": self.encoder_optimizer.learning_rate,
        }

    def _pairs(self):
        """(encoder, key encoder) of each part; none where keys come from elsewhere."""
        return zip(self.encoders, self.key_encoders, strict=False)

    def _encoder_variables(self):
        parts = [*self.encoders, self.jigsaw_head] if self.jigsaw_head else self.encoders
        variables = [v for part in parts for v in part.trainable_variables]
        return list({id(v): v for v in variables}.values())  # encoders may share a backbone


def _check_parts(split, encoders, negatives, key_encoders, jigsaw_head):
    kind = type(negatives).__name__
    if len(encoders) != split.num_parts:
        raise ValueError(
            f"the split makes {split.num_parts} part(s) but {len(encoders)} encoder(s) were given; "
            "give one encoder per part"
        )
    needed = len(encoders) if negatives.uses_key_encoders else 0
    if len(key_encoders) != needed:
        raise ValueError(
            f"{kind} needs {needed} key encoder(s), but {len(key_encoders)} were given"
        )
    if jigsaw_head is not None and len(encoders) > 1:
        raise ValueError("a JigSaw head needs views of whole images; use Whole")
    if negatives.one_encoder_only and len(encoders) > 1:
        raise ValueError(f"{kind} compares embeddings of one shared encoder; use InBatch for two")
