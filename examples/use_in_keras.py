"""Features of images in Keras: a SavedModel as a layer.

    bin/export --model_dir=RUN --format=saved_model
    python examples/use_in_keras.py RUN/export photo1.jpg photo2.jpg

Writes features.npy, float32 [M, D]. Needs tensorflow and pillow, not this package;
examples/finetune_saved_model.py trains an export.
"""

import os
import sys

import keras
import numpy as np
from PIL import Image, ImageOps


def main(export, *files):
    encoder = keras.layers.TFSMLayer(os.path.join(export, "saved_model"), call_endpoint="serve")
    features = []
    for file in files:  # each may have a size of its own
        image = Image.open(file).convert("RGB")
        square = ImageOps.fit(image, [min(image.size)] * 2)
        features.append(encoder(np.array(square)[None]).numpy())
    np.save("features.npy", np.concatenate(features))
    print(f"features.npy: {len(features)} images, {features[0].shape[1]} features")


if __name__ == "__main__":
    main(*sys.argv[1:])
