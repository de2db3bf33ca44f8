"""The formats of an export: size, largest difference from the SavedModel's features, images/s.

    python benchmarks/exports.py   # both networks; a part: --only resnet50

A ResNet-18 of a quarter of the width with the stem for small images at 64 px, and a ResNet-50 at
224 px, with random weights of a trained network's range; images of noise, 1.15 times as large as
the view, resized and cut by the export itself (by torchvision's functions for its format). Each
format runs in a process of its own with the same number of threads; they take turns, batch by
batch, in an order that rotates. The last column is the ratio of the medians of the seconds of the
SavedModel and the format, with the quartiles of the single rounds. A format whose runtime is not
installed is skipped.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

import numpy as np
from turns import Process, compare, figures, installed, take_turns

SIDES = {"resnet18": 64, "resnet50": 224}


class SavedModel:
    """TensorFlow.

    Args:
        folder: of the export.
        threads: number of them.
        images: uint8 [B, H, W, 3].
    """

    modules, entry = ("tensorflow",), "saved_model"

    def __init__(self, folder, threads, images):
        _set_threads(threads)
        import tensorflow as tf

        self._loaded = tf.saved_model.load(os.path.join(folder, self.entry))
        self._images = tf.constant(images)

    def run(self):
        """Features, float32 [B, D]."""
        return self._loaded.serve(self._images).numpy()


class KerasFile:
    """Keras with this package; see `SavedModel`."""

    modules, entry = ("tensorflow",), "encoder.keras"

    def __init__(self, folder, threads, images):
        _set_threads(threads)
        import tensorflow as tf

        import infomin_tf

        encoder = infomin_tf.load_encoder(os.path.join(folder, self.entry))
        self._call = tf.function(lambda images: encoder(images, training=False))
        self._images = tf.constant(images)

    def run(self):
        """Features, float32 [B, D]."""
        return self._call(self._images).numpy()


class Torchvision:
    """PyTorch; see `SavedModel`."""

    modules, entry = ("torchvision", "safetensors"), "torchvision"

    def __init__(self, folder, threads, images):
        import torch

        sys.path.append(str(pathlib.Path(__file__).parents[1] / "examples"))
        import use_in_pytorch

        torch.set_num_threads(threads)
        self._network, self._facts = use_in_pytorch.load(folder)
        self._images = torch.from_numpy(images).permute(0, 3, 1, 2)

    def run(self):
        """Features, float32 [B, D]."""
        import torch
        from use_in_pytorch import prepare

        with torch.inference_mode():
            return self._network(prepare(self._images, self._facts)).numpy()


class Onnx:
    """ONNX Runtime; see `SavedModel`."""

    modules, entry = ("onnxruntime", "tf2onnx"), "encoder.onnx"

    def __init__(self, folder, threads, images):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = os.path.join(folder, self.entry)
        self._session, self._images = onnxruntime.InferenceSession(path, options), images

    def run(self):
        """Features, float32 [B, D]."""
        return self._session.run(["features"], {"images": self._images})[0]


class LiteRT:
    """LiteRT; see `SavedModel`."""

    modules, entry = ("ai_edge_litert",), "encoder.tflite"

    def __init__(self, folder, threads, images):
        from ai_edge_litert.interpreter import Interpreter

        path = os.path.join(folder, self.entry)
        self._interpreter, self._images = Interpreter(path, num_threads=threads), images
        [self._input] = [i["index"] for i in self._interpreter.get_input_details()]
        [self._output] = [o["index"] for o in self._interpreter.get_output_details()]
        self._interpreter.resize_tensor_input(self._input, images.shape)
        self._interpreter.allocate_tensors()

    def run(self):
        """Features, float32 [B, D]."""
        self._interpreter.set_tensor(self._input, self._images)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


RUNTIMES = {
    "saved_model": SavedModel,
    "keras": KerasFile,
    "torchvision": Torchvision,
    "onnx": Onnx,
    "litert": LiteRT,
}


def _set_threads(threads):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


class Writer:
    """Writes an encoder, in a process that ends before others are timed.

    Args:
        name: of its network.
    """

    def __init__(self, name):
        import keras

        from infomin_tf.models import image_encoder, resnet
        from infomin_tf.models.features import FeatureExtractor
        from infomin_tf.views import color, splits

        keras.utils.set_random_seed(0)
        side, numbers = SIDES[name], np.random.default_rng(0)
        small = name == "resnet18"
        backbone = resnet.ResNet18(0.25, small_images=True) if small else resnet.ResNet50()
        split = splits.Whole(color.RGB(), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        extractor = FeatureExtractor(split, [backbone])
        self._encoder = image_encoder.ImageEncoder(extractor, side, round(side / 0.875))
        self._encoder.build()
        for variable in backbone.variables:
            if len(variable.shape) == 1:
                signed = variable.name.endswith(("beta", "mean"))
                limits = (-0.3, 0.3) if signed else (0.5, 1.0)
                variable.assign(numbers.uniform(*limits, variable.shape))

    def write(self, folder, formats):
        """Names of the formats that carry it."""
        from infomin_tf import export
        from infomin_tf.errors import UserError

        written = []
        for name in formats:
            try:
                export.save_encoder(self._encoder, folder, name)
                written.append(name)
            except UserError as error:
                print(f"skipped: {error}")
        return written


def megabytes(path):
    """Of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def measure(name, options):
    """Prints the table of a network."""
    kinds = {format: kind for format, kind in RUNTIMES.items() if installed(*kind.modules)}
    side, numbers = round(1.15 * SIDES[name]), np.random.default_rng(1)
    images = numbers.integers(0, 256, (options.batch, side, side, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        writer = Process(Writer, "infomin_tf.export", name)
        written = writer.call("write", folder, list(kinds))["result"]
        writer.close()
        processes = {
            format: Process(
                kinds[format], kinds[format].modules[0], folder, options.threads, images
            )
            for format in written
        }
        usages = take_turns(processes, [(format, "run") for format in written], options.rounds)
        sizes = {format: megabytes(pathlib.Path(folder, kinds[format].entry)) for format in written}
    features = {format: found[-1]["result"] for (format, _), found in usages.items()}
    seconds = {format: times for (format, _), times in figures(usages, "call").items()}
    expected = features["saved_model"]
    print(f"\n{name}, {SIDES[name]} px; largest feature {np.abs(expected).max():.3g}\n")
    print("| format | MB | largest difference | images/s | ratio to the SavedModel |")
    print("|---|---|---|---|---|")
    for format in written:
        difference = np.abs(features[format] - expected).max()
        speed = options.batch / statistics.median(seconds[format])
        ratio = compare(seconds, "saved_model", format)
        print(f"| {format} | {sizes[format]:.1f} | {difference:.1e} | {speed:.1f} | {ratio} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    for name in options.only:
        measure(name, options)


if __name__ == "__main__":
    main()
