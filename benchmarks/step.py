"""Speed and memory of one MoCo step: next to its floor, over queue sizes, and next to PyTorch.

    python benchmarks/step.py   # everything; a part: --only floor queue torch first memory

The step: ResNet-50 with a linear head to 128, views of 64x64, batch 32, one direction, momentum
encoder, queue of 16384 keys, SGD with momentum and weight decay, on a constant batch. What is
compared, with its goal:

- floor: the whole step over the bare cost of its networks, which is forward and backward of the
  query encoder and forward of the key encoder, both in training mode, without loss against the
  queue, optimizer, momentum update, queue and metrics; at most 1.10.
- queue: K = 65536 over K = 4096; at most 1.05.
- torch: images/s of ours over the better of PyTorch eager with the default and the channels-last
  layout (torchvision's ResNet-50, the same loss, optimizer, momentum update and queue); at least
  1.0.
- first: seconds until the first step of a fresh process is done, tracing included, imports and
  weights not; below 10.
- memory: peak resident set of a process that runs the step alone, and how much of it comes with K.

Contestants have the same number of threads and take turns step by step, in an order that rotates;
step and floor share one process, the others have one each. A ratio is one of medians, its spread
the quartiles of the ratios of single rounds. Where others use the cores too, ratios of processor
time are steadier. Our step also standardises the views and returns eight metrics; PyTorch's does
neither; its OpenMP threads sleep while they wait (OMP_WAIT_POLICY=ACTIVE for the contrary, on a
quiet machine). A peer that is not installed is skipped.
"""

import argparse
import os
import statistics

from turns import Process, compare, figures, installed, take_turns

DIMENSION, TEMPERATURE, MOMENTUM = 128, 0.07, 0.999
RATE, SGD_MOMENTUM, WEIGHT_DECAY = 0.03, 0.9, 1e-4


class Ours:
    """The step of infomin_tf as the training loop compiles it, and its floor.

    Args:
        options: parsed arguments.
        queue: K.
    """

    def __init__(self, options, queue):
        import keras
        import tensorflow as tf

        from infomin_tf.learners import contrastive, negatives
        from infomin_tf.models import encoder, heads, resnet
        from infomin_tf.training import step
        from infomin_tf.views import color, splits

        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(options.threads)
        keras.utils.set_random_seed(1)
        shape = (options.size, options.size, 3)
        whole = splits.Whole(color.RGB(), (0.5,) * 3, (0.25,) * 3)
        whole.build((None, *shape))
        encoders = [
            encoder.Encoder(resnet.ResNet50(), heads.LinearHead(DIMENSION)) for _ in range(2)
        ]
        self._learner = contrastive.ContrastiveLearner(
            whole,
            encoders[:1],
            negatives.MomentumQueue(queue, MOMENTUM, TEMPERATURE),
            keras.optimizers.SGD(RATE, momentum=SGD_MOMENTUM),
            encoders[1:],
            both_directions=False,
            weight_decay=WEIGHT_DECAY,
        )
        self._learner.build(shape)
        x1, x2 = tf.random.stateless_uniform([2, options.batch, *shape], (1, 2))
        self._batch = (x1, x2), tf.zeros([options.batch], tf.int32)
        self._views = (x1 - 0.5) / 0.25, (x2 - 0.5) / 0.25
        self._train_step = tf.function(step.replica_step(self._learner), autograph=False)
        self._bare_step = tf.function(self._bare)

    def step(self):
        """One whole step; returns the loss."""
        return float(self._train_step(self._batch)["loss"])

    def floor(self):
        """Forward and backward of the query encoder, forward of the key encoder."""
        return float(self._bare_step(*self._views)[0])

    def _bare(self, v1, v2):
        import tensorflow as tf

        query_encoder, key_encoder = self._learner.encoders[0], self._learner.key_encoders[0]
        weights = [v.value for v in query_encoder.trainable_variables]
        with tf.GradientTape() as tape:
            score = tf.reduce_sum(query_encoder(v1, training=True))
        keys = key_encoder(v2, training=True)
        return score, keys, tape.gradient(score, weights)


