"""What gin files of sweeps and audits can name; importing this module registers it, without TensorFlow."""

from infomin_tf import gin_names
from infomin_tf.auditing import audit
from infomin_tf.sweeping import axes, sweep

gin_names.register(sweep.Sweep, axes.Axis, axes.FileAxis, axes.BindingsAxis, axes.Combinations)
gin_names.register(audit.Audit)
