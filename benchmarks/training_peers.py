"""Contestants of training.py next to infomin_tf: lightly, and torchvision v2 in plain PyTorch."""

import contextlib
import copy
import dataclasses
import multiprocessing
import os
import threading

import numpy as np
from augment_peers import MEAN, STD, find_jpegs

RATE, SGD_MOMENTUM, WEIGHT_DECAY = 0.06, 0.9, 1e-4
KEY_MOMENTUM, DIMENSION = 0.99, 128


@dataclasses.dataclass
class Case:
    """What to train: ResNet-18 on images uint8 [M, H, W, 3], or on the JPEG files of `folder`.

    SimCLR (NT-Xent) without a queue, MoCo v2 with one. Without files the network has the stem for
    small images, one convolution of 3x3. `max_pool`: whether pooling follows the stem.
    """

    name: str
    size: int
    batch: int
    steps: int
    workers: int
    queue: int
    seed: int = 0
    folder: str = ""
    images: np.ndarray | None = None
    max_pool: bool = True

    @property
    def jitter(self):
        """Brightness, contrast, saturation and hue of the recipe."""
        return (0.4, 0.4, 0.4, 0.1) if self.queue else (0.8, 0.8, 0.8, 0.2)

    @property
    def temperature(self):
        """Of the recipe."""
        return 0.2 if self.queue else 0.1


class Trainer:
    """A contestant; subclasses have `epoch`, `features` and `network`.

    Args:
        case: a `Case`.
    """

    def __init__(self, case):
        self.case = case

    def memory(self):
        """Peak memory of an epoch in MiB, workers included."""
        with proportional_memory() as peak:
            self.epoch()
        return peak[0]

    def learn(self, *images):
        """Trains; returns features of arrays uint8 [M, H, W, 3], a float32 [M, 512] for each."""
        self.epoch()
        return [self.features(array) for array in images]


