"""Building blocks that the backbones share."""

import functools

import keras
import numpy as np
import tensorflow as tf


def convolution(filters, kernel_size, strides=1, padding="same", groups=1, dtype=None):
    """A convolution without bias, He-normal (fan out), for use before batch normalisation."""
    kind = keras.layers.Conv2D if groups == 1 else GroupedConvolution
    return kind(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        groups=groups,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal"),
        dtype=dtype,
    )


def batch_normalization(gamma_initializer="ones", synchronized=True, dtype=None):
    """Batch normalisation with momentum and epsilon of PyTorch.

    Args:
        gamma_initializer: of the scale.
        synchronized: statistics over all replicas; False: each replica's own, of which the first replica's are saved.
        dtype: policy of the layer; statistics are float32 under the mixed ones.
    """
    return BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=synchronized,
        gamma_initializer=gamma_initializer,
        dtype=dtype,
    )


@keras.saving.register_keras_serializable(package="infomin_tf")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer over the last axis, by TensorFlow's fused operation where one replica's statistics are wanted.

    The same numbers, moving statistics included, from a graph of fewer operations. The fused operation gives the
    unbiased variance, N / (N - 1) times the one that Keras averages (and that several replicas agree on); it is
    converted back.
    """

    def call(self, inputs, training=None, mask=None):
        """Normalised [..., C] of inputs [..., C]; float32 inside when inputs have half precision."""
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context and self.synchronized else 1
        if replicas > 1 or len(inputs.shape) != 4 or self.compute_dtype == "float64":
            return super().call(inputs, training=training, mask=mask)
        batch_statistics = bool(training and self.trainable)
        moving = [self.moving_mean, self.moving_variance]
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[] if batch_statistics else moving[0],
            variance=[] if batch_statistics else moving[1],
            epsilon=self.epsilon,
            is_training=batch_statistics,
        )
        if batch_statistics:
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
            for average, value in zip(moving, (mean, variance * (1 - 1 / count)), strict=True):
                average.assign(average * self.momentum + value * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable(package="infomin_tf")
class GroupedConvolution(keras.layers.Conv2D):
    """Convolution in groups: each group of filters sees its own group of channels.

    Keras compiles grouped convolutions with XLA, which takes hundreds of times longer than oneDNN on a CPU. This layer
    calls TensorFlow's operation; where that has no gradient (a CPU without oneDNN, or float16 on a CPU), it convolves
    eight blocks of groups, with zeros in the kernel between the groups of a block.
    """

    def convolution_op(self, inputs, kernel):
        """[B, h, w, filters] of inputs [B, H, W, C] and kernel [k, k, C / groups, filters]."""
        convolve = functools.partial(
            tf.nn.conv2d, strides=self.strides, padding=self.padding.upper()
        )
        if _differentiates_groups(inputs.dtype):
            return convolve(inputs, kernel)
        blocks = np.gcd(self.groups, 8)
        groups = self.groups // blocks  # in a block
        kernel = tf.tile(kernel, [1, 1, groups, 1])  # [k, k, groups * C / self.groups, filters]
        of_channel = np.arange(groups).repeat(kernel.shape[2] // groups)
        of_filter = np.arange(self.groups).repeat(self.filters // self.groups) % groups
        kernel *= tf.constant(of_channel[:, None] == of_filter, kernel.dtype)
        parts = zip(tf.split(inputs, blocks, -1), tf.split(kernel, blocks, -1), strict=True)
        return tf.concat([convolve(x, k) for x, k in parts], -1)


@functools.cache
def _differentiates_groups(dtype):
    """Whether TensorFlow's grouped convolution has a gradient for `dtype` on the devices at hand: tries it."""
    with tf.init_scope():
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=[1, 3, 3, 2],
                filter=tf.ones([3, 3, 1, 2], dtype),
                out_backprop=tf.ones([1, 3, 3, 2], dtype),
                strides=[1, 1, 1, 1],
                padding="SAME",
            )
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True
