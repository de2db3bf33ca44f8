"""A sweep in TensorBoard's HParams: one entry a point."""

import os

import tensorflow as tf
from tensorboard.plugins.hparams import api


def write(outcome, out):
    """Writes events under out/hparams; those of an earlier call are replaced.

    Args:
        outcome: `outcome.Outcome`.
        out: folder.
    """
    axes = [axis.name for axis in outcome.sweep.axes]
    for row in outcome.rows:
        if not row.numbers:
            continue
        directory = os.path.join(out, "hparams", row.point.name)
        if os.path.isdir(directory):
            tf.io.gfile.rmtree(directory)
        with tf.summary.create_file_writer(directory).as_default():
            labels = dict(zip(axes, row.point.labels, strict=True))
            api.hparams(labels | {"seed": row.point.seed}, trial_id=row.point.name)
            for name, value in row.numbers.items():
                tf.summary.scalar(name.replace(", ", "/").replace(" ", "_"), value, step=0)
