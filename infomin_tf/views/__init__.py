"""Views: sampling on the host (augment, pairs), splitting in the model (generators, splits)."""

# First of all, as loading Keras imports the modules here with layers (`infomin_tf.registration`).
import keras  # noqa: F401
