"""Why a measurement may mislead: each function gives a sentence, or None if there is no doubt."""

import math

import numpy as np

_FEW_STEPS = 100


def commonest_class(images):
    """Percent of the images that are of the commonest class; None for sets that are streamed."""
    labels = images.known_labels()
    return None if labels is None else 100.0 * float(np.bincount(labels).max()) / len(labels)


def beside_chance(protocol, images):
    """The protocol of an accuracy on these images, with what the commonest class alone gives."""
    chance = commonest_class(images)
    return protocol if chance is None else f"{protocol}, commonest class {chance:.1f} %"


def of_accuracy(name, accuracy, images):
    """No better than always answering the commonest class, within two standard errors.

    Args:
        name: of the measurement.
        accuracy: percent of the images.
        images: loaded test images.
    """
    chance = commonest_class(images)
    if chance is None:
        return None
    share = chance / 100
    error = 100 * math.sqrt(share * (1 - share) / images.size)
    if accuracy > chance + 2 * error:
        return None
    return (
        f"{name} is {accuracy:.1f} %, but always answering the commonest class of {images.name} "
        f"gives {chance:.1f} %: this number does not show that anything about the classes was "
        "learned"
    )


def of_information(name, value, num_candidates):
    """I_NCE that is negative or at its ceiling log N."""
    ceiling = math.log(num_candidates)
    if not value >= 0:
        return (
            f"{name} is {value:.2f} nats, but mutual information is never below 0: the networks "
            "cannot tell a pair from the others"
        )
    if value > 0.98 * ceiling:
        return (
            f"{name} is {value:.2f} nats, at its ceiling log {num_candidates} = {ceiling:.2f}: "
            "the views share at least that much; more candidates could show how much"
        )
    return None


def of_uniformity(value):
    """Embeddings that are nearly one point."""
    if value < -0.3:
        return None
    return (
        f"uniformity is {value:.2f}, near 0: the embeddings have nearly collapsed to one point; a "
        "lower learning rate, more negatives or other views may help"
    )


def of_inversion(error):
    """A generator whose inverse is less accurate than rounding explains."""
    if error < 1e-3:
        return None
    return (
        f"inversion_error is {error:.1e}, while rounding alone gives about 1e-6: g is barely "
        "invertible any more, so the views may have lost some of the image; a lower learning rate "
        "of the generator may help"
    )


def of_length(steps, steps_per_epoch, usual, setting):
    """A training of few steps or of less than an epoch.

    Args:
        steps: done.
        steps_per_epoch: steps.
        usual: the paper's length, in words.
        setting: the binding of the length.
    """
    if steps >= max(_FEW_STEPS, steps_per_epoch):
        return None
    return (
        f"only {steps} steps, {steps / steps_per_epoch:.2g} epochs, while the paper trains for "
        f"{usual}: numbers after so few steps say little about the views; raise {setting}"
    )


def of_probe_length(name, steps):
    """A probe of too few steps to reach what the features allow."""
    if steps >= _FEW_STEPS:
        return None
    return (
        f"{name} was trained for only {steps} steps, so it says little about the features; raise "
        "LinearProbe.epochs, or go by the fast linear probe"
    )
