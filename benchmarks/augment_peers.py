"""Contestants of augment.py next to infomin_tf: torchvision and albumentations in a DataLoader."""

import contextlib
import dataclasses
import glob
import multiprocessing
import os
import time

import numpy as np
from PIL import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILL = (124, 116, 104)
BUFFERED_BATCHES = 6  # more than a DataLoader with two workers keeps ready


@dataclasses.dataclass
class Case:
    """What to make of what: images uint8 [M, H, W, 3], or None for the JPEG files of `folder`."""

    name: str
    size: int
    batch: int
    workers: int
    folder: str
    images: np.ndarray | None = None

    @property
    def kernel(self):
        """Width of the blur: odd, about a tenth of the side."""
        return 2 * round((self.size / 10 - 1) / 2) + 1


class Contestant:
    """Measures batches; subclasses give a fresh iterator in `batches`.

    Args:
        case: a `Case`.
    """

    def __init__(self, case):
        self.case = case

    def images_per_second(self, seconds):
        """Images of two views: (per second of the clock, per processor second), buffers drained."""
        batches = iter(self.batches())
        warm = time.perf_counter() + seconds / 2
        count = 0
        while count < BUFFERED_BATCHES or time.perf_counter() < warm:
            next(batches)
            count += 1
        count, started, processor = 0, time.perf_counter(), processor_seconds()
        # Workers deliver in turn: only whole rounds of them are counted.
        while count % self.case.workers or time.perf_counter() < started + seconds:
            next(batches)
            count += 1
        images = count * self.case.batch
        wall, processor = time.perf_counter() - started, processor_seconds() - processor
        return images / wall, images / processor


def processor_seconds():
    """Processor time of this process so far and, where there is /proc, of its living workers."""
    total = time.process_time()
    for worker in multiprocessing.active_children():
        with contextlib.suppress(OSError), open(f"/proc/{worker.pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
            total += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return total


class Loader(Contestant):
    """A peer in a DataLoader: `open` gives an image of a file or array, `transform` a view."""

    def __init__(self, case):
        super().__init__(case)
        self._items = find_jpegs(case.folder) if case.images is None else case.images

    def batches(self):
        """A DataLoader whose workers start with its iterator."""
        import torch

        how = {"num_workers": self.case.workers, "drop_last": True}
        return torch.utils.data.DataLoader(self, self.case.batch, **how)

    def __len__(self):
        return 10**7

    def __getitem__(self, index):
        image = self.open(self._items[index % len(self._items)])
        return self.transform(image), self.transform(image), -1


class Torchvision(Loader):
    """PIL images; RandAugment of one operation, applied with probability 0.5, twice."""

    def __init__(self, case):
        from torchvision import transforms as t

        super().__init__(case)
        bilinear = t.InterpolationMode.BILINEAR
        one = t.RandAugment(1, magnitude=30, interpolation=bilinear, fill=list(FILL))
        self.transform = t.Compose(
            [
                t.RandomResizedCrop(case.size, (0.2, 1.0)),
                t.RandomHorizontalFlip(),
                t.RandomApply([t.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
                t.RandomApply([t.GaussianBlur(case.kernel, (0.1, 2.0))], 0.5),
                t.RandomApply([one], 0.5),
                t.RandomApply([one], 0.5),
                t.RandomGrayscale(0.2),
                t.ToTensor(),
                t.Normalize(MEAN, STD),
            ]
        )

    def open(self, item):
        """PIL image."""
        if isinstance(item, str):
            return Image.open(item).convert("RGB")
        return Image.fromarray(item)


class Albumentations(Loader):
    """Arrays, OpenCV underneath."""

    def __init__(self, case):
        import albumentations as a
        import cv2
        from albumentations.pytorch import ToTensorV2

        super().__init__(case)
        cv2.setNumThreads(0)

        def jitter(*strengths):
            limits = [(1 - s, 1 + s) for s in strengths[:3]]
            return a.ColorJitter(*limits, (-strengths[3], strengths[3]), p=1.0)

        def affine(**arguments):
            return a.Affine(**arguments, fill=FILL, p=1.0)

        operations = [
            *(kind(p=1.0) for kind in (a.AutoContrast, a.Equalize, a.InvertImg)),
            a.Posterize(4, p=1.0),
            a.Solarize((1.0, 1.0), p=1.0),
            a.RandomBrightnessContrast((0.4, 0.4), (0.0, 0.0), p=1.0),
            *(jitter(*strengths, 0.0) for strengths in np.diag([0.9, 0.9, 0.9])),
            a.Sharpen(kernel_size=3, p=1.0),
            affine(rotate=(-30, 30)),
            affine(shear={"x": (-17, 17), "y": (0, 0)}),
            affine(shear={"x": (0, 0), "y": (-17, 17)}),
            affine(translate_percent={"x": (-0.45, 0.45), "y": (0, 0)}),
            affine(translate_percent={"x": (0, 0), "y": (-0.45, 0.45)}),
        ]
        self._views = a.Compose(
            [
                a.RandomResizedCrop((case.size, case.size), (0.2, 1.0)),
                a.HorizontalFlip(),
                a.OneOf([jitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
                a.GaussianBlur((case.kernel, case.kernel), (0.1, 2.0), p=0.5),
                a.OneOf(operations, p=0.5),
                a.OneOf(operations, p=0.5),
                a.ToGray(p=0.2),
                a.Normalize(MEAN, STD),
                ToTensorV2(),
            ]
        )

    def transform(self, image):
        """A view."""
        return self._views(image=image)["image"]

    def open(self, item):
        """Array of RGB."""
        import cv2

        return cv2.imread(item, cv2.IMREAD_COLOR_RGB) if isinstance(item, str) else item


def find_jpegs(folder):
    """Paths, sorted."""
    found = glob.glob(os.path.join(glob.escape(folder), "**", "*"), recursive=True)
    return sorted(path for path in found if path.lower().endswith((".jpg", ".jpeg")))
