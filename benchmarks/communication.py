"""What a step moves, on paper: ResNet-50, batch 4096, K 65536, as docs/scaling.md holds it.

    python benchmarks/communication.py

Exchanges are those that the code asks TensorFlow for; tests/test_communication.py compares them
with the graph of a step. Sizes of the network are counted on the network itself. All numbers are
float32; MB, GB and GFLOP are powers of ten.
"""

import dataclasses
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf

from infomin_tf.models import encoder, heads, resnet

BATCH, QUEUE, DIMENSION, SIDE = 4096, 65536, 128, 224
FLOAT = 4
# Of logits through memory: written, maximum, exponentials, softmax, its gradient, product.
PASSES = 6


@dataclasses.dataclass(frozen=True)
class Machine:
    """Rates of one device, as its makers publish them; programs reach them only in part.

    Args:
        name: of the machine.
        replicas: devices.
        link: bytes/s that a device sends.
        call: seconds that a collective takes however small it is.
        arithmetic: FLOP/s.
        memory: bytes/s.
        host: bytes/s into a device.
        tpu: TPUStrategy gathers by an all-reduce of what is gathered, with zeros for the others'
            rows; the other strategies gather lengths first, and then the rows.
    """

    name: str
    replicas: int
    link: float
    call: float
    arithmetic: float
    memory: float
    host: float
    tpu: bool = False


GPUS = Machine("8 GPUs (A100)", 8, 300e9, 20e-6, 156e12, 2.0e12, 32e9)
TPU_CORES = Machine("32 TPU cores (v3)", 32, 166e9, 10e-6, 61.5e12, 450e9, 2e9, True)


@dataclasses.dataclass(frozen=True)
class Network:
    """Sizes of an encoder.

    Args:
        parameters: trainable numbers.
        layers, channels: of batch normalisation.
        flops: of one image forward.
    """

    parameters: int
    layers: int
    channels: int
    flops: int = 0

    @classmethod
    def of(cls, layer, view_shape=None):
        """Counted on a built encoder; FLOPs on its graph, for views of a shape (H, W, 3)."""
        means = [v for v in layer.non_trainable_variables if v.path.endswith("moving_mean")]
        return cls(
            sum(v.shape.num_elements() for v in layer.trainable_variables),
            len(means),
            sum(v.shape.num_elements() for v in means),
            _flops(layer, view_shape) if view_shape else 0,
        )


@dataclasses.dataclass(frozen=True)
class Exchange:
    """Equal collectives of one step.

    Args:
        what: is exchanged.
        kind: "all-reduce" or "gather".
        calls: how many.
        numbers: float32 values of all calls together; of a gather, those that a device then has.
    """

    what: str
    kind: str
    calls: int
    numbers: int

    def sent(self, machine):
        """Bytes that each device sends, around a ring."""
        share = (machine.replicas - 1) / machine.replicas
        halves = 1 if self.kind == "gather" and not machine.tpu else 2
        return halves * share * self.numbers * FLOAT

    def seconds(self, machine):
        """At the rate of the link, and with what each call costs by itself."""
        calls = 2 * self.calls if self.kind == "gather" and not machine.tpu else self.calls
        return self.sent(machine) / machine.link + calls * machine.call


def queue_exchanges(network, batch, dimension, image=0):
    """A step with a MomentumQueue, one direction.

    Args:
        network: `Network` of the encoder; the key encoder has the same sizes.
        batch, dimension: B, D.
        image: numbers of a view, where keys are shuffled; 0 where they are not.

    Returns:
        List of `Exchange`.
    """
    shuffled = [
        Exchange("shuffled keys: views", "gather", 1, batch * image),
        Exchange("shuffled keys: keys", "gather", 1, batch * dimension),
    ]
    return [
        *_training(network, backward_passes=1),
        *(shuffled if image else []),
        Exchange("keys for the queue", "gather", 1, batch * dimension),
        Exchange("metrics", "gather", 2, 2 * batch * dimension),
    ]


def in_batch_exchanges(network, batch, dimension):
    """A step with InBatch (or NTXent) negatives, both directions; see `queue_exchanges`."""
    return [
        *_training(network, backward_passes=2),
        Exchange("queries and keys", "gather", 4, 4 * batch * dimension),
        Exchange("their gradients", "all-reduce", 4, 4 * batch * dimension),
        Exchange("metrics", "gather", 2, 2 * batch * dimension),
    ]


def _training(network, backward_passes):
    """Gradients; statistics: sums, squares, counts of two passes forward, two gradients back."""
    layers, channels, gradients = network.layers, network.channels, 2 * backward_passes
    return [
        Exchange("gradients", "all-reduce", 1, network.parameters),
        Exchange("statistics, forward", "all-reduce", 6 * layers, 6 * channels),
        Exchange("statistics, backward", "all-reduce", gradients * layers, gradients * channels),
    ]


