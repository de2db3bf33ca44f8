r"""Training end to end, from images to updates, next to lightly and to plain PyTorch.

  python benchmarks/training.py --data_dir=DIR    # everything; a part: --only jpeg small accuracy

- jpeg: ResNet-18 on JPEG files of about 500x375, views of 224 px, batch 32;
- small: ResNet-18 with the stem for small images, without pooling, on 10,000 images of CIFAR-10 in
  memory, views of 32 px, batch 64;
- accuracy: the same with pooling, which takes a quarter of the time, for some hundred updates with
  each seed, then kNN (20 neighbours, cosine) and logistic regression on the features of 2,000
  training and 1,000 test images: if all are right, contestants differ as seeds do.

Each is trained by SimCLR (NT-Xent, temperature 0.1, jitter (0.8, 0.8, 0.8, 0.2)) and by MoCo v2
(queue of 512 or 4096 keys, temperature 0.2, jitter (0.4, 0.4, 0.4, 0.1)), with crops of area 0.2 to
1, flips, blur and grey, MLP head of 512 to 128, SGD 0.06, momentum 0.9, weight decay 1e-4.

The peers: lightly 1.6 (its transforms on PIL images, heads, loss and memory bank), and torchvision
v2 on uint8 tensors with the loss written out. Both have the channels-last layout, which is the
faster, and a DataLoader with as many persistent workers as cores. Contestants have as many threads
as cores and take turns epoch by epoch, after one that does not count; ours reads the same batches
in each. A ratio is one of medians, its spread the quartiles of the ratios of single rounds. Memory
is the largest proportional set size of an epoch, workers included, of each contestant alone. A
peer that is not installed is skipped.

What differs: ours blurs before it removes colours in SimCLR, the peers after; lightly blurs by
PIL, without a limit of the kernel; the peers' convolution for small images has the initial weights
that PyTorch gives it.
"""

import argparse
import concurrent.futures
import dataclasses
import math
import multiprocessing
import os
import statistics
import tempfile

import numpy as np
from augment import write_jpegs
from augment_peers import MEAN, STD
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from training_peers import (
    DIMENSION,
    KEY_MOMENTUM,
    RATE,
    SGD_MOMENTUM,
    WEIGHT_DECAY,
    Case,
    Lightly,
    Torchvision,
    Trainer,
)
from turns import Process, compare, figures, installed, take_turns

PEERS = {"lightly": Lightly, "torchvision": Torchvision}


