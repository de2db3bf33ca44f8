"""Whether channels vary in the images: one that does not would become amplified rounding noise."""

import numpy as np
import tensorflow as tf

from infomin_tf.errors import UserError, warn_once
from infomin_tf.views.augment.colors import are_grey, spread_out, thinned
from infomin_tf.views.bands import Bands
from infomin_tf.views.color import RGB
from infomin_tf.views.splits import ChannelSplit, FrequencySplit

_TENTH = 0.1257  # of standard normal numbers, 10 % are nearer to 0
_COPY = 3.0


def adapt(split, pairs, unlabelled):
    """Measures what a split and pairs take from the data, which must have what the split needs.

    Args:
        split: of `infomin_tf.views.splits`, built.
        pairs: of `infomin_tf.views.pairs`.
        unlabelled: `Images`; nothing is measured on those that are made on the fly.

    Raises:
        UserError: see `check_variance`.
    """
    measures = split.mean is None or not all(pair.is_adapted for pair in pairs)
    images = unlabelled.sample(2000 if measures else 200)
    if images is None:
        return
    for pair in pairs:
        pair.adapt(images)
    split.adapt(images)
    check_variance(split, images, unlabelled.name)


def check_variance(split, images, name):
    """Makes sure that channels of a split vary more over the images than rounding to 8 bits.

    The rounding of a channel is measured: what it changes by when every pixel moves within its grey
    level. For each channel only the tenth of the pixels that changes least counts, because hue
    jumps wherever a pixel is nearly grey.

    Args:
        split: of `infomin_tf.views.splits`, built, with its constants.
        images: uint8 [M, H, W, 3] of the data.
        name: of the data.

    A constant channel of `Whole` or `FrequencySplit` causes only a warning if the constants are
    given and each part has other channels: it stays as small as it is, and no noise is amplified.

    Raises:
        UserError: a channel without variance; images that are all alike; or the parts of a
            `ChannelSplit` are functions of one channel.
    """
    if len(images) > 1 and (images == images[:1]).all():
        raise UserError(
            f"{name}: all images are the same, so there is nothing to tell apart; give different "
            "images"
        )
    bands = isinstance(split.color_space, Bands)
    blurs = bands or isinstance(split, FrequencySplit)
    pixels = spread_out(images) if blurs else thinned(images)
    moved = _within_grey_levels(pixels, alike=bands and are_grey(images))
    channels, varied = _channels(split, pixels / 255.0), _channels(split, moved / 255.0)
    changes = {title: np.abs(varied[title] - values) for title, values in channels.items()}
    noise = {title: np.quantile(change, 0.1) / _TENTH for title, change in changes.items()}
    where = f"{type(split).__name__} in {type(split.color_space).__name__}"
    flat = [title for title, values in channels.items() if np.std(values) <= noise[title]]
    if flat:
        said = (
            f"{name}: {_listed(flat)} of {where} {'vary' if len(flat) > 1 else 'varies'} less than "
            "the rounding of pixels to 8 bits"
        )
        if split.mean is None or not _leaves_each_part_a_channel(split, channels, flat):
            they_are = "they are" if len(flat) > 1 else "it is"
            fix = _fix(images, split, channels, flat)
            raise UserError(f"{said}, so standardised {they_are} noise; {fix}")
        warn_once(f"{said}, so encoders learn from the other channels alone")
    if not isinstance(split, ChannelSplit):
        return
    parts, titles = (split.first_channels, split.other_channels), list(channels)
    [lone], others = ([titles[place] for place in part] for part in sorted(parts, key=len))
    if all(_follows(channels[lone], channels[t]) <= _COPY * noise[t] for t in others):
        raise UserError(
            f"{name}: {_listed(others)} of {where} follow from {lone} alone, but for rounding, so "
            f"the two parts are one and the same image; {_fix(images, split, channels, flat)}"
        )


def _leaves_each_part_a_channel(split, channels, flat):
    titles = list(channels)
    parts = [titles[start : start + 3] for start in range(0, len(titles), 3)]
    return not isinstance(split, ChannelSplit) and all(set(part) - set(flat) for part in parts)


def _channels(split, images):
    """What must vary: name -> values, float64 [M * H * W], of images [M, H, W, 3] in [0, 1]."""
    x, names = tf.constant(images, tf.float32), split.color_space.channel_names
    parts = {"": split.standardize(x)}
    if isinstance(split, FrequencySplit):
        titles = ("low frequencies of ", "high frequencies of ")
        parts = dict(zip(titles, split(x), strict=True))
    return {
        title + (names[place] if names else f"channel {place}"): np.float64(channel).ravel()
        for title, part in parts.items()
        for place, channel in enumerate(tf.unstack(part, axis=-1))
    }


def _within_grey_levels(pixels, alike):
    """Values moved by less than half a grey level, inwards at the ends; a pixel's alike or not."""
    channels = 1 if alike else 3
    moves = np.random.default_rng(0).uniform(-0.5, 0.5, (*pixels.shape[:-1], channels))
    moves = np.where(pixels <= 0.0, np.abs(moves), moves)
    return pixels + np.where(pixels >= 255.0, -np.abs(moves), moves)


def _follows(cause, effect):
    """Standard deviation of what is left of a channel when another is known, by neighbours."""
    places = np.random.default_rng(0).permutation(len(cause))  # of equal causes, in no order
    steps = np.diff(effect[places][np.argsort(cause[places], kind="stable")])
    return np.sqrt(np.mean(np.square(steps)) / 2.0)


def _fix(images, split, channels, flat):
    if len(flat) == len(channels):
        return "the images are of one colour all over; give others"
    if are_grey(images) and not isinstance(split.color_space, Bands):
        return (
            "the images are grey (red, green and blue are equal): add "
            "--gin_file=gin/views/bands.gin, which splits them by frequency, or bind Whole or "
            "FrequencySplit with RGB, and no split by colour"
        )
    is_rgb = type(split.color_space) is RGB
    if flat and is_rgb and _leaves_each_part_a_channel(split, channels, flat):
        return (
            "bind RGB.mean and RGB.std, with which a constant channel stays constant, such as "
            "mean = (0.5, 0.5, 0.5) and std = (0.25, 0.25, 0.25)"
        )
    return (
        "bind another split or colour space, all of whose channels vary in these images, such as "
        "Whole with RGB"
    )


def _listed(names):
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
