"""The numerical precision of the networks; chosen before any layer is made."""

import keras

from infomin_tf.errors import UserError

_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def use(precision):
    """Makes layers that are created from now on compute in that precision.

    Weights, batch statistics, colour spaces, generators, embeddings of unit length, similarities
    and losses stay float32.

    Args:
        precision: "float32", "mixed_bfloat16" (TPUs, GPUs since Ampere) or "mixed_float16" (older
            GPUs; the loss is scaled, see `optimizer.Update`).

    Raises:
        UserError: an unknown precision.
    """
    if precision not in _PRECISIONS:
        raise UserError(
            f"Experiment.precision = {precision!r} is not one of {', '.join(_PRECISIONS)}; bind "
            "one of these"
        )
    keras.config.set_dtype_policy(precision)


def in_use():
    """The precision in which layers are made now."""
    return keras.config.dtype_policy().name
