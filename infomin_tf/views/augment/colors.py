"""What colours images have."""

import numpy as np

_PIXELS = 2**19


def are_grey(images):
    """Whether the channels of images uint8 [M, H, W, 3] differ by less than a grey level (RMS)."""
    pixels = thinned(images)
    differences = pixels[..., (0, 2)] - pixels[..., 1:2]
    return bool(np.sqrt(np.mean(np.square(differences))) < 1.0)


def mean_color(images):
    """Mean of each channel of images uint8 [M, H, W, 3] in whole grey levels, three floats."""
    means = np.mean([image.mean(axis=(0, 1)) for image in images], axis=0)
    return tuple(float(level) for level in np.round(means))


def spread_out(images):
    """float64 [m, H, W, 3]: of the images some, evenly spread, about 500,000 pixels in all."""
    room = max(8, _PIXELS // (images.shape[1] * images.shape[2]))
    return np.asarray(images)[:: max(1, -(-len(images) // room))].astype(np.float64)


def thinned(images):
    """float64 [M, h, w, 3]: of each image some rows and columns, about 500,000 pixels in all."""
    room = int(max(8, np.sqrt(_PIXELS / len(images))))
    step = max(1, -(-max(images.shape[1:3]) // room))
    return np.asarray(images)[:, ::step, ::step].astype(np.float64)
