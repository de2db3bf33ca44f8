"""What images that are read from disk cost as they become more, and as workers share them.

    python benchmarks/growth.py

Synthetic 8x8 images: as a TFDS set of ArrayRecord and of TFRecord, in 16 files each, and as a
folder of PNG files. Each measurement is of a process of its own, which reads and decodes batches of
256 without making views. Bytes are those that it reads (rchar of /proc/self/io), cached or not.
Three tables:

- Bytes that each of 1, 2 and 4 workers reads, to open the set and in the second epoch. The
  first epoch also reads ahead what belongs to the second, so it is not counted.
- The first batch from the beginning and after a resume at 90 % of an epoch.
- Time and memory from 1,000 images on. Memory is what a process holds for itself (RssAnon) beyond
  what it holds once everything is imported and a set of 256 images has been read.
"""

import argparse
import io
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import tempfile
import time

BATCH, SIDE, SHARDS, DISTINCT = 256, 8, 16, 64
KINDS = ("array_record", "tfrecord", "folder")
WORKERS = (1, 2, 4)


def pictures():
    """Bytes of some PNG files."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for _ in range(DISTINCT):
        with io.BytesIO() as file:
            pixels = generator.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(file, "PNG")
            yield file.getvalue()


def make(kind, count, folder):
    """Writes a set of `count` images into a folder that is new."""
    os.makedirs(folder)
    if kind == "folder":
        names = [f"{folder}/{number}.png" for number in range(DISTINCT)]
        for name, picture in zip(names, pictures(), strict=True):
            pathlib.Path(name).write_bytes(picture)
        for number in range(DISTINCT, count):
            below = f"{folder}/{number // 1000}"
            os.makedirs(below, exist_ok=True)
            os.link(names[number % DISTINCT], f"{below}/{number}.png")
        return
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(SIDE, SIDE, 3))})
    examples = [features.serialize_example({"image": io.BytesIO(x)}) for x in pictures()]
    place = pathlib.Path(folder, "tiny", "1.0.0")
    place.mkdir(parents=True)
    template = tfds.core.ShardedFileTemplate(
        data_dir=place, dataset_name="tiny", split="train", filetype_suffix=kind
    )
    adapter = tfds.core.file_adapters.ADAPTER_FOR_FORMAT[tfds.core.FileFormat(kind)]
    ends = [count * number // SHARDS for number in range(SHARDS + 1)]
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        records = ((place, examples[place % DISTINCT]) for place in range(start, end))
        path = template.sharded_filepath(shard_index=number, num_shards=SHARDS)
        adapter.write_examples(path, records)
    split = tfds.core.SplitInfo(
        name="train",
        shard_lengths=[end - start for start, end in itertools.pairwise(ends)],
        num_bytes=sum(path.stat().st_size for path in place.iterdir()),
        filename_template=template,
    )
    tfds.folder_dataset.write_metadata(
        data_dir=place, features=features, split_infos=[split], check_data=False
    )
    described = json.loads((place / "dataset_info.json").read_text())
    described |= {"name": "tiny", "fileFormat": kind}
    (place / "dataset_info.json").write_text(json.dumps(described))


def status(path, field):
    """The integer of a field of /proc/self/PATH."""
    text = pathlib.Path("/proc/self", path).read_text(encoding="utf-8")
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])


def read(kind, folder, share=0.0, worker=(0, 1), steps=None):
    """Reads a set from a share of its first epoch on, for some steps or to its end and once more.

    Returns:
        dict of the seconds and bytes to open it, to the first batch, of the others, and of the
        second epoch.
    """
    from infomin_tf.data.image_folder import ImageFolder
    from infomin_tf.data.order import Order, Shard
    from infomin_tf.data.tfds_source import Tfds

    marks = [(time.monotonic(), status("io", "rchar"))]
    note = lambda: marks.append((time.monotonic(), status("io", "rchar")))
    if kind == "folder":
        images = ImageFolder(folder, SIDE, memory_limit_gib=0.0).load()
    else:
        images = Tfds("tiny", "train", memory_limit_gib=0.0).load(folder)
    note()
    all_steps = images.size // BATCH
    order = Order(BATCH, 0, int(share * all_steps), Shard(*worker))
    batches = iter(images.raw(order, order.size))
    parts = 1, (steps or all_steps - order.first_step) - 1, 0 if steps else all_steps
    for count in parts:
        for _ in itertools.islice(batches, count):
            pass
        note()
    seconds, amounts = (
        [after - before for before, after in itertools.pairwise(each)]
        for each in zip(*marks, strict=True)
    )
    return {"seconds": seconds, "bytes": amounts, "size": images.size}


def measured(small, *arguments, **named):
    """`read`, once everything is imported and a small set has been read, with its memory in KiB."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    read(arguments[0], small)
    before = status("status", "RssAnon")
    return read(*arguments, **named) | {"memory": status("status", "RssAnon") - before}


