"""An encoder that was trained in half precision, in the single precision of other runtimes."""

import keras


def in_float32(encoder):
    """The encoder itself where it computes in float32, else a copy that does, with equal weights.

    The runtimes of ONNX and LiteRT have no convolution in bfloat16 on a CPU, and not every
    operation in float16.
    """
    layers = encoder._flatten_layers()
    if all(layer.compute_dtype == "float32" for layer in layers):
        return encoder
    config = _with_float32(keras.saving.serialize_keras_object(encoder))
    own = {type(layer).__name__: type(layer) for layer in layers}
    copy = keras.saving.deserialize_keras_object(config, own)
    copy.set_weights(encoder.get_weights())
    return copy


def _with_float32(config):
    """A configuration of Keras in which every dtype policy is float32."""
    if isinstance(config, list | tuple):
        return type(config)(map(_with_float32, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": config["config"] | {"name": "float32"}}
    return {name: _with_float32(value) for name, value in config.items()}