class Torch:
    """The same step in PyTorch, eager.

    Args:
        options: parsed arguments.
        queue: K.
        channels_last: the layout of images and weights.
    """

    def __init__(self, options, queue, channels_last=False):
        import torch
        import torchvision

        torch.set_num_threads(options.threads)
        torch.manual_seed(1)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._query, self._key = (
            torchvision.models.resnet50(num_classes=DIMENSION).to(memory_format=layout).train()
            for _ in range(2)
        )
        self._key.load_state_dict(self._query.state_dict())
        views = torch.randn(2, options.batch, 3, options.size, options.size)
        self._views = [v.contiguous(memory_format=layout) for v in views]
        self._queue = torch.nn.functional.normalize(torch.randn(queue, DIMENSION))
        self._pointer = 0
        self._labels = torch.zeros(options.batch, dtype=torch.long)
        self._optimizer = torch.optim.SGD(
            self._query.parameters(), RATE, SGD_MOMENTUM, weight_decay=WEIGHT_DECAY
        )

    def step(self):
        """One whole step; returns the loss."""
        import torch
        from torch.nn import functional

        v1, v2 = self._views
        q = functional.normalize(self._query(v1))
        with torch.no_grad():
            k = functional.normalize(self._key(v2))
        positive = (q * k).sum(1, keepdim=True)
        logits = torch.cat([positive, q @ self._queue.T], 1) / TEMPERATURE
        loss = functional.cross_entropy(logits, self._labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._follow(k)
        return loss.item()

    def _follow(self, k):
        import torch

        with torch.no_grad():
            pairs = zip(self._key.parameters(), self._query.parameters(), strict=True)
            for theta_k, theta_q in pairs:
                theta_k.mul_(MOMENTUM).add_(theta_q, alpha=1.0 - MOMENTUM)
            rows = (self._pointer + torch.arange(len(k))) % len(self._queue)
            self._queue[rows] = k
            self._pointer = (self._pointer + len(k)) % len(self._queue)


def ours(options, queue):
    return Process(Ours, "infomin_tf.learners.contrastive", options, queue)


def torchs(options, queue):
    """Dict of PyTorch contestants, without those that are not installed."""
    if not installed("torch", "torchvision"):
        return {}
    layouts = {"torch": False, "torch channels-last": True}
    return {n: Process(Torch, "torchvision", options, queue, last) for n, last in layouts.items()}


def measure(contestants, options, methods=("step",)):
    """What each call took, after two of each that do not count; prints the medians.

    Returns:
        (wall-clock seconds, processor seconds): dicts (contestant, method) -> list.
    """
    calls = [(name, method) for name in contestants for method in methods]
    usages = take_turns(contestants, calls, options.rounds, warm=2)
    wall, processor = figures(usages, "call"), figures(usages, "processor")
    for call, values in wall.items():
        median = statistics.median(values)
        name = " ".join(call)
        print(f"  {name:25} {1000 * median:6.0f} ms {options.batch / median:6.1f} images/s")
    return wall, processor


def against_floor(options):
    wall, processor = measure({"ours": ours(options, options.queue)}, options, ("step", "floor"))
    print(f"floor: step / floor {compare(wall, *wall)}, goal <= 1.10")
    print(f"floor: the same of processor time {compare(processor, *processor)}")


def over_queue_sizes(options):
    wall, processor = measure({f"K={k}": ours(options, k) for k in (65536, 4096)}, options)
    print(f"queue: K=65536 / K=4096 {compare(wall, *wall)}, goal <= 1.05")
    print(f"queue: the same of processor time {compare(processor, *processor)}")


def against_torch(options):
    if peers := torchs(options, options.queue):
        contestants = {"ours": ours(options, options.queue)} | peers
        wall, processor = measure(contestants, options)
        for peer in peers:
            names = ((peer, "step"), ("ours", "step"))
            print(f"torch: images/s of ours / {peer} {compare(wall, *names)}, goal >= 1.0")
            print(f"torch: the same of processor time {compare(processor, *names)}")


def first_step(options):
    results = []
    for _ in range(3):
        process = ours(options, options.queue)
        results.append(process.call("step"))
        process.close()
    build, first = (statistics.median(r[name] for r in results) for name in ("build", "call"))
    print(f"first: weights {build:.1f} s, then the first step {first:.1f} s, goal < 10")


def memory(options):
    for k in sorted({4096, options.queue, 65536}):
        for name, process in ({"ours": ours(options, k)} | torchs(options, k)).items():
            usage = [process.call("step") for _ in range(5)][-1]
            process.close()
            peak, imports = usage["peak"], usage["imports"]
            print(f"memory: K={k:<6}{name:20} peak {peak:5.0f} MiB, after imports {imports:4.0f}")
    print(f"memory: one queue of K=65536 has {65536 * DIMENSION * 4 / 2**20:.0f} MiB")


PARTS = {
    "floor": against_floor,
    "queue": over_queue_sizes,
    "torch": against_torch,
    "first": first_step,
    "memory": memory,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="steps of each contestant")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=64, help="side of a view in pixels")
    parser.add_argument("--queue", type=int, default=16384, help="K")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    for part in options.only:
        PARTS[part](options)


if __name__ == "__main__":
    main()
