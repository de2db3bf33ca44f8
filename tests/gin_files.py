"""Experiments of gin files, built and not run."""

import gin

from infomin_tf.configuration import gin_files
from infomin_tf.experiment.experiment import Experiment

HEADER = "from __gin__ import dynamic_registration\n"


def build(*files, bindings=()):
    """The experiment of gin files and bindings, without those of earlier calls."""
    gin.clear_config()
    gin.config._IMPORTS.clear()
    gin_files.parse([gin_files.find_file(file) for file in files], list(bindings))
    experiment = gin_files.build(Experiment)
    gin_files.check_all_used()
    return experiment
