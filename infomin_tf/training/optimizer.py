"""From a loss to an update: what Keras's optimizers leave to the caller on several replicas."""

import keras
import tensorflow as tf

from infomin_tf.distribution import replicas
from infomin_tf.settings import ABOVE_ZERO, BELOW_ONE, FROM_ZERO, Range, called, check
from infomin_tf.training import in_place

_CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")
# What Keras's own loop does with the loss and the weights, and ours does not.
_OF_KERAS_LOOP = {
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
}
_STEPS = Range(
    "None or a whole number of at least 2", lambda value: value >= 2 and value == int(value)
)
_RANGES = {
    BELOW_ONE: ("momentum", "beta_1", "beta_2", "rho"),
    ABOVE_ZERO: _CLIPPING,
    FROM_ZERO: ("weight_decay", "epsilon"),
    _STEPS: ("gradient_accumulation_steps",),
}


def check_optimizer(owner, optimizer):
    """Raises ValueError for Keras optimizer settings that make no sense or have no effect here.

    Args:
        owner: what takes it, for the message.
        optimizer: a keras optimizer.
    """
    config, kind = optimizer.get_config(), type(optimizer).__name__
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            f"{called(owner)} scales the loss itself if the precision requires it; bind the inner "
            f"optimizer of the {kind}"
        )
    rate = config["learning_rate"]
    if not isinstance(rate, int | float):
        raise ValueError(
            f"{kind}.learning_rate of {called(owner)} is a Keras schedule; bind a number, and a "
            f"schedule of infomin_tf.training.schedules to {called(owner)}.schedule"
        )
    check(kind, ABOVE_ZERO, learning_rate=rate)
    in_vain = {n: config[n] for n, usual in _OF_KERAS_LOOP.items() if config.get(n, usual) != usual}
    if in_vain:
        raise ValueError(
            f"{', '.join(f'{kind}.{name} = {value}' for name, value in in_vain.items())}: "
            f"{called(owner)} does not train with it, so it would change nothing, or only the "
            "learning rate; remove it"
        )
    if config.get("nesterov") and not config.get("momentum", 1.0):
        raise ValueError(f"{kind}.nesterov changes nothing without momentum; bind {kind}.momentum")
    given = {name: value for name, value in config.items() if value is not None}
    for allowed, names in _RANGES.items():
        check(kind, allowed, **{name: given[name] for name in names if name in given})


