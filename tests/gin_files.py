"""Experiments of gin files, built and not run."""

import gin

from infomin_tf import configuration
from infomin_tf.experiment import Experiment

HEADER = "from __gin__ import dynamic_registration\n"


def build(*files, bindings=()):
    """The experiment of gin files and bindings, without those of earlier calls."""
    gin.clear_config()
    gin.config._IMPORTS.clear()
    configuration.parse([configuration.find_file(file) for file in files], list(bindings))
    experiment = configuration.build(Experiment)
    configuration.check_all_used()
    return experiment
