"""Building blocks that the backbones share."""

import functools
import threading

import keras
import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError


def convolution(filters, kernel_size, strides=1, padding="same", groups=1, dtype=None):
    """A convolution without bias, He-normal (fan out), for use before batch normalisation."""
    kind = keras.layers.Conv2D if groups == 1 else GroupedConvolution
    return kind(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        data_format="channels_last",  # whatever the user's keras.json has
        groups=groups,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal"),
        dtype=dtype,
    )


_recomputation = threading.local()  # replicas are traced in threads that take turns


def rematerialized(layer, x, training=None):
    """layer(x, training=training), whose inner maps are computed again in the backward pass.

    The same numbers, and less memory; moving statistics of batch normalisation take the batch once.
    """
    passes = []

    def call(x):
        _recomputation.runs = bool(passes)
        passes.append(layer)
        try:
            return layer(x, training=training)
        finally:
            _recomputation.runs = False

    return tf.recompute_grad(call)(x)


def batch_normalization(gamma_initializer="ones", synchronized=True, splits=1, dtype=None):
    """Batch normalisation with momentum and epsilon of PyTorch.

    Args:
        gamma_initializer: of the scale.
        synchronized: statistics over all replicas; False: each replica's own, of which the first
            replica's are saved.
        splits: see `BatchNormalization`.
        dtype: policy of the layer; statistics are float32 under the mixed ones.
    """
    own = {"gamma_initializer": gamma_initializer, "synchronized": synchronized}
    return BatchNormalization(momentum=0.9, epsilon=1e-5, splits=splits, dtype=dtype, **own)


@keras.saving.register_keras_serializable(package="infomin_tf")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer of the last axis, by TensorFlow's fused operation where one replica counts.

    The same numbers, moving statistics included, from a graph of fewer operations. The fused
    operation gives the unbiased variance, N / (N - 1) times the one that Keras averages (and that
    several replicas agree on); it is converted back.

    Args:
        splits: equal parts of a replica's batch of images, each normalised by its own statistics,
            as on that many replicas; for shuffled keys on few devices (MoCo, arXiv:1911.05722,
            section 3.3). The moving statistics take the parts' mean. More than 1 needs synchronized
            = False and maps [b, H, W, C] in single or half precision, with b divisible by it;
            batches whose size the graph does not know (a SavedModel's) are not split.
        arguments: of Keras's layer.
    """

    def __init__(self, *, splits=1, **arguments):
        super().__init__(**arguments)
        if splits < 1 or (splits > 1 and self.synchronized):
            raise ValueError(
                "splits need synchronized = False and a number of at least 1, not "
                f"{self.synchronized} and {splits}"
            )
        self.splits = splits

    @property
    def momentum(self):
        """Share that the moving statistics keep; 1 while `rematerialized` computes a map again."""
        return 1.0 if getattr(_recomputation, "runs", False) else self._momentum

    @momentum.setter
    def momentum(self, value):
        """Sets the share for all other computations."""
        self._momentum = value

    def get_config(self):
        """The arguments."""
        return super().get_config() | {"splits": self.splits}

    def call(self, inputs, training=None, mask=None):
        """Normalised [..., C] of inputs [..., C]; float32 inside for inputs of half precision."""
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context and self.synchronized else 1
        unfused = replicas > 1 or len(inputs.shape) != 4 or self.compute_dtype == "float64"
        batch_statistics = bool(training and self.trainable)
        splits = self.splits if batch_statistics and inputs.shape[0] is not None else 1
        if unfused and splits == 1:
            return super().call(inputs, training=training, mask=mask)
        if not batch_statistics:
            return self._normalize(inputs, self.moving_mean, self.moving_variance, False)[0]
        if splits > 1 and inputs.shape[0] % splits:
            raise UserError(
                f"batch normalisation cannot split {inputs.shape[0]} images of a replica into "
                f"{self.splits} equal parts; change the batch size or the ResNet's "
                "normalization_splits"
            )
        parts = [self._normalize(x, [], [], True) for x in tf.split(inputs, splits)]
        outputs, means, variances = zip(*parts, strict=True)
        count = tf.cast(tf.size(inputs) // (splits * inputs.shape[-1]), tf.float32)
        found = tf.add_n(means), tf.add_n(variances) * (1 - 1 / count)
        for average, total in zip((self.moving_mean, self.moving_variance), found, strict=True):
            share = (1 - self.momentum) / splits
            average.assign(average * self.momentum + total * share)
        return tf.concat(outputs, axis=0) if splits > 1 else outputs[0]

    def _normalize(self, inputs, mean, variance, training):
        """(outputs, mean, unbiased variance)."""
        own = {"scale": self.gamma, "offset": self.beta, "epsilon": self.epsilon}
        given = {"x": inputs, "mean": mean, "variance": variance, "is_training": training}
        return tf.raw_ops.FusedBatchNormV3(**given, **own)[:3]


@keras.saving.register_keras_serializable(package="infomin_tf")
class GroupedConvolution(keras.layers.Conv2D):
    """Convolution in groups: each group of filters sees its own group of channels.

    Keras compiles grouped convolutions with XLA, which is hundreds of times slower than oneDNN on a
    CPU. This layer calls TensorFlow's operation; where that has no gradient (a CPU without oneDNN,
    or float16 on a CPU), it convolves eight blocks of groups, with zeros in the kernel between the
    groups of a block.
    """

    def convolution_op(self, inputs, kernel):
        """[B, h, w, filters] of inputs [B, H, W, C] and kernel [k, k, C / groups, filters]."""
        shared = {"strides": self.strides, "padding": self.padding.upper()}
        convolve = functools.partial(tf.nn.conv2d, **shared)
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
    """Tries whether TensorFlow's grouped convolution has a gradient for `dtype` on the devices."""
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