def _flops(layer, view_shape):
    """Floating-point operations of one image forward; a multiplication and its addition are two."""
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation()
    options = profiler.ProfileOptionBuilder(options).with_empty_output().build()
    image = tf.TensorSpec([1, *view_shape])
    graph = tf.function(lambda x: layer(x, training=False)).get_concrete_function(image).graph
    return profiler.profile(graph, options=options, cmd="op").total_float_ops


def exchange_table(machine, exchanges):
    """Lines of Markdown; the last sums up all but the shuffling of keys, which is seldom needed."""
    rows = []
    for e in exchanges:
        rows.append((e.what, e.kind, e.calls, e.sent(machine) / 1e6, 1e3 * e.seconds(machine)))
    usual = [row[2:] for row in rows if not row[0].startswith("shuffled")]
    rows.append(("together, keys not shuffled", "", *map(sum, zip(*usual, strict=True))))
    lines = ["| exchange | kind | calls | MB sent by a device | ms |", "|---|---|---|---|---|"]
    return lines + [f"| {w} | {k} | {c} | {mb:,.1f} | {ms:.2f} |" for w, k, c, mb, ms in rows]


def device_table(machine, network):
    """Lines of Markdown: work, memory and input of a device, with the queue and in the batch."""
    images = BATCH / machine.replicas
    logits = images * QUEUE, BATCH**2  # of a direction
    # Backward costs twice a forward pass; keys have none.
    directions, passes = (1, 2), (3 + 1, 2 * 3)
    # Of the logits, each D multiplications and additions; the queue has no gradient.
    products = (2 * 2, 2 * 3 * 2)
    views = 2 * images * SIDE**2 * 3
    arithmetic, memory, host = machine.arithmetic, machine.memory, machine.host
    multiplied = [p * size * DIMENSION for p, size in zip(products, logits, strict=True)]
    moved = [PASSES * d * size * FLOAT for d, size in zip(directions, logits, strict=True)]
    rows = [
        ("networks, GFLOP", 1e9, arithmetic, [p * images * network.flops for p in passes]),
        ("logits and their gradients, GFLOP", 1e9, arithmetic, multiplied),
        ("uniformity (a metric), GFLOP", 1e9, arithmetic, [2 * BATCH**2 * DIMENSION] * 2),
        (f"logits through memory, {PASSES} times, MB", 1e6, memory, moved),
        ("views from the host, float32, MB", 1e6, host, [views * FLOAT] * 2),
        ("views from the host, were they uint8, MB", 1e6, host, [views] * 2),
    ]
    lines = ["| per device | queue, one direction | in-batch, both |", "|---|---|---|"]
    for what, scale, rate, values in rows:
        cells = [f"{v / scale:,.0f} in {1e3 * v / rate:.2f} ms" for v in values]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    held = [f"{size * FLOAT / 1e6:.0f}" for size in logits]
    return [
        *lines,
        f"| memory of the logits of a direction, MB | {' | '.join(held)} |",
        f"| memory of the queue, MB | {QUEUE * DIMENSION * FLOAT / 1e6:.0f} | none |",
        "| memory of gathered views (shuffled keys), MB | "
        f"{BATCH * SIDE**2 * 3 * FLOAT / 1e6:,.0f} | none |",
    ]


def resnet50():
    """The built encoder."""
    layer = encoder.Encoder(resnet.ResNet50(), heads.MlpHead(DIMENSION))
    layer.build((None, SIDE, SIDE, 3))
    return layer


def report(network):
    """The whole model as lines of Markdown."""
    with_queue = queue_exchanges(network, BATCH, DIMENSION, SIDE**2 * 3)
    in_batch = in_batch_exchanges(network, BATCH, DIMENSION)
    lines = [
        f"ResNet-50 with an MLP head: {network.parameters:,} parameters, {network.layers} layers "
        "of batch normalisation",
        f"with {network.channels:,} channels, {network.flops / 1e9:.2f} GFLOP per image forward; B "
        f"{BATCH}, K {QUEUE}, D {DIMENSION}, views {SIDE}x{SIDE}.",
    ]
    for machine in (GPUS, TPU_CORES):
        for title, found in (("queue, one direction", with_queue), ("in-batch, both", in_batch)):
            lines += ["", f"{machine.name}, {title}:", "", *exchange_table(machine, found)]
        lines += ["", f"{machine.name}:", "", *device_table(machine, network)]
    return lines


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    print("\n".join(report(Network.of(resnet50(), (SIDE, SIDE, 3)))))
