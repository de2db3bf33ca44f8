"""Updates of the weights of a ResNet-50 alone: ours next to Keras's and to PyTorch's.

    python benchmarks/updates.py   # everything; a part: --only sgd adam followed

24 million float32 weights in 161 variables, constant gradients. What is compared:

- sgd: SGD with momentum 0.9 and L2 regularisation 1e-4: ours (`training.optimizer.Update`), Keras's
  SGD after `gradient + 1e-4 * weight`, and torch.optim.SGD as it is by default and with fused=True.
- adam: Adam without decay, the same.
- followed: SGD as above, then the momentum update of a second network, 0.999.

Contestants take turns step by step, each in its own process with the same number of threads. A
ratio is one of medians, its spread the quartiles of the ratios of single rounds; above 1 ours is
faster. A peer that is not installed is skipped.
"""

import argparse
import os
import statistics

from turns import Process, compare, figures, installed, take_turns

RATE, MOMENTUM, DECAY, KEPT = 0.03, 0.9, 1e-4, 0.999


class TensorFlow:
    """An update by TensorFlow.

    Args:
        part: of `PARTS`.
        threads: of TensorFlow.
        in_place: whether by `Update`, or by Keras's own optimizer.
    """

    def __init__(self, part, threads, in_place):
        import keras
        import tensorflow as tf

        from infomin_tf import graphs
        from infomin_tf.models import resnet
        from infomin_tf.training.optimizer import Update

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        networks = [resnet.ResNet50() for _ in range(2)]
        for network in networks:
            network.build((None, 64, 64, 3))
        self._weights, self._followers = (n.trainable_variables for n in networks)
        self._follows = part == "followed"
        make = keras.optimizers.Adam if part == "adam" else keras.optimizers.SGD
        settings = {} if part == "adam" else {"momentum": MOMENTUM}
        self._decay = 0.0 if part == "adam" else DECAY
        self._optimizer = make(RATE, **settings)
        if in_place:
            self._optimizer = Update(self._optimizer, self._decay)
        self._optimizer.build(self._weights)
        self._in_place = in_place
        self._gradients = [tf.random.normal(w.shape, stddev=1e-3) for w in self._weights]
        self._run = graphs.compiled(self._update)

    def step(self):
        """One update."""
        self._run(self._gradients)

    def _update(self, gradients):
        from infomin_tf.distribution import replicas

        if self._decay and not self._in_place:
            pairs = zip(gradients, self._weights, strict=True)
            gradients = [g + self._decay * w.value for g, w in pairs]
        self._optimizer.apply(gradients, self._weights)
        if self._follows:
            for follower, w in zip(self._followers, self._weights, strict=True):
                replicas.move_towards(follower.value, w.value, 1.0 - KEPT)


class Torch:
    """The same by PyTorch.

    Args:
        part: of `PARTS`.
        threads: of PyTorch.
        fused: the argument of torch.optim's optimizers.
    """

    def __init__(self, part, threads, fused):
        import torch
        import torchvision

        torch.set_num_threads(threads)
        networks = [torchvision.models.resnet50() for _ in range(2)]
        for network in networks:
            network.fc = torch.nn.Identity()
        self._weights, self._followers = (list(n.parameters()) for n in networks)
        for w in self._weights:
            w.grad = 1e-3 * torch.randn_like(w)
        self._follows = part == "followed"
        if part == "adam":
            self._optimizer = torch.optim.Adam(self._weights, RATE, fused=fused)
        else:
            settings = {"momentum": MOMENTUM, "weight_decay": DECAY, "fused": fused}
            self._optimizer = torch.optim.SGD(self._weights, RATE, **settings)

    def step(self):
        """One update."""
        import torch

        self._optimizer.step()
        if self._follows:
            with torch.no_grad():
                torch._foreach_lerp_(self._followers, self._weights, 1.0 - KEPT)


PARTS = ("sgd", "adam", "followed")


def measure(part, options):
    """Prints the medians of a part and the ratios to ours."""
    ours = "infomin_tf.training.optimizer"
    contestants = {
        "ours": Process(TensorFlow, ours, part, options.threads, True),
        "keras": Process(TensorFlow, ours, part, options.threads, False),
    }
    if installed("torch", "torchvision"):
        contestants["torch"] = Process(Torch, "torchvision", part, options.threads, None)
        contestants["torch fused"] = Process(Torch, "torchvision", part, options.threads, True)
    calls = [(name, "step") for name in contestants]
    usages = take_turns(contestants, calls, options.rounds, warm=3)
    wall, processor = figures(usages, "call"), figures(usages, "processor")
    for (name, _), values in wall.items():
        print(f"  {part:9} {name:12} {1000 * statistics.median(values):6.1f} ms")
    for call in calls[1:]:
        names = call[0], compare(wall, call, calls[0]), compare(processor, call, calls[0])
        print("{}: {} / ours {}, of processor time {}".format(part, *names))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=51, help="updates of each contestant")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    for part in options.only:
        measure(part, options)


if __name__ == "__main__":
    main()
