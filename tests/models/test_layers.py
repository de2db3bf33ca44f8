"""Convolutions and batch normalisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.models import layers, residual, resnet

RNG = np.random.default_rng(0)


def grouped_by_loops(x, kernel, groups, strides):
    """Each filter at each place: the sum over a 3x3 window of its group's channels; no padding."""
    sides = [(side - 3) // strides + 1 for side in x.shape[1:3]]
    inputs, outputs = x.shape[-1] // groups, kernel.shape[-1] // groups
    y = np.zeros((len(x), *sides, kernel.shape[-1]))
    for image, row, column, f in np.ndindex(y.shape):
        first = f // outputs * inputs
        i, j = row * strides, column * strides
        window = x[image, i : i + 3, j : j + 3, first : first + inputs]
        y[image, row, column, f] = np.sum(window * kernel[..., f])
    return y


@pytest.mark.parametrize("channels", [3, 4, 9, 20])
@pytest.mark.parametrize("side", [7, 8, 12])
def test_a_strided_1x1_convolution_and_its_gradient_are_those_of_every_second_pixel(side, channels):
    part = residual.ConvolutionAndNormalization(8, 1, strides=2)
    x = RNG.normal(size=(4, side, side, channels)).astype(np.float32)
    part.build(x.shape)
    part.normalization.trainable = False  # with its first statistics it only scales
    scale = 1 / np.sqrt(1 + part.normalization.epsilon)
    kernel, pixels = part.convolution.kernel, x[:, ::2, ::2]
    with tf.GradientTape() as tape:
        y = part(x, training=True)
        loss = tf.reduce_sum(y**2) / 2
    expected = scale * pixels @ kernel.numpy()[0, 0]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    gradient = scale * np.einsum("bhwi,bhwo->io", pixels, expected)
    np.testing.assert_allclose(
        tape.gradient(loss, kernel.value)[0, 0], gradient, rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("groups", "strides"), [(2, 1), (8, 2), (16, 1), (12, 1)])
def test_grouped_convolution_equals_loops(native, groups, strides, monkeypatch):
    if native and not layers._differentiates_groups(tf.float32):
        pytest.skip("TensorFlow has no gradient of grouped convolutions here")
    monkeypatch.setattr(layers, "_differentiates_groups", lambda dtype: native)
    layer = layers.convolution(2 * groups, 3, strides, "valid", groups)
    x = RNG.normal(size=(2, 7, 6, 3 * groups)).astype(np.float32)
    layer.build(x.shape)
    assert layer.kernel.shape == (3, 3, 3, 2 * groups)
    kernel = layer.kernel.numpy()
    expected = grouped_by_loops(x, kernel, groups, strides)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) * expected)
    # The layer is linear in its kernel: the derivative along the kernel is the loss itself.
    gradient = tape.gradient(loss, layer.kernel.value)
    assert np.sum(gradient * kernel) == pytest.approx(float(loss), rel=1e-4)
    single = np.zeros_like(kernel)
    single[0, 2, 1, -1] = 1
    slope = np.sum(grouped_by_loops(x, single, groups, strides) * expected)
    assert float(gradient[0, 2, 1, -1]) == pytest.approx(slope, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_fused_normalisation_equals_that_of_keras(dtype, jit_compile):
    ours = layers.batch_normalization(dtype=dtype)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype)
    x = tf.constant(RNG.normal(2, 3, (4, 3, 2, 5)), tf.float32)
    cotangent = tf.constant(RNG.normal(size=(4, 3, 2, 5)), tf.float32)
    results = []
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.gamma.assign(np.arange(1.0, 6.0))
        layer.beta.assign(np.arange(5.0))

        def step(layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = [tf.cast(layer(x, training=t), tf.float32) for t in (True, False)]
                loss = tf.reduce_sum((outputs[0] + outputs[1]) * cotangent)
            return outputs + tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

        values = [v.numpy() for v in graphs.compiled(step, jit_compile=jit_compile)()]
        results.append(values + [v.numpy() for v in layer.non_trainable_weights])
    tolerance = {"float32": 1e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}[dtype]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    for one, other in zip(results[0][-2:], results[1][-2:], strict=True):  # moving statistics
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == "float32" else tolerance)


def test_frozen_normalisation_keeps_its_statistics():
    layer = layers.batch_normalization()
    layer.build((None, 4, 4, 2))
    layer.trainable = False
    x = RNG.normal(2, 3, (3, 4, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1 + 1e-5), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), 0)


def test_splits_are_normalised_as_batches_of_their_own():
    scale = np.arange(1.0, 7.0)[:, None, None, None]
    x = tf.constant(np.random.default_rng(1).normal(size=(6, 3, 3, 2)) * scale, tf.float32)
    layer = layers.batch_normalization(synchronized=False, splits=3)
    whole = [layers.batch_normalization(synchronized=False) for _ in range(3)]
    expected = [one(part, training=True) for one, part in zip(whole, tf.split(x, 3), strict=True)]
    np.testing.assert_allclose(layer(x, training=True), np.concatenate(expected), atol=1e-6)
    for name in ("moving_mean", "moving_variance"):
        mean = np.mean([getattr(one, name).numpy() for one in whole], axis=0)
        np.testing.assert_allclose(getattr(layer, name).numpy(), mean, rtol=1e-6)
    with pytest.raises(UserError, match="5 images of a replica into 3 equal parts"):
        layer(x[:5], training=True)
    unknown = graphs.compiled(lambda x: layer(x, training=True))
    five = unknown.get_concrete_function(tf.TensorSpec([None, 3, 3, 2]))(x[:5])
    expected = layers.batch_normalization(synchronized=False)(x[:5], training=True)
    np.testing.assert_allclose(five, expected, atol=1e-6)
    with pytest.raises(ValueError, match="synchronized = False"):
        layers.batch_normalization(splits=3)
    with pytest.raises(UserError, match="bind ResNet18.synchronized = False"):
        resnet.ResNet18(normalization_splits=8)


@pytest.mark.parametrize("synchronized", [True, False])
def test_statistics_are_of_all_replicas_or_of_each(synchronized, two_replicas):
    """The halves differ in contrast; moving statistics that differ are the first replica's."""
    x = (
        RNG.normal(size=(4, 3, 3, 2)).astype(np.float32)
        * np.float32([1, 1, 3, 3])[:, None, None, None]
    )
    with two_replicas.scope():
        layer = layers.batch_normalization(synchronized=synchronized)
        layer.build(x.shape)

    def part(context):
        start = 2 * context.replica_id_in_sync_group
        return tf.constant(x[start : start + 2])

    step = graphs.compiled(lambda v: two_replicas.run(lambda u: layer(u, training=True), (v,)))
    parts = step(two_replicas.experimental_distribute_values_from_function(part))
    output = np.concatenate(two_replicas.experimental_local_results(parts))
    halves = x[None] if synchronized else np.stack([x[:2], x[2:]])
    mean, variance = halves.mean((1, 2, 3)), halves.var((1, 2, 3))
    normalised = (halves - mean[:, None, None, None]) / np.sqrt(variance + 1e-5)[
        :, None, None, None
    ]
    np.testing.assert_allclose(output, normalised.reshape(x.shape), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * mean[0], rtol=1e-5, atol=1e-7)
    expected = 0.9 + 0.1 * variance[0]
    np.testing.assert_allclose(layer.moving_variance.numpy(), expected, rtol=1e-5)
