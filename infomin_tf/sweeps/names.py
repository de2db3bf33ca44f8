"""What gin files of sweeps can name; importing this module registers it, without TensorFlow."""

from infomin_tf.configuration import gin_names
from infomin_tf.sweeps import axes, sweep

gin_names.register(sweep.Sweep, axes.Axis, axes.FileAxis, axes.BindingsAxis, axes.Combinations)
