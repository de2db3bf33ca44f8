"""A sweep in TensorBoard's HParams: one entry per point."""

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
        if not row.measurements:
            continue
        directory = os.path.join(out, "hparams", row.point.name)
        if os.path.isdir(directory):
            tf.io.gfile.rmtree(directory)
        with tf.summary.create_file_writer(directory).as_default():
            labels = dict(zip(axes, row.point.labels, strict=True))
            api.hparams(labels | {"seed": row.point.seed}, trial_id=row.point.name)
            for key, measurement in row.measurements.items():
                tf.summary.scalar(key, measurement.value, step=0)
