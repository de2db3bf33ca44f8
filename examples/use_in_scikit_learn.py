"""A classifier of scikit-learn on the features of an export, for a folder with a folder per class.

    bin/export --model_dir=RUN --format=saved_model
    python examples/use_in_scikit_learn.py RUN/export photos

Writes features.npy, float32 [M, D], and prints the accuracy of logistic regression in five folds.
Needs tensorflow, scikit-learn and pillow, not this package.
"""

import os
import pathlib
import sys

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(export, folder):
    encoder = tf.saved_model.load(os.path.join(export, "saved_model"))
    features, labels = [], []
    for file in sorted(pathlib.Path(folder).glob("*/*.*")):  # each may have a size of its own
        image = Image.open(file).convert("RGB")
        square = ImageOps.fit(image, [min(image.size)] * 2)
        features.append(encoder.serve(np.array(square)[None]).numpy())
        labels.append(file.parent.name)
    features = np.concatenate(features)
    np.save("features.npy", features)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    accuracies = cross_val_score(classifier, features, labels, cv=5)
    print(f"features.npy: {features.shape}; accuracy {100 * accuracies.mean():.1f} %")


if __name__ == "__main__":
    main(*sys.argv[1:])
