"""The invertible blocks of view generators, on three planes [1, P] of the P pixels of a batch.

Planes are put together only where a block needs it, and what no part of a split asks for is not
computed. Every block treats one channel (the lone one) and the two others apart; F, G, s and t are
1x1 convolutions with a ReLU between, computed as matrix products [outputs, inputs] x [inputs, P],
which measured several times faster. Hidden units start small but not dead: weights are random with
positive biases, so that the ReLUs are open around standardised channels.
"""

import keras
import tensorflow as tf

_HIDDEN_BIAS = 0.5
_LARGEST_LOG_SCALE = 0.5


class Block(keras.layers.Layer):
    """One block on three planes, one per channel."""

    def __init__(self, index, lone_channel, same_channel_always, **kwargs):
        super().__init__(name=f"block_{index}", dtype="float32", **kwargs)
        self.index = index
        self.lone = lone_channel
        self.others = [channel for channel in range(3) if channel != lone_channel]
        self.update_others = same_channel_always and index % 2 == 1

    def forward(self, planes):
        """(planes of Y, log|det J| of each pixel [P]) of those of X, a list of three [1, P]."""
        raise NotImplementedError

    def inverse(self, planes):
        """The planes of X of those of Y."""
        raise NotImplementedError

    def divide(self, planes):
        """(X1 [1, P], X2 [2, P])."""
        return planes[self.lone], tf.concat([planes[c] for c in self.others], axis=0)

    def join(self, x1, x2):
        """The inverse of `divide`."""
        planes = tf.split(x2, 2)  # its gradient is a concatenation, that of a slice a sum
        planes.insert(self.lone, x1)
        return planes

    def network(self, name, inputs, hidden, outputs, last_stddev=0.1, leading_relu=None):
        """A `CouplingNetwork`, by default with a leading ReLU from block 2 on (authors' code)."""
        leading_relu = self.index > 0 if leading_relu is None else leading_relu
        return CouplingNetwork(inputs, hidden, outputs, leading_relu, last_stddev, name=name)


