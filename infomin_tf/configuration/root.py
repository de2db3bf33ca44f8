"""What gin files bind of the root class, which is known before it is built."""

import inspect

import gin

from infomin_tf.configuration import explain, gin_files


def bound(root, name, default):
    """What files read so far bind to a parameter of the root class; the default for a reference."""
    found = explain.behind_macro(gin_files.bound_to(root).get(name, default))
    return default if isinstance(found, gin.config.ConfigurableReference) else found


def is_whole(root, files):
    """Whether gin files bind all that the root class needs; what they bind is forgotten again."""
    gin_files.parse(files, [])
    parameters = inspect.signature(root).parameters.values()
    whole = {p.name for p in parameters if p.default is p.empty} <= gin_files.bound_to(root).keys()
    gin.clear_config()
    return whole
