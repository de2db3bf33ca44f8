"""Views made by the learner, on the device, instead of the input pipeline."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.data import pipeline
from infomin_tf.data.order import Order, Shard
from infomin_tf.distribution import replicas
from infomin_tf.views import families, pairs
from infomin_tf.views.augment.blur import GaussianBlur
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.photometric import Greyscale
from tests import small


def blurred_pair(on_device):
    """Views of random crops, some grey, some blurred."""
    operations = [Greyscale(0.5), GaussianBlur()]
    family = families.Family(RandomResizedCrop(12), operations)
    return pairs.IndependentPair(family, on_device=on_device)


@functools.cache
def trained_on_views_of_the_host():
    """The weights of a learner after three batches."""
    learner = small.contrastive_learner(whole=True)
    for batch in pipeline.training_batches(small.images(16), Order(8, 0), blurred_pair(False)).take(
        3
    ):
        learner.train_step(batch)
    return small.weights(learner)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.long)])
def test_views_made_on_the_device_train_as_those_of_the_host(jit_compile):
    pair = blurred_pair(True)
    learner = small.contrastive_learner(
        whole=True, make_views=functools.partial(pair.apply, dense=True)
    )
    step = learner.train_step
    if jit_compile:
        step = graphs.compiled(step, jit_compile=True)
    for batch in pipeline.training_batches(small.images(16), Order(8, 0), pair).take(3):
        step(batch)
    for host, device in zip(trained_on_views_of_the_host(), small.weights(learner), strict=True):
        np.testing.assert_allclose(host, device, rtol=2e-2, atol=2e-3)


def test_images_and_draws_are_divided_among_replicas(two_replicas):
    images, pair = small.images(16), blurred_pair(True)
    batches = replicas.distribute_batches(
        two_replicas,
        lambda shard: pipeline.training_batches(images, Order(8, 0, shard=Shard(*shard)), pair),
        8,
    )
    (whole, draws), _ = next(iter(pipeline.training_batches(images, Order(8, 0), pair)))
    expected = pair.apply(whole, draws, dense=True)[0]

    @graphs.compiled
    def first_views(batch):
        return two_replicas.run(lambda b: pair.apply(*b[0], dense=True)[0], args=(batch,))

    parts = two_replicas.experimental_local_results(first_views(next(batches)))
    np.testing.assert_allclose(tf.concat(parts, axis=0), expected, atol=1.5 / 255)
