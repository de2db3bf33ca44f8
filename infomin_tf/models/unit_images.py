"""Images of any type -> float32 in [0, 1]; integers are 0..255, floats say what white is."""

import tensorflow as tf

from infomin_tf.errors import UserError

# Augmentation may overshoot a little; no picture in 0..255, -1..1 or of mean 0, deviation 1 fits.
_LOWEST, _HIGHEST = -0.5, 1.5
_OF_INTEGERS = (
    "images of integers must be 0 to 255 (for another range, give floats divided by their white)"
)
# Without quotes, which TensorFlow's assertions escape.
_OF_UNIT_FLOATS = (
    "images of floats must be 0 to 1, images of integers 0 to 255: divide by 255; or, if Keras "
    "made floats from uint8 images, begin the model with a keras.Input of dtype uint8, or load "
    "the encoder with load_encoder and dtype uint8"
)
_OF_BYTE_FLOATS = (
    'an encoder of load_encoder(path, dtype="uint8") takes images of 0 to 255; leave out the dtype '
    "for floats of 0 to 1"
)


def check_shape(shape, side=None):
    """Raises UserError unless `shape` may be [B, H, W, 3], with H = W = `side` if that is given."""
    wanted = f"[B, {side}, {side}, 3]" if side else "[B, H, W, 3]"
    if shape.rank is None:
        return
    fix = None
    if shape.rank == 3:
        fix = "add a batch axis, images[None]"
    elif shape.rank != 4:
        fix = "give a batch of RGB images"
    elif shape[-1] == 1:
        fix = "repeat the grey channel, tf.image.grayscale_to_rgb(images)"
    elif shape[-1] not in (3, None):
        fix = "leave only red, green and blue, images[..., :3]"
    elif side and not all(extent in (side, None) for extent in shape[1:3]):
        fix = "resize them, or export with Export.view bound, for images of any size"
    if fix:
        found = [extent if extent is not None else "?" for extent in shape]
        _refuse(f"the encoder expects images {wanted}, not [{', '.join(map(str, found))}]; {fix}")


def to_unit(images, white=1.0):
    """Float32 images in [0, 1]; nan where images that were given are of another range.

    Where code can stop (eagerly, in a graph, in a SavedModel) they stop it with a message. XLA and
    TFLite have no such operation: nan is what remains there.

    Args:
        images: uint8, other integers in 0..255, or floats in 0..white, [...].
        white: of images of floats, 1 or 255.

    Raises:
        UserError: images of another range, eagerly; or of no numbers.
        tf.errors.InvalidArgumentError: the same in a graph.
    """
    if not (images.dtype.is_integer or images.dtype.is_floating):
        _refuse(
            f"the encoder expects images of numbers, not {images.dtype.name}; {_OF_UNIT_FLOATS}"
        )
    values = tf.cast(images, tf.float32)
    if images.dtype.is_integer:
        unit, lowest, highest, message = values / 255.0, 0.0, 1.0, _OF_INTEGERS
        if images.dtype == tf.uint8:
            return unit
    else:
        unit, lowest, highest = values / white, _LOWEST, _HIGHEST
        message = _OF_UNIT_FLOATS if white == 1 else _OF_BYTE_FLOATS
    right = tf.reduce_all((unit >= lowest) & (unit <= highest))  # not of nan
    if white != 1 and images.dtype.is_floating:
        right &= tf.reduce_any(values > 1.0) | tf.reduce_all(values == tf.round(values))
    found = tf.reduce_min(values), tf.reduce_max(values)
    if tf.executing_eagerly():
        if not right:
            _refuse(f"{message}; these are {found[0]:g} to {found[1]:g}")
        return unit
    data = [message, "; these are from, to", *found]
    # The bare operation, which converters leave out; tf.Assert would put it into a branch.
    with tf.control_dependencies([tf.raw_ops.Assert(condition=right, data=data)]):
        return tf.where(right, unit, float("nan"))


def _refuse(message):
    error = UserError(message)
    # Keras would wrap the message in the arguments of the call.
    error._keras_call_info_injected = True
    raise error
