"""Views: sampling on the host (augment, pairs) and splitting in the model (color, generators, splits)."""

# Before any module here begins to, as loading Keras imports those that have layers (`infomin_tf.registration`).
import keras  # noqa: F401
