"""Times the exported step of MoCo beside PyTorch's on the accelerator that JAX and PyTorch find.

python time_step.py DIR [--rounds=7] [--steps=20]

DIR is what `export_steps.py` wrote of `moco_step.gin`. Ours has everything in it: two views of
InfoMin Aug from uint8 images, both encoders, queue, SGD, momentum update. PyTorch's has its views
given, which favours it: torchvision's ResNet-50, the same loss, queue, optimizer and momentum
update, eager and by torch.compile, channels last, float32 with TF32 and bfloat16 by autocast.
Contestants take turns of some steps each; a ratio is one of medians, with the quartiles of single
rounds. Peers of each precision are compared with ours of that precision.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs memory, too

import jax  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from jax.extend import backend  # noqa: E402
from run_steps import Program, read  # noqa: E402
from torch.nn import functional  # noqa: E402

PRECISIONS = {"float32": False, "mixed-bfloat16": True}
RATE, SGD_MOMENTUM, WEIGHT_DECAY, KEY_MOMENTUM, TEMPERATURE = 0.03, 0.9, 1e-4, 0.999, 0.07
DIMENSION, QUEUE, SIZE = 128, 65536, 224


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="of each contestant in a round")
    parser.add_argument("--side", type=int, default=256, help="of the exported images")
    parser.add_argument("--size", type=int, default=SIZE, help="of a view, for PyTorch")
    return parser.parse_args()


class Ours:
    """The exported step of infomin_tf.

    Args:
        values: parsed arguments.
        precision: setting of `moco_step.gin`.
    """

    def __init__(self, values, precision):
        device = backend.get_backend().local_devices()[0]
        self._program = Program(values.folder, f"{precision}_pretrain", device)
        with open(os.path.join(values.folder, f"{precision}.json")) as file:
            stage = json.load(file)[0]["stages"][0]
        self._inputs = self._program.inputs([read(values.folder, n) for n in stage["state"]])
        self.batch = self._program.meta["batch"]
        shape = (self.batch, values.side, values.side, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self._images = self._program.put(images)
        self._labels = self._program.put(np.arange(self.batch, dtype=np.int32))
        self._count = 0

    def run(self, steps):
        """Makes steps, each with other views; returns the last loss."""
        for _ in range(steps):
            self._count += 1
            seed = self._program.put(np.array([self._count, 7], np.int32))
            metrics = self._program.step([seed, self._images, self._labels], self._inputs)
        jax.block_until_ready(self._inputs)
        return float(metrics["loss"])


class Torch:
    """The same step in PyTorch without the making of views.

    Args:
        batch: images per step.
        size: side of a view.
        bfloat16: autocast.
        compiled: by torch.compile.
    """

    def __init__(self, batch, size, bfloat16, compiled):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(1)
        device, layout = ("cuda" if torch.cuda.is_available() else "cpu"), torch.channels_last
        self._query, self._key = (
            torchvision.models.resnet50(num_classes=DIMENSION)
            .to(device=device, memory_format=layout)
            .train()
            for _ in range(2)
        )
        self._key.load_state_dict(self._query.state_dict())
        views = torch.randn(2, batch, 3, size, size, device=device)
        self._views = [view.contiguous(memory_format=layout) for view in views]
        self._queue = functional.normalize(torch.randn(QUEUE, DIMENSION, device=device))
        self._labels = torch.zeros(batch, dtype=torch.long, device=device)
        self._pointer = 0
        self._optimizer = torch.optim.SGD(
            self._query.parameters(), RATE, SGD_MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        self._autocast = torch.autocast(device, torch.bfloat16, enabled=bfloat16)
        self._loss = torch.compile(self._forward) if compiled else self._forward

    def run(self, steps):
        """Makes steps; returns the last loss."""
        for _ in range(steps):
            loss, keys = self._loss(*self._views)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._follow(keys)
        return loss.item()

    def _forward(self, v1, v2):
        with self._autocast:
            q = functional.normalize(self._query(v1).float())
            with torch.no_grad():
                k = functional.normalize(self._key(v2).float())
        positive = (q * k).sum(1, keepdim=True)
        logits = torch.cat([positive, q @ self._queue.T], 1) / TEMPERATURE
        return functional.cross_entropy(logits, self._labels), k

    @torch.no_grad()
    def _follow(self, keys):
        theirs = list(self._key.parameters())
        torch._foreach_lerp_(theirs, list(self._query.parameters()), 1.0 - KEY_MOMENTUM)
        self._queue[self._pointer : self._pointer + len(keys)] = keys
        self._pointer = (self._pointer + len(keys)) % QUEUE


def main():
    values = arguments()
    print(f"JAX {jax.__version__}, PyTorch {torch.__version__}, {jax.devices()[0].device_kind}")
    for precision, bfloat16 in PRECISIONS.items():
        if not os.path.exists(os.path.join(values.folder, f"{precision}.json")):
            continue
        contestants = {"ours": Ours(values, precision)}
        batch = contestants["ours"].batch
        for name, compiled in (("eager", False), ("torch.compile", True)):
            contestants[name] = Torch(batch, values.size, bfloat16, compiled)
        seconds = take_turns(contestants, values)
        for name, times in seconds.items():
            rate = values.steps * batch / statistics.median(times)
            print(f"{precision}: {name:14} {rate:8.1f} images/s", flush=True)
        for name in list(seconds)[1:]:
            ratios = [a / b for a, b in zip(seconds[name], seconds["ours"], strict=True)]
            low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
            ratio = statistics.median(seconds[name]) / statistics.median(seconds["ours"])
            print(f"{precision}: ours / {name} {ratio:.3f} ({low:.3f} to {high:.3f})", flush=True)


def take_turns(contestants, values):
    """dict name -> seconds of each round, after one that does not count."""
    seconds = {name: [] for name in contestants}
    for turn in range(-1, values.rounds):
        for name in sorted(contestants, key=list(contestants).index, reverse=turn % 2 == 1):
            started = time.perf_counter()
            loss = contestants[name].run(values.steps)
            seconds[name].append(time.perf_counter() - started)
            if turn < 0:
                print(
                    f"  {name}: first {values.steps} steps {seconds[name].pop():.1f} s, {loss:.3f}"
                )
    return seconds


if __name__ == "__main__":
    main()
