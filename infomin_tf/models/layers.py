"""Building blocks that the backbones share."""

import keras


def convolution(filters, kernel_size, strides=1, padding="same"):
    """A convolution without bias, He-normal (fan out), for use before batch normalisation."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal"),
    )


def batch_normalization(gamma_initializer="ones"):
    """Batch normalisation with statistics over all replicas, momentum and epsilon of PyTorch."""
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=True, gamma_initializer=gamma_initializer
    )
