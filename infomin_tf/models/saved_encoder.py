"""An exported SavedModel as a Keras layer."""

import keras

from infomin_tf.errors import UserError
from infomin_tf.models import unit_images


class SavedEncoder(keras.layers.TFSMLayer):
    """Images in, features out, by the graph of a SavedModel: an `ImageEncoder` without its layers.

    Computes in float32 under every policy. While it is frozen, it is in inference mode.

    Args:
        path: of the SavedModel's folder.
        white: white value of float images: 1, or 255 for the floats that Keras makes from uint8
            images.
    """

    def __init__(self, path, white=1.0):
        super().__init__(path, "serve_float", "train_float", dtype="float32")
        self.white = white
        signature = self._reloaded_obj.signatures["serve_float"]
        self.size = signature.structured_input_signature[1]["images"].shape[1]
        self.supports_jit = _compiles(signature.graph.as_graph_def())
        for variable in self.weights:
            # Keras keeps TensorFlow's ":0", with which no optimizer can name its slots.
            variable._path = variable.path.removesuffix(":0")

    def call(self, images, training=None):
        """Features float32 [B, D] of images [B, H, W, 3], integers to 255 or floats to `white`."""
        unit_images.check_shape(images.shape, self.size)
        images = unit_images.to_unit(images, self.white)
        return super().call(images, training=bool(training and self.trainable))

    def get_config(self):
        """None: a .keras file holds no graph."""
        raise UserError(
            "a model with the layer of a SavedModel cannot be saved as .keras, which holds no "
            "graph; build it on load_encoder(model_dir/export/encoder.keras) instead, or save it "
            "with model.export(path)"
        )


def _compiles(graph):
    """Whether XLA has all operations; it lacks the resizing of exports of earlier versions."""
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return all(node.op != "ScaleAndTranslate" for node in nodes)
