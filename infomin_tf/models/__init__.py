"""Networks: backbones, heads and their combination."""

# Before any module here begins to, as loading Keras imports those that have layers (`infomin_tf.registration`).
import keras  # noqa: F401
