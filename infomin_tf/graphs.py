"""Graphs of functions as they are written, without AutoGraph.

AutoGraph reads the source of every function that it meets and compiles it again from temporary
files. That takes time, gives another program if a source file has changed during a run, and gains
nothing, because functions here branch and loop on tensors only by tf.cond, tf.where, tf.map_fn and
tf.while_loop.
"""

import tensorflow as tf

without_autograph = tf.autograph.experimental.do_not_convert
"""Decorates a function that builds a tf.data.Dataset or a graph: it is taken as it is written."""


def compiled(function=None, **options):
    """A tf.function without AutoGraph, by decorator or call; options as of tf.function."""
    if function is None:
        return lambda decorated: compiled(decorated, **options)
    plain = without_autograph(function)
    # TensorFlow counts traces by code, and a layer has none of its own: without this, those of all
    # layers would be one function's.
    plain.__wrapped__ = function
    return tf.function(plain, **options)
