"""What the training loop requires of whatever it trains."""

import keras

from infomin_tf.distribution import replicas


class Learner(keras.Model):
    """Networks, their loss, and the optimizers that lower it.

    Attributes:
        optimizers: all `Update`s, whose state belongs in a checkpoint.
        tables: variables that a step reads whole and then writes by rows; () for none.
    """

    optimizers = tables = ()

    def train_step(self, batch):
        """One update on this replica's part of a batch; returns a dict of scalar metrics."""
        raise NotImplementedError

    def share(self, loss):
        """This replica's part of a loss that is a mean over its part of the batch.

        Gradients are summed over replicas.
        """
        return loss / replicas.num_replicas()