class Sets:
    """The sets in a folder, made when they are asked for, and measurements of them."""

    def __init__(self, folder):
        self._folder = folder

    def _of(self, kind, count):
        folder = f"{self._folder}/{kind}_{count}"
        if not os.path.exists(folder):
            run_apart(make, kind, count, folder)
        return folder

    def read(self, kind, count, **named):
        """`measured` of a set of a kind, in a process of its own."""
        return run_apart(measured, self._of(kind, BATCH), kind, self._of(kind, count), **named)


def run_apart(function, *arguments, **named):
    """What a function returns in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments, named)


def show(*cells):
    """Prints a row of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def table(*names):
    """Prints the head of a table."""
    print()
    show(*names)
    show(*["---"] * len(names))


def main():
    """Makes the sets and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--images", type=int, default=50_000, help="in the table of bytes")
    parser.add_argument("--resumed", type=int, default=1_000_000, help="in the table of resumes")
    parser.add_argument("--largest", type=int, default=1_000_000, help="in the table of growth")
    parser.add_argument("--steps", type=int, default=100, help="in the table of growth")
    options = parser.parse_args()
    os.environ["XDG_CACHE_HOME"] = os.devnull  # each folder is opened as for the first time
    with tempfile.TemporaryDirectory() as folder:
        sets = Sets(folder)
        table("kind", "images", "workers", "MB to open, each", "MB in an epoch, each")
        for kind, count in itertools.product(options.kinds, WORKERS):
            found = [
                sets.read(kind, options.images, worker=(index, count))["bytes"]
                for index in range(count)
            ]
            opening = ", ".join(f"{each[0] / 1e6:.1f}" for each in found)
            epoch = ", ".join(f"{each[-1] / 1e6:.1f}" for each in found)
            show(kind, options.images, count, opening, epoch)
        table("kind", "images", "from", "s to open", "s to the first batch", "MB read by then")
        for kind, share in itertools.product(options.kinds, (0.0, 0.9)):
            found = sets.read(kind, options.resumed, share=share, steps=1)
            (opening, first, *_), amounts = found["seconds"], found["bytes"]
            begin = f"{share:.0%}"
            size, amount = found["size"], sum(amounts) / 1e6
            show(kind, size, begin, f"{opening:.2f}", f"{first:.2f}", f"{amount:.1f}")
        sizes = [10**n for n in range(3, 10) if 10**n <= options.largest]
        table(
            "kind",
            "images",
            "us to open, per image",
            "s to the first batch",
            "us per image after it",
            "MB held",
            "bytes held, per image",
        )
        for kind, count in itertools.product(options.kinds, sizes):
            found = sets.read(kind, count, steps=options.steps)
            opening, first, rest, _ = found["seconds"]
            held, size = found["memory"] * 1024, found["size"]
            per_image = 1e6 * rest / (BATCH * max(1, options.steps - 1))
            numbers = f"{1e6 * opening / size:.1f}", f"{first:.2f}", f"{per_image:.0f}"
            show(kind, size, *numbers, f"{held / 1e6:.0f}", f"{held / size:.0f}")


if __name__ == "__main__":
    main()
