"""Learning views: equations 2 and 3 of the paper as one adversarial learner."""

import tensorflow as tf

from infomin_tf.distribution import replicas
from infomin_tf.errors import UserError
from infomin_tf.learners.learner import Learner
from infomin_tf.training.optimizer import Update


class ViewLearner(Learner):
    """Minimises over g, c1, c2 what the critics f1, f2 maximise.

    a I_NCE(g(X)_1; g(X)_2:3) + b [CE(c1(g(X)_1), y) + CE(c2(g(X)_2:3), y)].

    a = 1, b = 0 is equation 2 (unsupervised), a = b = 1 equation 3 (semi-supervised), a = 0, b = 1
    the supervised row of Table 5 (the critics are then trained only as a monitor). Each step makes
    one update of the critics with g fixed, then one of g, c1 and c2 against the updated critics.

    Args:
        split: `splits.ChannelSplit` with a generator g.
        critics: (f1, f2), encoders of part 1 and part 2.
        classifiers: (c1, c2), which give logits of part 1 and part 2; () without labels.
        bound: the estimate of I(v1; v2), an object of `learners.bounds`.
        critic_optimizer: for f1, f2.
        generator_optimizer: for g, c1, c2.
        unsupervised_weight: a >= 0.
        supervised_weight: b >= 0; 0 without classifiers.
    """

    def __init__(
        self,
        split,
        critics,
        classifiers,
        bound,
        critic_optimizer,
        generator_optimizer,
        unsupervised_weight=1.0,
        supervised_weight=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if split.generator is None:
            raise UserError(
                "view learning needs a split with a generator; bind ChannelSplit.generator"
            )
        if bool(supervised_weight) != bool(classifiers):
            raise UserError(
                f"supervised_weight={supervised_weight} and {len(classifiers)} classifiers do not "
                "fit together; give both classifiers and a weight, or neither"
            )
        if not unsupervised_weight and not supervised_weight:
            raise UserError("both weights are 0, so the generator would learn nothing; raise one")
        self.split, self.bound = split, bound
        self.critics, self.classifiers = list(critics), list(classifiers)
        self.critic_optimizer = Update(critic_optimizer)
        self.generator_optimizer = Update(generator_optimizer)
        self.optimizers = self.critic_optimizer, self.generator_optimizer
        self.unsupervised_weight, self.supervised_weight = unsupervised_weight, supervised_weight

    def build(self, view_shape):
        """Makes all weights for views of shape (H, W, 3)."""
        shapes = self.split.part_shapes(view_shape)
        for critic, shape in zip(self.critics, shapes, strict=True):
            critic.build((None, *shape))
        for classifier, shape in zip(self.classifiers, shapes, strict=False):
            classifier.build((None, *shape))
        self.critic_optimizer.build(self._critic_variables())
        self.generator_optimizer.build(self._generator_variables())
        self.built = True

    def train_step(self, batch):
        """One update of f1, f2, then one of g, c1, c2; returns scalar metrics.

        Args:
            batch: (((x1, x2), labels), ((l1, l2), labels)): views [b, H, W, 3] in [0, 1] of
                unlabelled and of labelled images, two independent samples of each image; the second
                pair is missing without classifiers.
        """
        ((x1, x2), _), *labelled = batch
        with tf.GradientTape() as tape:
            views = self.split(x1)[0], self.split(x2)[1]  # of both updates: g moves in the second
            with tape.stop_recording():
                metrics = self._update_critics(*views)
            loss, of_classifiers = self._generator_loss(views, labelled)
            replica_loss = self.share(loss)
        self.generator_optimizer.minimize(tape, replica_loss, self._generator_variables())
        return metrics | of_classifiers | {"generator_loss": loss}

    def _update_critics(self, v1, v2):
        """f1, f2 ascend I_NCE with g fixed."""
        f1, f2 = self.critics
        with tf.GradientTape() as tape:
            scores = self._scores(f1(v1, training=True), f2(v2, training=True))
            loss = -self.bound.objective(scores)
            replica_loss = self.share(loss)
        self.critic_optimizer.minimize(tape, replica_loss, self._critic_variables())
        return {"critic_loss": loss, "i_nce": self.bound.estimate(scores)}

    def _generator_loss(self, views, labelled):
        """(Equation 3 with the updated critics, metrics of the classifiers)."""
        loss, metrics = 0.0, {}
        if self.unsupervised_weight:
            z1, z2 = (f(v, training=True) for f, v in zip(self.critics, views, strict=True))
            loss += self.unsupervised_weight * self.bound.estimate(self._scores(z1, z2))
        if labelled:
            cross_entropy, metrics = self._classification(*labelled[0])
            loss += self.supervised_weight * cross_entropy
        return loss, metrics

    def _classification(self, views, labels):
        """CE(c1(g(X)_1), y) + CE(c2(g(X)_2:3), y), and the metrics of each classifier."""
        v1, v2 = self.split(views[0])[0], self.split(views[1])[1]
        total, metrics = 0.0, {}
        for index, (classifier, v) in enumerate(zip(self.classifiers, (v1, v2), strict=True), 1):
            logits = classifier(v, training=True)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            correct = tf.argmax(logits, axis=1, output_type=labels.dtype) == labels
            total += tf.reduce_mean(loss)
            metrics[f"classifier_{index}_loss"] = tf.reduce_mean(loss)
            metrics[f"classifier_{index}_accuracy"] = tf.reduce_mean(tf.cast(correct, tf.float32))
        return total, metrics

    @property
    def bound_name(self):
        """Of I(v1; v2), in words."""
        return f"{type(self.bound).__name__} bound"

    def num_candidates(self, global_batch_size):
        """N of the bound in a step, the positive included."""
        return global_batch_size

    def embed(self, x1, x2):
        """Embeddings of f1 and f2 of view pairs [B, H, W, 3] in inference mode, [B, D] each."""
        f1, f2 = self.critics
        v1, v2 = self.split(x1)[0], self.split(x2)[1]
        return f1(v1, training=False), f2(v2, training=False)

    def classify(self, images):
        """Logits of c1 and c2 for images [B, H, W, 3], in inference mode."""
        parts = self.split(images)
        return [c(v, training=False) for c, v in zip(self.classifiers, parts, strict=True)]

    def _scores(self, z1, z2):
        return self.bound.scores(replicas.all_gather(z1), replicas.all_gather(z2))

    def _critic_variables(self):
        return [v for critic in self.critics for v in critic.trainable_variables]

    def _generator_variables(self):
        classifiers = [v for classifier in self.classifiers for v in classifier.trainable_variables]
        return list(self.split.trainable_variables) + classifiers
