"""What gin files bind of the root class, which is known before it is built."""

import inspect

import gin

from infomin_tf import configuration, explain


def bound(root, name, default):
    """What the files that have been read bind to a parameter of the root class; the default for what is a reference."""
    found = explain.behind_macro(configuration.bound_to(root).get(name, default))
    return default if isinstance(found, gin.config.ConfigurableReference) else found


def is_whole(root, files):
    """Whether gin files bind all that the root class needs, so that they stand alone; what they bind is forgotten again."""
    configuration.parse(files, [])
    parameters = inspect.signature(root).parameters.values()
    whole = {p.name for p in parameters if p.default is p.empty} <= configuration.bound_to(
        root
    ).keys()
    gin.clear_config()
    return whole