class CouplingNetwork(keras.layers.Layer):
    """Conv 1x1 -> ReLU -> conv 1x1 on planes [inputs, P] -> [outputs, P]."""

    def __init__(self, inputs, hidden, outputs, leading_relu, last_stddev, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.leading_relu = leading_relu
        self.hidden_kernel = self._weight("hidden_kernel", (hidden, inputs), inputs**-0.5)
        bias = keras.initializers.Constant(_HIDDEN_BIAS)
        self.hidden_bias = self.add_weight((hidden, 1), bias, name="hidden_bias")
        self.output_kernel = self._weight("output_kernel", (outputs, hidden), last_stddev)
        self.output_bias = self._weight("output_bias", (outputs, 1), 0.0)
        self.built = True

    def _weight(self, name, shape, stddev):
        initializer = keras.initializers.RandomNormal(stddev=stddev) if stddev else "zeros"
        return self.add_weight(shape=shape, initializer=initializer, name=name)

    def call(self, x):
        x = tf.nn.relu(x) if self.leading_relu else x
        x = tf.nn.relu(tf.matmul(self.hidden_kernel.value, x) + self.hidden_bias.value)
        return tf.matmul(self.output_kernel.value, x) + self.output_bias.value


class AdditiveBlock(Block):
    """Y1 = X1 + F(X2), Y2 = X2; or Y2 = X2 + F(X1) when the same channel always stands alone."""

    def build(self, input_shape):
        self.f = self.network("f", *((1, 2, 2) if self.update_others else (2, 2, 1)))
        self.built = True

    def forward(self, planes):
        """Adds F of the channels that stay; log|det J| is 0."""
        return self._shift(planes, 1.0), tf.zeros_like(planes[0][0])

    def inverse(self, planes):
        """Subtracts it."""
        return self._shift(planes, -1.0)

    def _shift(self, planes, sign):
        x1, x2 = self.divide(planes)
        if self.update_others:
            return self.join(x1, x2 + sign * self.f(x1))
        moved = list(planes)
        moved[self.lone] = x1 + sign * self.f(x2)
        return moved


class ReversibleBlock(Block):
    """Y1 = X1 + F(X2), Y2 = X2 + G(Y1), of {0 | 1, 2} and {0, 1 | 2} in turn.

    Of F and G, G alone has a leading ReLU (authors' code).
    """

    def __init__(self, index, lone_channel, same_channel_always, **kwargs):
        super().__init__(index, 2 * (index % 2), False, **kwargs)
        self.size = 1 + index % 2  # channels of X1

    def build(self, input_shape):
        first, second = self.size, 3 - self.size
        self.f = self.network("f", second, second, first, leading_relu=False)
        self.g = self.network("g", first, first, second, leading_relu=True)
        self.built = True

    def forward(self, planes):
        """Adds F(X2) to X1, then G(Y1) to X2; log|det J| is 0."""
        x1, x2 = self.divide(planes)
        y1 = x1 + self.f(x2)
        return self.join(y1, x2 + self.g(y1)), tf.zeros_like(planes[0][0])

    def inverse(self, planes):
        """Subtracts G(Y1), then F(X2)."""
        y1, y2 = self.divide(planes)
        x2 = y2 - self.g(y1)
        return self.join(y1 - self.f(x2), x2)

    def divide(self, planes):
        """(X1 [size, P], X2 [3 - size, P])."""
        return tf.concat(planes[: self.size], axis=0), tf.concat(planes[self.size :], axis=0)

    def join(self, x1, x2):
        """The inverse of `divide`."""
        return [*tf.split(x1, self.size), *tf.split(x2, 3 - self.size)]


class AffineBlock(Block):
    """Y1 = X1 exp(s(X2)) + t(X2), Y2 = X2 exp(s'(Y1)) + t'(Y1); |s| < 0.5. Starts as identity."""

    hidden = 8

    def build(self, input_shape):
        self.first = self.network("first", 2, self.hidden, 2, last_stddev=0.0)
        self.second = self.network("second", 1, self.hidden, 4, last_stddev=0.0)
        self.built = True

    def forward(self, planes):
        """Scales and shifts X1 by X2, then X2 by Y1; log|det J| is the sum of the log scales."""
        x1, x2 = self.divide(planes)
        s1, t1 = _scale_and_shift(self.first(x2))
        y1 = x1 * tf.exp(s1) + t1
        s2, t2 = _scale_and_shift(self.second(y1))
        y2 = x2 * tf.exp(s2) + t2
        return self.join(y1, y2), tf.reduce_sum(s1, axis=0) + tf.reduce_sum(s2, axis=0)

    def inverse(self, planes):
        """Undoes the second part, then the first."""
        y1, y2 = self.divide(planes)
        s2, t2 = _scale_and_shift(self.second(y1))
        x2 = (y2 - t2) * tf.exp(-s2)
        s1, t1 = _scale_and_shift(self.first(x2))
        return self.join((y1 - t1) * tf.exp(-s1), x2)


class GlowBlock(Block):
    """ActNorm, an invertible 1x1 convolution L U (P = I, positive diagonal), an affine block.

    Starts as the identity.
    """

    def build(self, input_shape):
        self.log_scale = self.add_weight(shape=(3,), initializer="zeros", name="log_scale")
        self.shift = self.add_weight(shape=(3,), initializer="zeros", name="shift")
        self.lower = self.add_weight(shape=(3, 3), initializer="zeros", name="lower")
        self.upper = self.add_weight(shape=(3, 3), initializer="zeros", name="upper")
        self.log_diagonal = self.add_weight(shape=(3,), initializer="zeros", name="log_diagonal")
        self.coupling = AffineBlock(self.index, self.lone, False)
        self.coupling.build(input_shape)
        self.built = True

    def forward(self, planes):
        """ActNorm, the 1x1 convolution, the coupling; log|det J| of all three."""
        x = tf.concat(planes, axis=0)
        x = x * tf.exp(self.log_scale.value[:, None]) + self.shift.value[:, None]
        lower, upper = self._factors()
        x = tf.matmul(tf.matmul(lower, upper), x)
        y, log_det = self.coupling.forward(tf.split(x, 3))
        return y, log_det + tf.reduce_sum(self.log_scale.value + self.log_diagonal.value)

    def inverse(self, planes):
        """Undoes them in reverse order."""
        x = tf.concat(self.coupling.inverse(planes), axis=0)
        lower, upper = self._factors()
        x = tf.linalg.triangular_solve(lower, x, lower=True)
        x = tf.linalg.triangular_solve(upper, x, lower=False)
        x = (x - self.shift.value[:, None]) * tf.exp(-self.log_scale.value[:, None])
        return tf.split(x, 3)

    def _factors(self):
        """L with a unit diagonal and U with the diagonal exp(log_diagonal)."""
        below = tf.linalg.band_part(self.lower.value, -1, 0)
        above = tf.linalg.band_part(self.upper.value, 0, -1)
        lower = tf.linalg.set_diag(below, tf.ones(3))
        return lower, tf.linalg.set_diag(above, tf.exp(self.log_diagonal.value))


def _scale_and_shift(x):
    """(s in (-0.5, 0.5), t), halves of the planes; the bound keeps a stack well conditioned."""
    s, t = tf.split(x, 2, axis=0)
    return _LARGEST_LOG_SCALE * tf.tanh(s / _LARGEST_LOG_SCALE), t
