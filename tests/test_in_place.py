"""SGD and Adam in place against arithmetic by hand and against Keras's own."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.training import in_place
from infomin_tf.training.optimizer import Update

ONE = tf.distribute.OneDeviceStrategy("CPU:0")
RATE, DECAY, STEPS = 0.3, 0.1, 6
SHAPES = [(5,), (3, 4), (2, 2, 3)]


def arrays(seed):
    drawn = np.random.default_rng(seed)
    return [drawn.normal(size=shape).astype(np.float32) for shape in SHAPES]


def after(strategy, optimizer, jit_compile=False, start=(), **decay):
    """(weights, state) after some steps, each replica with its share of the same gradients.

    `start` is the state, if not zeros.
    """
    with strategy.scope():
        weights = [keras.Variable(value, aggregation="mean") for value in arrays(0)]
        update = Update(optimizer, **decay)
        update.build(weights)
    for variable, value in zip(update.variables, start, strict=False):
        variable.assign(value)
    share = 1.0 / strategy.num_replicas_in_sync
    step = lambda gradients: update.apply([share * g for g in gradients], weights)
    step = graphs.compiled(step, jit_compile=jit_compile)
    run = graphs.compiled(lambda gradients: strategy.run(step, args=(gradients,)))
    for index in range(STEPS):
        run([tf.constant(g) for g in arrays(index + 1)])
    return [[np.array(v) for v in found] for found in (weights, update.variables)]


def by_torch(momentum, nesterov, decay, only_kernels):
    """What the documentation of torch.optim.SGD says, in double precision."""
    weights = [w.astype(np.float64) for w in arrays(0)]
    buffers = [0.0] * len(weights)
    for index, (place, w) in itertools.product(range(STEPS), enumerate(weights)):
        g = arrays(index + 1)[place].astype(np.float64)
        g = g if only_kernels and w.ndim < 2 else g + decay * w
        buffers[place] = momentum * buffers[place] + g
        w -= RATE * (g + momentum * buffers[place] if nesterov else buffers[place])
    return weights


@pytest.mark.parametrize("decay, only_kernels", [(0.0, False), (DECAY, False), (DECAY, True)])
@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("replicas", [1, 2])
def test_sgd_is_that_of_torch(two_replicas, replicas, momentum, nesterov, decay, only_kernels):
    optimizer = keras.optimizers.SGD(RATE, momentum=momentum, nesterov=nesterov)
    settings = {"weight_decay": decay, "decay_only_kernels": only_kernels}
    weights, _ = after(two_replicas if replicas == 2 else ONE, optimizer, **settings)
    expected = by_torch(momentum, nesterov, decay, only_kernels)
    for found, value in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


OPTIMIZERS = [
    lambda own: own(RATE),
    lambda own: own(RATE, weight_decay=0.01),
    lambda own: own(RATE, clipnorm=0.5),
]
MOMENTUM = [
    lambda own: own(RATE, momentum=0.9),
    lambda own: own(RATE, momentum=0.9, nesterov=True),
    lambda own: own(keras.optimizers.schedules.CosineDecay(RATE, STEPS), momentum=0.5),
]
ADAM = [lambda own: own(RATE, beta_1=0.5), lambda own: own(RATE, amsgrad=True)]
SGDS = [(keras.optimizers.SGD, make) for make in OPTIMIZERS + MOMENTUM]
ALL = SGDS + [(keras.optimizers.Adam, make) for make in OPTIMIZERS + ADAM]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind, make", ALL)
def test_an_update_in_place_is_that_of_keras(kind, make, jit_compile):
    """Weights, slots, and the order of the slots: a checkpoint of either fits the other."""
    # Keras's 1 - beta_2 is a double's, next to powers of beta_2 in single precision.
    precision = 1e-6 if kind is keras.optimizers.SGD else 2e-5
    keras_own = type("Own", (kind,), {})  # a subclass is left as it is
    for before in ((), after(ONE, make(keras_own))[1]):
        expected = after(ONE, make(keras_own), start=before)
        found = after(ONE, make(kind), jit_compile, start=before)
        for values in zip(itertools.chain(*found), itertools.chain(*expected), strict=True):
            np.testing.assert_allclose(*values, rtol=precision, atol=precision)


def test_optimizers_of_keras_are_in_place_and_others_are_as_given():
    of = lambda optimizer: type(Update(optimizer)._optimizer)
    assert of(keras.optimizers.SGD()) is in_place.SGD
    assert of(keras.optimizers.Adam()) is in_place.Adam
    assert of(keras.optimizers.AdamW()) is keras.optimizers.AdamW
