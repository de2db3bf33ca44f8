"""Pictures of a stage: its views at the start, and the channels that its encoders see."""

import os
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from infomin_tf.runs import files, results
from infomin_tf.views import color
from infomin_tf.views.picture import grid
from infomin_tf.views.splits import ChannelSplit

START_PAGE = "about/what_to_look_at"  # before "configuration" in the alphabet, and so above it
_PAGES = pathlib.Path(__file__).with_name("pages")
_TITLE = 14  # pixels


def introduce(stage, run, pair, writer):
    """Checks the views of a few images, which must differ from these.

    Writes what to look at, the configuration, the views and their channels to TensorBoard.

    Args:
        stage: its name.
        run: `Run`.
        pair: makes the views that the stage trains on.
        writer: of events.

    Raises:
        UserError: views that are all alike.
    """
    grid = pair.picture(run.unlabelled, run.seed)
    with writer.as_default():
        begin(stage, run, "image_and_8_views", grid)
        show_channels(run, 0)


def begin(stage, run, title, picture):
    """Writes what to look at, the configuration and a picture of views to TensorBoard."""
    tf.summary.text(START_PAGE, (_PAGES / f"{stage}.md").read_text("utf-8"), step=0)
    lines = "\n".join("    " + line for line in run.configuration.splitlines())
    tf.summary.text("configuration", lines, step=0)
    tf.summary.image(f"views/{title}", picture[None], step=0)


def show_channels(run, step):
    """Writes the picture of channels to TensorBoard; a row is an image."""
    tf.summary.image("views/image_and_channels", channels_picture(run)[None], step=step)


def write_channels(run, directory):
    """Writes directory/channels.png, the picture of channels.

    Raises:
        UserError: it cannot be written.
    """
    path = os.path.join(directory, results.CHANNELS_PICTURE)
    files.write_atomically(path, tf.io.encode_png(channels_picture(run)).numpy())


def channels_picture(run, num_images=8):
    """uint8 [height, width, 3]: a row per held-out image, a titled column per channel.

    The images are evenly spread over the set. Columns: the image; red, green, blue; the channels of
    another colour space; the parts that encoders see, learned or not. Each channel of each image is
    stretched to [0, 255], so that brightness cannot be compared among pictures.
    """
    images = tf.cast(run.held_out.sample(num_images), tf.float32) / 255.0
    columns = {"image": images}
    for title, channel in _channels(run.split, images).items():
        columns[title] = tf.repeat(_stretched(channel)[..., tf.newaxis], 3, axis=-1)
    pixels = grid(255.0 * tf.stack(list(columns.values()), axis=1))
    picture = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + _TITLE), "white")
    picture.paste(Image.fromarray(pixels), (0, _TITLE))
    draw, width = ImageDraw.Draw(picture), pixels.shape[1] // len(columns)
    for place, title in enumerate(columns):
        draw.text((place * width, 1), title, fill="black")
    return np.asarray(picture)


def _channels(split, images):
    """dict title -> channel [B, H, W] of images [B, H, W, 3] in [0, 1]."""
    found = dict(zip(color.RGB.channel_names, tf.unstack(images, axis=-1), strict=True))
    if isinstance(split, ChannelSplit):
        names = split.color_space.channel_names or ("channel 1", "channel 2", "channel 3")
        found |= dict(zip(names, tf.unstack(split.standardize(images), axis=-1), strict=True))
    for number, part in enumerate(split(images), 1):
        for place, channel in enumerate(tf.unstack(part, axis=-1), 1):
            found[f"v{number}" + (f".{place}" if part.shape[-1] > 1 else "")] = channel
    return found


def _stretched(channel):
    """Channel [B, H, W] with the least value of each image at 0 and the largest at 1."""
    low = tf.reduce_min(channel, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(channel, axis=(1, 2), keepdims=True)
    return (channel - low) / tf.maximum(high - low, 1e-6)
