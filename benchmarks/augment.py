"""Images a second of two InfoMin views: infomin_tf on the host, torchvision, albumentations.

    python benchmarks/augment.py   # --images DIR for JPEGs of your own, --profile for ours alone

- small: from uint8 96x96 images in memory to two views of 64x64, batch 256;
- jpeg: from JPEG files of about 500x375 (in the page cache) to two views of 224x224, decoded once
  for both, batch 64.

Each side does the whole work: read, decode, two random views of each image (crop of area 0.2 to 1
and flip; colour jitter (0.8, 0.8, 0.8, 0.2) with probability 0.8; blur, a tenth of the side wide,
0.5; two operations of RandAugment, each with probability 0.5; grey 0.2), float32 normalised by
channel, a batch in the training process. Ours runs in tf.data; the peers run one image at a time in
a DataLoader with as many workers as cores. Where they differ: torchvision works on PIL images and
antialiases as ours does; albumentations (OpenCV without threads of its own) does not; its
RandAugment is put together from 14 of its transforms that come nearest. Ours decodes only the
window that both crops need; torchvision's decoder is PIL, albumentations' OpenCV.

Contestants take turns; each turn starts a fresh iterator and warms it up. A ratio is one of medians
over the rounds, its spread the quartiles of the ratios of single rounds; where others use the cores
too, images per processor second are steadier. A peer that is not installed is skipped. Without
--images the files are made: smooth random colours and noise, in size as photographs are.
"""

import argparse
import os
import statistics
import tempfile
import time

import numpy as np
from augment_peers import MEAN, STD, Albumentations, Case, Contestant, Torchvision, find_jpegs
from PIL import Image, ImageOps
from turns import Process, compare, figures, installed, take_turns


class Ours(Contestant):
    """infomin_tf: the training pipeline as it is, and the standardisation of a training step."""

    def __init__(self, case):
        from infomin_tf.data import image_folder, pipeline
        from infomin_tf.data.images import ArrayImages
        from infomin_tf.data.order import Order
        from infomin_tf.views import color, families, pairs, splits

        super().__init__(case)
        if case.images is None:
            folder = image_folder.ImageFolder(case.folder, case.size, memory_limit_gib=0.0)
            images = folder.load()
        else:
            images = ArrayImages("benchmark", case.images, [-1] * len(case.images))
        pair = pairs.IndependentPair(families.infomin(case.size))
        whole = splits.Whole(color.RGB(), MEAN, STD)
        whole.build((None, case.size, case.size, 3))
        views = pipeline.training_batches(images, Order(case.batch, 0), pair)
        self._batches = views.map(lambda v, labels: (whole(v[0])[0], whole(v[1])[0], labels))

    def batches(self):
        """A fresh iterator."""
        return iter(self._batches)