class Ours(Trainer):
    """infomin_tf, by Keras's fit."""

    def __init__(self, case):
        import keras

        from infomin_tf.data import image_folder, images, order
        from infomin_tf.learners import contrastive, negatives
        from infomin_tf.models import encoder, features, heads, resnet
        from infomin_tf.views import color, families, pairs, splits

        super().__init__(case)
        keras.utils.set_random_seed(case.seed)
        if case.folder:
            photos = image_folder.ImageFolder(case.folder, case.size, memory_limit_gib=0.0).load()
        else:
            photos = images.ArrayImages("photos", case.images, [-1] * len(case.images))
        family = families.moco_v2 if case.queue else families.simclr
        self._whole = splits.Whole(color.RGB(), MEAN, STD)
        self._whole.build((None, case.size, case.size, 3))
        encoders = [
            encoder.Encoder(
                resnet.ResNet18(small_images=not case.folder, max_pool=case.max_pool),
                heads.MlpHead(DIMENSION),
            )
            for _ in range(2 if case.queue else 1)
        ]
        keys = negatives.NTXent(case.temperature)
        if case.queue:
            keys = negatives.MomentumQueue(case.queue, KEY_MOMENTUM, case.temperature)
        self._learner = contrastive.ContrastiveLearner(
            self._whole,
            encoders[:1],
            keys,
            keras.optimizers.SGD(RATE, momentum=SGD_MOMENTUM),
            encoders[1:],
            both_directions=not case.queue,
            weight_decay=WEIGHT_DECAY,
        )
        self._learner.build((case.size, case.size, 3))
        self._learner.compile(jit_compile=False)
        pair = pairs.IndependentPair(family(case.size))
        self._batches = pair.batches(photos, order.Order(case.batch, case.seed))
        self._encoder = encoders[0]
        self._extractor = features.FeatureExtractor(self._whole, [encoders[0].backbone])

    def network(self):
        """(number of trained parameters, side of the last map of a view in pixels)."""
        view = np.zeros((1, self.case.size, self.case.size, 3), np.float32)
        last = self._encoder.backbone.feature_map(view)
        return sum(math.prod(v.shape) for v in self._encoder.trainable_variables), last.shape[1]

    def epoch(self):
        """Trains; returns the mean loss."""
        how = {"steps_per_epoch": self.case.steps, "shuffle": False, "verbose": 0}
        return self._learner.fit(self._batches, **how).history["loss"][-1]

    def features(self, images):
        """Before the head, in inference."""
        parts = np.array_split(images, -(-len(images) // 250))
        return np.concatenate([self._extractor(part / np.float32(255)) for part in parts])


def contestants():
    """dict name -> function (case) -> `Process`."""
    found = {"ours": lambda case: Process(Ours, "infomin_tf.learners.contrastive", case)}
    for name, peer in PEERS.items():
        if installed("torch", "torchvision", name):
            found[name] = lambda case, peer=peer: Process(peer, "torchvision", case)
    return found


def compare_speed(case, rounds):
    """Prints images per second and memory of each contestant, and the ratios."""
    memory = {}
    for name, start in contestants().items():
        process = start(case)
        memory[name] = [process.call("memory")["result"] for _ in range(2)][-1]
        process.close()
    processes = {name: start(case) for name, start in contestants().items()}
    check_networks(processes)
    ours, *peers = calls = [(name, "epoch") for name in processes]
    seconds = figures(take_turns(processes, calls, rounds), "call")
    for name, call in zip(processes, calls, strict=True):
        rate = case.steps * case.batch / statistics.median(seconds[call])
        print(f"{case.name}: {name:12} {rate:7.1f} images/s, peak memory {memory[name]:5.0f} MiB")
    for peer in peers:
        ratio = f"{memory['ours'] / memory[peer[0]]:.2f}"
        faster = compare(seconds, peer, ours)
        print(f"{case.name}: images/s of ours / {peer[0]} {faster}, memory {ratio}", flush=True)


def compare_accuracy(case, seeds, train, test):
    """Prints accuracies in percent of each contestant, each seed in brackets."""
    found = {}
    for seed in range(seeds):
        for name, start in contestants().items():
            process = start(dataclasses.replace(case, seed=seed))
            features = process.call("learn", train[0], test[0])["result"]
            process.close()
            found.setdefault(name, []).append(accuracies(features, train[1], test[1]))
    for name, measured in found.items():
        for kind, values in zip(("kNN", "linear probe"), np.transpose(measured), strict=True):
            each = " ".join(f"{value:.1f}" for value in values)
            print(f"{case.name}: {name:12} {kind} {values.mean():.1f} ({each})", flush=True)


def check_networks(processes):
    """Stops where contestants have not the same network."""
    found = {name: process.call("network")["result"] for name, process in processes.items()}
    if len(set(found.values())) > 1:
        raise SystemExit(f"networks differ (parameters, side of the last map): {found}")


def accuracies(features, train_labels, test_labels):
    """Percent of test images: kNN, logistic regression."""
    mean, spread = features[0].mean(0), features[0].std(0) + 1e-6
    train, test = ((array - mean) / spread for array in features)
    knn = KNeighborsClassifier(20, metric="cosine").fit(features[0], train_labels)
    linear = LogisticRegression(C=0.01, max_iter=500).fit(train, train_labels)
    return 100 * knn.score(features[1], test_labels), 100 * linear.score(test, test_labels)


def cifar(data_dir, split):
    """(uint8 [M, 32, 32, 3], int [M])."""
    import tensorflow_datasets as tfds

    data = tfds.load("cifar10", split=split, data_dir=data_dir, batch_size=-1, download=False)
    return data["image"].numpy(), data["label"].numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", help="of TFDS, with cifar10; needed but for jpeg alone")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each contestant")
    parser.add_argument("--steps", type=int, default=8, help="of an epoch")
    parser.add_argument("--updates", type=int, default=400, help="of the accuracy part")
    parser.add_argument("--seeds", type=int, default=3, help="of the accuracy part")
    parts = ("jpeg", "small", "accuracy")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    options = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    if "jpeg" in options.only:
        with tempfile.TemporaryDirectory() as folder:
            write_jpegs(folder, 256)
            for name, queue in (("SimCLR, JPEG", 0), ("MoCo v2, JPEG", 512)):
                case = Case(name, 224, 32, options.steps, workers, queue, folder=folder)
                compare_speed(case, options.rounds)
    if not {"small", "accuracy"} & set(options.only):
        return
    # In a process that ends, as pages of TensorFlow here would not count as those of ours.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
        images, labels = pool.submit(cifar, options.data_dir, "train[:20%]").result()
        test = [array[:1000] for array in pool.submit(cifar, options.data_dir, "test").result()]
    for name, queue in (("SimCLR, 32 px", 0), ("MoCo v2, 32 px", 4096)):
        case = Case(name, 32, 64, options.steps, workers, queue, images=images, max_pool=False)
        if "small" in options.only:
            compare_speed(case, options.rounds)
        if "accuracy" in options.only:
            train = images[:2000], labels[:2000]
            longer = dataclasses.replace(case, steps=options.updates, max_pool=True)
            compare_accuracy(longer, options.seeds, train, test)


if __name__ == "__main__":
    main()
