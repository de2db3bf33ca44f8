"""Features of images in LiteRT (TFLite).

    bin/export --model_dir=RUN --format=litert
    python examples/use_in_litert.py RUN/export photo1.jpg photo2.jpg

Writes features.npy, float32 [M, D]. Needs ai-edge-litert and pillow, not this package.
"""

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps


def main(export, *files):
    interpreter = Interpreter(os.path.join(export, "encoder.tflite"))
    [images], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    features = []
    for file in files:  # each may have a size of its own
        image = Image.open(file).convert("RGB")
        pixels = np.array(ImageOps.fit(image, [min(image.size)] * 2))[None]
        interpreter.resize_tensor_input(images["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(images["index"], pixels)
        interpreter.invoke()
        features.append(interpreter.get_tensor(output["index"]))
    np.save("features.npy", np.concatenate(features))
    print(f"features.npy: {len(features)} images, {features[0].shape[1]} features")


if __name__ == "__main__":
    main(*sys.argv[1:])
