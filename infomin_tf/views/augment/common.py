"""What the operations share."""

import tensorflow as tf


def split_seed(seed, parts):
    """`parts` independent seeds, int32 [parts, 2], from one int32 [2]."""
    return tf.random.stateless_uniform([parts, 2], seed, minval=None, maxval=None, dtype=tf.int32)


def apply_to(function, images, chosen, *parameters):
    """Applies a function to the chosen images of a batch and leaves the others.

    A batch of one takes a branch; a larger one is computed whole and selected from, so that shapes are static.

    Args:
        function: (images [B, ...], *parameters [B, ...]) -> images [B, ...], each image by itself.
        images: [B, ...].
        chosen: bool [B].
        parameters: tensors [B, ...].
    """
    if images.shape[0] == 1:
        return tf.cond(chosen[0], lambda: function(images, *parameters), lambda: images)
    mask = tf.reshape(chosen, [-1] + [1] * (len(images.shape) - 1))
    return tf.where(mask, function(images, *parameters), images)


def one_by_one(function):
    """A compiled loop over the images of a batch, each as a batch of one: there an operation costs only those that drew it.

    Args:
        function: (images [1, ...], draws [1, ...]) -> float32 [1, ...].
    """

    def of_one(parts):
        return function(*tf.nest.map_structure(lambda x: x[None], parts))[0]

    def of_all(images, draws):
        return tf.map_fn(of_one, (images, draws), fn_output_signature=tf.float32)

    return tf.function(of_all, autograph=False, jit_compile=True)


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
