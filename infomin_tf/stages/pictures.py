"""What a stage shows at its start: its configuration and its views, which must differ from the images."""

import tensorflow as tf


def introduce(run, pair, writer):
    """Checks the views of a few images, and writes the configuration, the views and their channels to TensorBoard.

    Args:
        run: `Run`.
        pair: makes the views that the stage trains on.
        writer: of events.

    Raises:
        UserError: views that are all alike.
    """
    grid = pair.picture(run.unlabelled, run.seed)
    with writer.as_default():
        lines = "\n".join("    " + line for line in run.configuration.splitlines())
        tf.summary.text("configuration", lines, step=0)
        tf.summary.image("views/image_and_8_views", grid[None], step=0)
        show_channels(run, 0)


def show_channels(run, step, num_images=8):
    """Writes a picture to TensorBoard: a row for each of evenly spread images, the image and each channel of its views, stretched to [0, 1]."""
    images = tf.cast(run.held_out.sample(num_images), tf.float32) / 255.0
    channels = tf.concat(run.split(images), axis=-1)
    low = tf.reduce_min(channels, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(channels, axis=(1, 2), keepdims=True)
    stretched = (channels - low) / tf.maximum(high - low, 1e-6)
    grey = [tf.repeat(stretched[..., i : i + 1], 3, axis=-1) for i in range(stretched.shape[-1])]
    rows = tf.concat([images, *grey], axis=2)
    tf.summary.image(
        "views/image_and_channels", tf.concat(tf.unstack(rows), axis=0)[None], step=step
    )
