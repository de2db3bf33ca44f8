"""Fine-tunes an exported encoder on the textures of shapes, next to a probe on frozen features.

python examples/finetune_saved_model.py runs/quickstart_compare_views/points/learned_seed0/export
"""

import argparse
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import infomin_tf
from infomin_tf.data.shapes import Shapes


def classifier(path, num_classes, trainable, learning_rate):
    """A softmax classifier on an exported encoder, which it changes or not."""
    model = keras.Sequential(
        [
            keras.Input((64, 64, 3), dtype="uint8"),  # else Keras makes floats of the images
            infomin_tf.load_encoder(path, trainable=trainable),
            keras.layers.Dense(num_classes),
        ]
    )
    model.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # XLA is for accelerators
    )
    return model


def main():
    """Prints both test accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", help="model_dir/export of a finished run")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    train, test = (Shapes(split, label="texture", shading=40).load() for split in ("train", "test"))
    x, y, test_x = train.images.numpy(), train.labels.numpy(), test.images.numpy()
    cases = ("frozen probe", False, 1e-3), ("fine-tuned", True, 5e-4)
    for name, trainable, learning_rate in cases:
        model = classifier(arguments.export, len(train.class_names), trainable, learning_rate)
        model.fit(x, y, batch_size=64, epochs=arguments.epochs, verbose=0)
        accuracy = model.evaluate(test_x, test.labels.numpy(), batch_size=250, verbose=0)[1]
        print(f"{name}: {100 * accuracy:.1f} % of the test images", flush=True)


if __name__ == "__main__":
    main()
