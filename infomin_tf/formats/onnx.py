"""ONNX: the graph for ONNX Runtime and whatever reads its files."""

import logging

import tensorflow as tf

from infomin_tf.errors import UserError, reason
from infomin_tf.formats.format import Format
from infomin_tf.formats.saved_model import endpoint, signature
from infomin_tf.formats.single_precision import in_float32

_OPSET = 17  # read by ONNX Runtime since 1.12, of 2022


class Onnx(Format):
    """A file with the input images, uint8 [B, H, W, 3], and the output features, float32 [B, D].

    By tf2onnx, the converter of the ONNX project, which takes every part of an encoder.
    """

    entry = "encoder.onnx"

    def write(self, encoder, path):
        """See `Format`."""
        import onnx
        import tf2onnx

        spec = [signature(encoder)]
        function = tf.function(endpoint(in_float32(encoder)), input_signature=spec)
        try:
            logging.getLogger("tf2onnx").setLevel(logging.ERROR)  # it tells each of its steps
            model, _ = tf2onnx.convert.from_function(function, spec, opset=_OPSET)
            _name(model.graph)
            onnx.checker.check_model(model)  # tf2onnx leaves operations that ONNX lacks in it
        except (ValueError, NotImplementedError, onnx.checker.ValidationError) as error:
            raise UserError(
                f"tf2onnx cannot convert this encoder ({reason(error)}); use the formats "
                "saved_model or keras"
            ) from error
        with open(path, "wb") as file:
            file.write(model.SerializeToString())


def _name(graph):
    """Calls the output features and the free sizes batch, height and width."""
    [output], [images] = graph.output, graph.input
    for node in graph.node:
        node.output[:] = ["features" if n == output.name else n for n in node.output]
        node.input[:] = ["features" if n == output.name else n for n in node.input]
    output.name = "features"
    for value, names in ((images, ("batch", "height", "width")), (output, ("batch",))):
        for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            if not axis.HasField("dim_value"):
                axis.dim_param = name