class Profile:
    """Processor time of each part of our family alone, on chunks of images as in the pipeline.

    Args:
        case: a `Case`.
    """

    def __init__(self, case):
        import tensorflow as tf

        from infomin_tf.views import families

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._chunk = max(1, 2**17 // case.size**2)
        self._family = families.infomin(case.size)
        self._paths, self._images = find_jpegs(case.folder), case.images

    def microseconds(self, seconds):
        """Dict part -> microseconds a view."""
        import tensorflow as tf

        chunk, family = self._chunk, self._family
        draws = [family.draw(chunk, tf.constant([i, 7])) for i in range(64)]
        seeds = [(tf.constant([i, 8]),) for i in range(64)]
        times = {"all draws": self._time(lambda seed: family.draw(chunk, seed), seeds, seconds)}
        if self._images is None:
            crops = self._decode(draws, times, seconds)
        else:
            images = tf.constant(self._images[:chunk])
            calls = [(images, d[0]) for d in draws]
            times["crop"] = self._time(family.crop.apply, calls, seconds)
            crops = family.crop.apply(images, draws[0][0])
        for index, part in enumerate(family.operations, 1):
            calls = [(crops, (None, d[index])) for d in draws]
            alone = type(family)(family.crop, [part]).finish
            times[type(part).__name__] = self._time(alone, calls, seconds)
            if hasattr(part, "operations"):
                self._split(part, alone, crops, draws[0][index], times, seconds)
        calls = [(crops, d) for d in draws]
        times["all after the crop"] = self._time(family.finish, calls, seconds)
        return times

    def _split(self, part, alone, crops, draws, times, seconds):
        """Adds each operation of RandAugment, on every image and in every layer."""
        import tensorflow as tf

        for operation in part.operations:
            fixed = draws | {"operation": tf.fill(draws["operation"].shape, int(operation))}
            cost = self._time(alone, [(crops, (None, fixed))], seconds) / part.layers
            times[f"  {operation.name.lower()}"] = cost

    def _decode(self, draws, times, seconds):
        """Crops of a chunk; adds half the time of decoding with the two crops of a pair."""
        import tensorflow as tf

        from infomin_tf.views.augment import jpeg

        def decode(encoded, *pair):
            return jpeg.decode_crops(encoded, (self._family,) * 2, pair)

        files = [tf.io.read_file(path) for path in self._paths[:64]]
        ones = [tf.nest.map_structure(lambda x: x[:1], d) for d in draws]
        calls = [(f, ones[i], ones[i - 1]) for i, f in enumerate(files)]
        times["decode and crop"] = self._time(decode, calls, seconds) * self._chunk / 2
        return tf.concat([decode(*call)[0] for call in calls[: self._chunk]], axis=0)

    def _time(self, function, calls, seconds):
        import tensorflow as tf

        compiled = tf.function(function, reduce_retracing=True)
        spent, count = 0.0, -3
        while spent < seconds / 5:
            started = time.process_time()
            compiled(*calls[count % len(calls)])
            spent += time.process_time() - started if count >= 0 else 0.0
            count += 1
        return 1e6 * spent / count / self._chunk


def write_jpegs(folder, count, seed=0):
    """Random smooth images and noise, 500x375, about as many bytes as photographs have."""
    generator = np.random.default_rng(seed)
    for index in range(count):
        layers = np.zeros((375, 500, 3), np.float32)
        for cells, strength in ((3, 60), (12, 40), (48, 25), (192, 14)):
            coarse = generator.normal(0, 1, (cells * 3 // 4 + 1, cells, 3)).astype(np.float32)
            for c in range(3):
                layer = Image.fromarray(coarse[..., c]).resize((500, 375), Image.Resampling.BICUBIC)
                layers[..., c] += strength * np.asarray(layer)
        layers += generator.normal(128, 6, (375, 500, 1))
        image = Image.fromarray(layers.clip(0, 255).astype(np.uint8))
        image.save(os.path.join(folder, f"{index:05}.jpg"), quality=85)


def read_small(paths, side=96):
    """uint8 [M, side, side, 3]: the centres of files."""
    images = [ImageOps.fit(Image.open(p).convert("RGB"), (side, side)) for p in paths]
    return np.stack([np.asarray(image) for image in images])


def make_cases(folder):
    """The two cases, from the JPEG files of a folder."""
    paths = find_jpegs(folder)
    if len(paths) < 256:
        raise SystemExit(f"{folder} has {len(paths)} JPEG files; give a folder with at least 256")
    kilobytes = statistics.median(os.path.getsize(path) for path in paths) / 1000
    print(f"{len(paths)} files, median {kilobytes:.0f} kB")
    workers = len(os.sched_getaffinity(0))
    return (
        Case("small", 64, 256, workers, folder, read_small(paths[:2048])),
        Case("jpeg", 224, 64, workers, folder),
    )


def measure(case, options):
    """Prints images per second of each contestant and the ratios."""
    contestants = {"ours": Process(Ours, "infomin_tf.views.families", case)}
    if installed("torch", "torchvision"):
        contestants["torchvision"] = Process(Torchvision, "torchvision", case)
    if installed("torch", "albumentations"):
        contestants["albumentations"] = Process(Albumentations, "albumentations", case)
    ours, *peers = calls = [(n, "images_per_second", options.seconds) for n in contestants]
    usages = take_turns(contestants, calls, options.rounds, warm=0)
    wall = figures(usages, "result", lambda rates: rates[0])
    processor = figures(usages, "result", lambda rates: rates[1])
    for call in calls:
        rate, each = (statistics.median(rates[call]) for rates in (wall, processor))
        print(f"{case.name}: {call[0]:15} {rate:6.0f} images/s, {each:6.0f} per processor second")
    for peer in peers:
        ratio, used = (compare(rates, ours, peer) for rates in (wall, processor))
        print(f"{case.name}: ours / {peer[0]} {ratio}, of processor time {used}")


def profile(case, options):
    """Prints where our time goes."""
    process = Process(Profile, "infomin_tf.views.families", case)
    for part, microseconds in process.call("microseconds", options.seconds)["result"].items():
        print(f"{case.name}: {part:20} {microseconds:7.0f} us a view")
    process.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--images", help="folder of JPEG files; made when not given")
    parser.add_argument("--profile", action="store_true", help="only where our time goes")
    parser.add_argument("--only", nargs="+", choices=("small", "jpeg"), default=("small", "jpeg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.images:
            write_jpegs(folder, 512)
        for case in make_cases(options.images or folder):
            if case.name in options.only:
                (profile if options.profile else measure)(case, options)


if __name__ == "__main__":
    main()
