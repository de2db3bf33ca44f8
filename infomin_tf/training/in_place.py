"""Keras's SGD and Adam with TensorFlow's update kernels, which write weights and slots in place.

Keras writes an update as arithmetic on whole arrays, each with a result of its own; memory traffic
is then most of what the update of a large network costs. The kernels exist for CPUs, GPUs and XLA
(and so TPUs), and Keras 2 used them under every strategy. Slots, their order and formulas are those
of Keras 3, so a checkpoint fits both.
"""

import keras
import tensorflow as tf


class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` in place, and L2 regularisation that needs no gradient of its own.

    Args:
        decay_of: function, tf.Variable -> the L2 coefficient that is added, times the weight, to
            its gradient, as torch.optim.SGD does; None for none. Only where `folds_decay`.
        **settings: of `keras.optimizers.SGD`.
    """

    def __init__(self, decay_of=None, **settings):
        super().__init__(**settings)
        self._decay_of = decay_of

    @staticmethod
    def folds_decay(config):
        """Whether an SGD of that configuration takes `decay_of`."""
        return config["momentum"] > 0 and not config["nesterov"]

    def update_step(self, gradient, variable, learning_rate):
        """See keras.optimizers.Optimizer."""
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        rate, momentum = tf.cast(learning_rate, variable.dtype), self.momentum
        if not momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        slot = self.momentums[self._get_variable_index(variable)].value
        if self._decay_of and (decay := self._decay_of(variable)):
            # The kernel multiplies the slot by the momentum before it adds the gradient.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=slot.handle, alpha=rate * (decay / momentum), delta=variable.read_value()
            )
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=slot.handle,
            lr=rate,
            grad=gradient,
            momentum=tf.constant(momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` in place."""

    def update_step(self, gradient, variable, learning_rate):
        """See keras.optimizers.Optimizer."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index, dtype = self._get_variable_index(variable), variable.dtype
        constant = lambda value: tf.constant(value, dtype)
        updates = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(constant(self.beta_1), updates),
            beta2_power=tf.pow(constant(self.beta_2), updates),
            lr=tf.cast(learning_rate, dtype),
            beta1=constant(self.beta_1),
            beta2=constant(self.beta_2),
            epsilon=constant(self.epsilon),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )


IN_PLACE = {keras.optimizers.SGD: SGD, keras.optimizers.Adam: Adam}
"""A keras class -> the one in place; subclasses of these have formulas of their own."""
