"""Small tasks for the training loop."""

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.data import pipeline
from infomin_tf.data.order import Order, Shard
from infomin_tf.training.loop import Task, TrainingLoop
from infomin_tf.views.pairs import Pair
from tests import small


class NoisyViews(Pair):
    """Each image with noise that is drawn in each step, as two views and some patches: a graph of
    few operations.

    Args:
        patches: how many.
    """

    size = 12

    def __init__(self, patches=0):
        self.patches = patches

    def draw(self, num_images, seed):
        """noise [B, views and patches, 12, 12, 3]."""
        shape = [num_images, 2 + self.patches, *small.VIEW_SHAPE]
        return {"noise": tf.random.stateless_normal(shape, seed, stddev=0.2)}

    def apply(self, images, draws):
        """(x1, x2) or (x1, x2, patches)."""
        x1, x2, *patches = tf.unstack(
            tf.cast(images, tf.float32)[:, None] / 255.0 + draws["noise"], axis=1
        )
        return (x1, x2, tf.stack(patches, axis=1)) if patches else (x1, x2)


IMAGES = small.images(40)
PAIR, WITH_PATCHES = NoisyViews(), NoisyViews(4)
STRATEGY = tf.distribute.OneDeviceStrategy("CPU:0")


def contrastive_task(directory, total_steps=13, **arguments):
    learner = small.contrastive_learner(queue=20, **arguments)
    return Task(
        name="test",
        learner=learner,
        make_batches=lambda step, shard: pipeline.training_batches(
            IMAGES, Order(8, 1, first_step=step, shard=Shard(*shard)), PAIR
        ),
        global_batch_size=8,
        steps_per_epoch=5,
        total_steps=total_steps,
        directory=str(directory),
    )


def bank_task(directory, total_steps=13, size=10):
    """A memory bank and patches: a step's sample and the bank's entries must survive a stop."""
    keras.utils.set_random_seed(3)
    learner = small.contrastive_learner(
        bank=size, whole=True, both_directions=False, jigsaw=True, num_images=40
    )
    return Task(
        name="test",
        learner=learner,
        make_batches=lambda step, shard: pipeline.training_batches(
            IMAGES.numbered(), Order(8, 1, first_step=step, shard=Shard(*shard)), WITH_PATCHES
        ),
        global_batch_size=8,
        steps_per_epoch=5,
        total_steps=total_steps,
        directory=str(directory),
    )


def view_task(directory, total_steps=7):
    def batches(step, shard):
        streams = [
            pipeline.training_batches(
                IMAGES, Order(size, seed, first_step=step, shard=Shard(*shard)), PAIR
            )
            for size, seed in ((8, 1), (4, 2))
        ]
        return tf.data.Dataset.zip(tuple(streams))

    return Task("test", small.view_learner(), batches, 8, 5, total_steps, str(directory))


def fit(task, **loop):
    loop = TrainingLoop(**{"steps_per_call": 3, "checkpoint_minutes": 0.0} | loop)
    loop.fit(task, STRATEGY)
    return small.weights(task.learner)


def poisoned(task, *bad):
    """The task with not-a-number in the last image of those steps' batches, counted from 0."""
    make = task.make_batches

    def spoil(number, batch):
        (first, second), labels = batch
        is_bad = tf.reduce_any(number == tf.constant(bad, tf.int64))
        last = tf.where(is_bad, np.nan * first[-1:], first[-1:])
        return (tf.concat([first[:-1], last], axis=0), second), labels

    task.make_batches = lambda step, shard: make(step, shard).enumerate(step).map(spoil)
    return task
