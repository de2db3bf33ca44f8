"""What gin files of audits can name, and those of sweeps; importing this module registers it.

TensorFlow is not imported.
"""

from infomin_tf.auditing import audit
from infomin_tf.configuration import gin_names
from infomin_tf.sweeps import names  # noqa: F401

gin_names.register(audit.Audit)