class Update:
    """A Keras optimizer whose settings mean the global batch's gradient, on any number of replicas.

    - `clipnorm`, `global_clipnorm`, `clipvalue`: Keras clips the part of each replica; here the sum
      is clipped.
    - `gradient_accumulation_steps` = n: the mean gradient of n steps makes one update;
      `iterations`, and with them a schedule, count updates.
    - Under the policy mixed_float16 the loss is scaled (`keras.optimizers.LossScaleOptimizer`): a
      gradient that is not finite is left out, and the scale halved.
    - SGD and Adam write in place (`in_place`).

    Make it under the scope of the strategy.

    Args:
        optimizer: a keras optimizer that is not built yet.
        weight_decay: L2 coefficient added to the gradient, as torch.optim.SGD does (not decoupled),
            before any clipping.
        decay_only_kernels: leave variables of fewer than two dimensions out of it.
    """

    def __init__(self, optimizer, weight_decay=0.0, decay_only_kernels=False):
        config, count = optimizer.get_config(), replicas.replicas_in_scope()
        self._weight_decay, self._decay_only_kernels = weight_decay, decay_only_kernels
        self._accumulated = config.get("gradient_accumulation_steps") or 1
        self._clips = any(config.get(name) for name in _CLIPPING)
        self._scales_loss = keras.config.dtype_policy().compute_dtype == "float16"
        # A replica hands over its share of the sum, so clipping has a share of the bound.
        shares = {name: config[name] / count for name in _CLIPPING if config.get(name)}
        shares["gradient_accumulation_steps"] = None
        kind = in_place.IN_PLACE.get(type(optimizer), type(optimizer))
        self._needs_mean = self._clips or self._scales_loss or self._accumulated > 1
        folds = kind is in_place.SGD and kind.folds_decay(config)
        self._folds_decay = folds and not self._needs_mean
        folded = {"decay_of": self._decay_of} if self._folds_decay and weight_decay else {}
        self._optimizer = kind.from_config(config | shares | folded)
        if self._scales_loss:
            self._optimizer = keras.optimizers.LossScaleOptimizer(self._optimizer)
        self._sums, self._waiting, self._steps = [], None, None

    def build(self, variables):
        """Makes the optimizer's state for keras variables."""
        self._optimizer.build(variables)
        if self._accumulated > 1:
            self._sums = [_zeros(v.shape, "float32") for v in variables]
            self._waiting = _zeros((), "int32")
        if self._accumulated > 1 or self._scales_loss:
            self._steps = _zeros((), "int32")

    @property
    def variables(self):
        """All state: the optimizer's, with the scale of the loss; sums of gradients; counts."""
        counts = [count for count in (self._waiting, self._steps) if count is not None]
        return [*self._optimizer.variables, *self._sums, *counts]

    @property
    def learning_rate(self):
        """The learning rate of the next update."""
        return tf.convert_to_tensor(self._optimizer.learning_rate)

    @property
    def steps(self):
        """Steps done, int32; those between updates, or without one, count."""
        if self._steps is None:
            return tf.cast(self._optimizer.iterations, tf.int32)
        return tf.convert_to_tensor(self._steps.value)

    @property
    def loss_scale(self):
        """What the loss is multiplied by, a scalar; None if it is not scaled."""
        return self._optimizer.dynamic_scale.value if self._scales_loss else None

    def gradients(self, tape, loss, variables):
        """This replica's part of the gradient, float32; zeros where the loss does not touch.

        Args:
            tape: that recorded the loss.
            loss: this replica's part of the loss, a scalar.
            variables: keras variables.
        """
        values = [v.value for v in variables]
        if not self._scales_loss:
            return tape.gradient(loss, values, unconnected_gradients="zero")
        scale = tf.identity(self.loss_scale)
        scaled = tape.gradient(loss, values, output_gradients=scale, unconnected_gradients="zero")
        return [g / scale for g in scaled]

    def apply(self, gradients, variables):
        """Updates the variables, or waits for more gradients.

        Args:
            gradients: as of `gradients`; the sum over replicas counts.
            variables: as in `build`.

        Returns:
            1.0 when this step updates, else 0.0.
        """
        if self._weight_decay and not self._folds_decay:
            gradients = self._decayed(gradients, variables)
        if self._needs_mean:
            gradients = replicas.mean_over_replicas(gradients)
        if self._steps is None:
            self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return 1.0
        finite = tf.constant(True)
        if self._scales_loss:
            finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        updates = tf.cast(self._accumulate(gradients, variables, finite), tf.float32)
        replicas.assign_here(self._steps.value, self._steps.value + 1)
        return updates

    def _decay_of(self, variable):
        """The L2 coefficient of a variable."""
        is_kernel = len(variable.shape) > 1
        return self._weight_decay if is_kernel or not self._decay_only_kernels else 0.0

    def _decayed(self, gradients, variables):
        """This replica's part of the gradient, with its part of the L2 term."""
        shares = [self._decay_of(v) / replicas.num_replicas() for v in variables]
        triples = zip(gradients, variables, shares, strict=True)
        return [g + share * v.value if share else g for g, v, share in triples]

    def _accumulate(self, gradients, variables, finite):
        """Whether the step updates; the optimizer halves the scale for a gradient not finite."""
        if self._accumulated == 1:
            self._rescale_and_apply(gradients, variables)
            return finite
        due = finite & tf.equal(self._waiting.value, self._accumulated - 1)
        # Kept as the gradient of the whole batch, so that another number of replicas can continue.
        count = replicas.num_replicas()
        sums = [s.value + count * g for s, g in zip(self._sums, gradients, strict=True)]
        pairs = list(zip(sums, gradients, strict=True))
        # Tried and undone, as a branch cannot hold what several replicas do together.
        state = [*variables, *self._optimizer.variables]
        with replicas.undone_unless(lambda: due | ~finite, state):
            share = 1.0 / (self._accumulated * count)
            means = [tf.where(finite, share * total, g) for total, g in pairs]
            self._rescale_and_apply(means, variables)
        for variable, (total, _) in zip(self._sums, pairs, strict=True):
            kept = tf.where(finite, total, variable.value)
            replicas.assign_here(variable.value, tf.where(due, 0.0, kept))
        waiting = self._waiting.value + tf.cast(finite, tf.int32)
        replicas.assign_here(self._waiting.value, tf.where(due, 0, waiting))
        return due

    def minimize(self, tape, loss, variables):
        """`gradients`, then `apply`."""
        self.apply(self.gradients(tape, loss, variables), variables)

    def _rescale_and_apply(self, gradients, variables):
        if self._scales_loss:
            gradients = [g * self.loss_scale for g in gradients]
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))


def _zeros(shape, dtype):
    """A variable that is alike on all replicas."""
    alike = {"trainable": False, "aggregation": "only_first_replica"}
    return keras.Variable("zeros", shape, dtype, **alike)
