"""What the operations share."""

import tensorflow as tf

from infomin_tf import graphs


def split_seed(seed, parts):
    """`parts` independent seeds, int32 [parts, 2], from one int32 [2]."""
    return tf.random.stateless_uniform([parts, 2], seed, minval=None, maxval=None, dtype=tf.int32)


def apply_to(function, images, chosen, *parameters):
    """Applies a function to the chosen images, bool [B], alone; see `apply_one_of`."""
    functions = (lambda unchanged, *_: unchanged, function)
    return apply_one_of(functions, images, tf.cast(chosen, tf.int32), *parameters)


def apply_one_of(functions, images, which, *parameters):
    """Applies to each image of a batch the function that its number names.

    A batch of one takes a branch; a larger one, or one of unknown size, is computed whole by each
    function and selected from.

    Args:
        functions: (images [B, ...], *parameters [B, ...]) -> images [B, ...], each image by itself.
        images: [B, ...].
        which: int32 [B], places in `functions`, in range.
        parameters: tensors [B, ...].
    """
    if images.shape[0] == 1:
        first, *others = functions
        if not others:
            return first(images, *parameters)
        return tf.cond(
            which[0] == 0,
            lambda: first(images, *parameters),
            lambda: apply_one_of(others, images, which - 1, *parameters),
        )
    result = images
    for place, function in enumerate(functions):
        mask = tf.reshape(which == place, [-1] + [1] * (len(images.shape) - 1))
        result = tf.where(mask, function(images, *parameters), result)
    return result


def one_by_one(function):
    """A compiled loop over images, each a batch of one: an operation costs only those that drew it.

    Args:
        function: (images [1, ...], draws [1, ...]) -> float32 [1, ...].
    """

    def of_one(parts):
        return function(*tf.nest.map_structure(lambda x: x[None], parts))[0]

    def of_all(images, draws):
        if images.shape[0] == 1:
            return function(images, draws)
        return tf.map_fn(of_one, (images, draws), fn_output_signature=tf.float32)

    return graphs.compiled(of_all, jit_compile=True)


def bernoulli(num_images, seed, probability):
    """bool [B], each true with the probability."""
    return tf.random.stateless_uniform([num_images], seed) < probability


def check_probability(probability):
    """Returns it, or raises ValueError when it is not in [0, 1]."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability must be in [0, 1], not {probability}")
    return probability


def per_image(values):
    """[B] -> [B, 1, 1, 1]."""
    return tf.reshape(values, [-1, 1, 1, 1])
