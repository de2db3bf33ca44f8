"""Features of images in ONNX Runtime.

    bin/export --model_dir=RUN --format=onnx
    python examples/use_in_onnx_runtime.py RUN/export photo1.jpg photo2.jpg

Writes features.npy, float32 [M, D]. Needs onnxruntime and pillow, not this package.
"""

import os
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(export, *files):
    session = onnxruntime.InferenceSession(os.path.join(export, "encoder.onnx"))
    features = []
    for file in files:  # each may have a size of its own
        image = Image.open(file).convert("RGB")
        square = ImageOps.fit(image, [min(image.size)] * 2)
        [found] = session.run(["features"], {"images": np.array(square)[None]})
        features.append(found)
    np.save("features.npy", np.concatenate(features))
    print(f"features.npy: {len(features)} images, {features[0].shape[1]} features")


if __name__ == "__main__":
    main(*sys.argv[1:])