class Pytorch(Trainer):
    """What both peers share: DataLoader, network, optimizer, momentum encoder, channels last."""

    def __init__(self, case):
        import torch
        import torchvision

        super().__init__(case)
        torch.set_num_threads(case.workers)
        torch.manual_seed(case.seed)
        network = torchvision.models.resnet18()
        if not case.folder:
            network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        if not case.max_pool:
            network.maxpool = torch.nn.Identity()
        network.fc = torch.nn.Identity()
        self._query = torch.nn.Sequential(network, self.make_head())
        self._query.to(memory_format=torch.channels_last).train()
        self._key = copy.deepcopy(self._query).requires_grad_(False) if case.queue else None
        parameters = self._query.parameters()
        self._optimizer = torch.optim.SGD(
            parameters, RATE, momentum=SGD_MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        how = {"num_workers": case.workers, "persistent_workers": True, "drop_last": True}
        shuffled = torch.utils.data.RandomSampler(
            _Views(case, self.open, self.transform()), num_samples=case.steps * case.batch
        )
        self._loader = torch.utils.data.DataLoader(
            shuffled.data_source, case.batch, sampler=shuffled, **how
        )

    def network(self):
        """(number of trained parameters, side of the last map of a view in pixels)."""
        import torch

        sides, network = [], self._query[0].eval()
        hook = network.layer4.register_forward_hook(lambda *found: sides.append(found[2].shape[-1]))
        with torch.no_grad():
            network(torch.zeros(1, 3, self.case.size, self.case.size))
        hook.remove()
        network.train()
        return sum(array.numel() for array in self._query.parameters()), *sides

    def epoch(self):
        """Trains; returns the last loss."""
        import torch

        for views in self._loader:
            v1, v2 = (v.contiguous(memory_format=torch.channels_last) for v in views)
            loss = self.loss(self._query(v1), self._other(v2))
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._follow()
        return loss.item()

    def _other(self, v2):
        import torch

        if self._key is None:
            return self._query(v2)
        with torch.no_grad():
            return self._key(v2)

    def _follow(self):
        import torch

        if self._key is not None:
            pairs = zip(self._key.parameters(), self._query.parameters(), strict=True)
            with torch.no_grad():
                for theta_k, theta_q in pairs:
                    theta_k.mul_(KEY_MOMENTUM).add_(theta_q, alpha=1.0 - KEY_MOMENTUM)

    def features(self, images):
        """Before the head, in inference."""
        import torch

        self._query.eval()
        x = (images / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
        with torch.no_grad():
            parts = torch.from_numpy(x).permute(0, 3, 1, 2).split(256)
            return torch.cat([self._query[0](part) for part in parts]).numpy()


class _Views:
    """Two views of each image, for a DataLoader."""

    def __init__(self, case, opened, transform):
        self._opened, self._transform = opened, transform
        self._items = find_jpegs(case.folder) if case.folder else case.images

    def __len__(self):
        return len(self._items)

    def __getitem__(self, index):
        image = self._opened(self._items[index])
        return self._transform(image), self._transform(image)


class Lightly(Pytorch):
    """lightly's transforms (PIL), heads, and NTXentLoss with its memory bank."""

    def make_head(self):
        """Its projection head, without batch normalisation as in SimCLR's first version."""
        from lightly import loss
        from lightly.models.modules import heads

        case = self.case
        bank = (case.queue, DIMENSION) if case.queue else 0
        self.loss = loss.NTXentLoss(case.temperature, memory_bank_size=bank)
        if case.queue:
            return heads.MoCoProjectionHead(512, 512, DIMENSION, batch_norm=False)
        return heads.SimCLRProjectionHead(512, 512, DIMENSION, batch_norm=False)

    def transform(self):
        """SimCLR's at the strengths of the recipe."""
        from lightly.transforms import simclr_transform

        brightness, contrast, saturation, hue = self.case.jitter
        return simclr_transform.SimCLRViewTransform(
            input_size=self.case.size,
            cj_bright=brightness,
            cj_contrast=contrast,
            cj_sat=saturation,
            cj_hue=hue,
            min_scale=0.2,
        )

    @staticmethod
    def open(item):
        """PIL image."""
        from PIL import Image

        return Image.open(item).convert("RGB") if isinstance(item, str) else Image.fromarray(item)


class Torchvision(Pytorch):
    """Transforms v2 on uint8 tensors, as solo-learn's recipe has them; the loss written out."""

    def make_head(self):
        """Two linear layers."""
        import torch

        generator = torch.Generator().manual_seed(self.case.seed)
        rows = torch.randn(max(1, self.case.queue), DIMENSION, generator=generator)
        self._queue = torch.nn.functional.normalize(rows)
        self._pointer = 0
        return torch.nn.Sequential(
            torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, DIMENSION)
        )

    def transform(self):
        """SimCLR's at the strengths of the recipe."""
        import torch
        from torchvision.transforms import v2

        kernel = 2 * round((self.case.size / 10 - 1) / 2) + 1
        return v2.Compose(
            [
                v2.RandomResizedCrop(self.case.size, (0.2, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(*self.case.jitter)], 0.8),
                v2.RandomGrayscale(0.2),
                v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], 0.5),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    @staticmethod
    def open(item):
        """Tensor uint8 [3, H, W]."""
        import torch
        from torchvision import io

        if isinstance(item, str):
            return io.decode_image(item, io.ImageReadMode.RGB)
        return torch.from_numpy(item).permute(2, 0, 1)

    def loss(self, q, k):
        """NT-Xent, or InfoNCE against the queue."""
        import torch
        from torch.nn import functional

        q, k = functional.normalize(q), functional.normalize(k)
        if not self.case.queue:
            z = torch.cat([q, k])
            logits = z @ z.T / self.case.temperature
            logits.fill_diagonal_(-torch.inf)
            return functional.cross_entropy(logits, torch.arange(len(z)).roll(len(q)))
        positive = (q * k).sum(1, keepdim=True)
        logits = torch.cat([positive, q @ self._queue.T], 1) / self.case.temperature
        rows = (self._pointer + torch.arange(len(k))) % len(self._queue)
        self._queue = self._queue.index_copy(0, rows, k)
        self._pointer = (self._pointer + len(k)) % len(self._queue)
        return functional.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


@contextlib.contextmanager
def proportional_memory(interval=0.2):
    """A list with the peak memory of this process and its workers in MiB, sampled.

    The proportional set size of Linux, in which shared pages count once.
    """
    peak, ended = [0.0], threading.Event()

    def watch():
        while not ended.wait(interval):
            workers = [child.pid for child in multiprocessing.active_children()]
            peak[0] = max(peak[0], sum(map(_proportional, [os.getpid(), *workers])))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _proportional(process):
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
    return 0.0
