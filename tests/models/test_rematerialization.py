"""Maps computed again: the same training, on one and two replicas, with less kept in memory."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.models.residual import BasicBlock, Bottleneck
from infomin_tf.models.resnet import ResNet

ONE = tf.distribute.OneDeviceStrategy("CPU:0")
IMAGES = np.random.default_rng(0).random((8, 12, 12, 3), np.float32)
SMALL = {"width": 1 / 16, "small_images": True, "max_pool": False}


class Basic(ResNet):
    blocks_per_stage = (1, 1)
    block = BasicBlock


class Deep(ResNet):
    blocks_per_stage = (1, 1)
    block = Bottleneck


def trained(strategy, kind, jit_compile=False, **settings):
    """Weights and moving statistics after two steps on the sum of squared features."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        network = kind(**SMALL, **settings)
        network.build((None, 12, 12, 3))
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build(network.trainable_variables)

    def step(images):
        with tf.GradientTape() as tape:
            features = network(images, training=True)
            loss = tf.reduce_mean(features**2) / strategy.num_replicas_in_sync
        variables = network.trainable_variables
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    on_replica = graphs.compiled(step, jit_compile=True) if jit_compile else step
    run = graphs.compiled(lambda images: strategy.run(on_replica, args=(images,)))
    for shift in range(2):
        run(tf.constant(IMAGES + shift))
    return [weight.numpy() for weight in network.weights]


@pytest.mark.parametrize("kind", [Basic, Deep])
@pytest.mark.parametrize("synchronized", [True, False])
def test_weights_and_statistics_are_the_same_to_the_bit(kind, synchronized, two_replicas):
    strategy = two_replicas if kind is Basic else ONE
    plain, again = (
        trained(strategy, kind, synchronized=synchronized, rematerialize=choice)
        for choice in (False, True)
    )
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_compiled_with_xla_it_is_the_same():
    plain = trained(ONE, Basic)
    again = trained(ONE, Basic, jit_compile=True, rematerialize=True)
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_convolutions_run_again_in_the_backward_pass():
    def convolutions(**settings):
        network = Basic(**SMALL, **settings)
        network.build((None, 12, 12, 3))

        @graphs.compiled
        def gradient(images):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(network(images, training=True))
            return tape.gradient(loss, [v.value for v in network.trainable_variables])

        graph = gradient.get_concrete_function(tf.TensorSpec([8, 12, 12, 3])).graph
        return sum(node.type == "Conv2D" for node in graph.get_operations())

    assert convolutions() == 6
    assert convolutions(rematerialize=True) == 6 + 5  # all but the stem


def test_momentum_is_kept_in_the_configuration():
    assert Basic(rematerialize=True).get_config()["rematerialize"]
    normalization = Basic(**SMALL)
    normalization.build((None, 12, 12, 3))
    assert normalization.stem.normalization.get_config()["momentum"] == 0.9
