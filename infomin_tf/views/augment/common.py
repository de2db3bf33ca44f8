"""What the operations share."""

import tensorflow as tf


def split_seed(seed, parts):
    """`parts` independent seeds, int32 [parts, 2], from one int32 [2]."""
    return tf.random.stateless_uniform([parts, 2], seed, minval=None, maxval=None, dtype=tf.int32)


def apply_to(function, images, chosen, *parameters, dense=False):
    """Applies a function to the chosen images of a batch and leaves the others.

    Args:
        function: (images [b, ...], *parameters [b, ...]) -> images [b, ...], each image by itself.
        images: [B, ...].
        chosen: bool [B].
        parameters: tensors [B, ...].
        dense: compute on all and select (static shapes); otherwise on the chosen ones alone.
    """
    if dense:
        mask = tf.reshape(chosen, [-1] + [1] * (len(images.shape) - 1))
        return tf.where(mask, function(images, *parameters), images)
    indices = tf.cast(tf.where(chosen)[:, 0], tf.int32)
    subset = [tf.gather(p, indices) for p in (images, *parameters)]
    return tf.tensor_scatter_nd_update(images, indices[:, None], function(*subset))


def bernoulli(num_images, seed, probability):
    """bool [B], each true with the probability."""
    return tf.random.stateless_uniform([num_images], seed) < probability


def check_probability(probability):
    """Returns it, or raises ValueError when it is not in [0, 1]."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability lies in [0, 1]; got {probability}")
    return probability


def per_image(values):
    """[B] -> [B, 1, 1, 1]."""
    return tf.reshape(values, [-1, 1, 1, 1])
