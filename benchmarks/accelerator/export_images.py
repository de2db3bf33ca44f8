"""Packs the JPEG files of TFDS splits, for `decode_images.py` on a machine without TensorFlow.

python benchmarks/accelerator/export_images.py --name=imagenette96 --split=train+unlabelled \
    --data_dir=DIR --out=FILE.npz
"""

import argparse

import numpy as np
import tensorflow_datasets as tfds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("name", "split", "data_dir", "out"):
        parser.add_argument(f"--{name}", required=True)
    values = parser.parse_args()
    builder = tfds.builder(values.name, data_dir=values.data_dir)
    encoded = {"image": tfds.decode.SkipDecoding()}
    in_order = tfds.ReadConfig(interleave_cycle_length=1)
    stored = builder.as_dataset(split=values.split, read_config=in_order, decoders=encoded)
    records = list(tfds.as_numpy(stored))
    images = [record["image"] for record in records]
    np.savez(
        values.out,
        encoded=np.frombuffer(b"".join(images), np.uint8),
        ends=np.cumsum([len(image) for image in images]),
        labels=np.array([record["label"] for record in records], np.int32),
    )


if __name__ == "__main__":
    main()
