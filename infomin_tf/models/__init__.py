"""Networks: backbones, heads and their combination."""

# Before any module here, as loading Keras imports those with layers (`infomin_tf.registration`).
import keras  # noqa: F401
