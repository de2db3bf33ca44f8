"""Compiled functions: what TensorFlow says of them to a user."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x


@pytest.mark.parametrize("decorate", [lambda f: graphs.compiled(f), lambda f: graphs.compiled()(f)])
def test_layers_that_are_compiled_once_each_are_no_retracing(decorate, caplog):
    """TensorFlow counts the traces of a function by its code, which wrappers of layers share."""
    with caplog.at_level(logging.WARNING):
        for size in range(1, 13):
            x = tf.ones([size, 2])
            np.testing.assert_array_equal(decorate(Doubled())(x), 2.0 * x)
    assert "retracing" not in caplog.text


def test_one_function_of_many_shapes_is_still_told(caplog):
    double = graphs.compiled(lambda x: 2.0 * x)
    with caplog.at_level(logging.WARNING):
        for size in range(1, 13):
            double(tf.ones([size, 2]))
    assert "retracing" in caplog.text
