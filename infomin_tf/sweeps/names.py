"""What gin files of sweeps and audits can name; importing this module registers it, without TensorFlow."""

from infomin_tf.audit import audit
from infomin_tf.configuration import gin_names
from infomin_tf.sweeps import axes, sweep

gin_names.register(sweep.Sweep, axes.Axis, axes.FileAxis, axes.BindingsAxis, axes.Combinations)
gin_names.register(audit.Audit)
