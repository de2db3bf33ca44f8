"""How trained encoders embed two views of held-out images: what they share, and their spread."""

import math

import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.evaluation import doubts, mutual_information
from infomin_tf.learners import losses
from infomin_tf.learners.bounds import InfoNCE
from infomin_tf.runs.results import Measurement


def measure(run, embed, temperature, num_candidates):
    """Figures of the embeddings of pairs of views.

    Args:
        run: the `Run`; of its held-out images.
        embed: function (x1, x2) -> (z1, z2) of the trained encoders in inference mode.
        temperature: of I_NCE.
        num_candidates: N of I_NCE.

    Returns:
        List of `Measurement`.
    """
    measures = {
        "I_NCE": InfoNCE(temperature),
        "alignment": losses.alignment,
        "uniformity": lambda *z: tf.reduce_max([losses.uniformity(part) for part in z]),
    }
    seed = seeds.stream(run.seed, "pretrain/held out")
    found = mutual_information.estimate(
        embed, measures, run.held_out, run.pair.plain(), seed, num_candidates
    )

    where = f"temperature {temperature}, {run.held_out_name}, views as in training"

    def measurement(key, label, unit, note="", doubt=None):
        protocol = f"trained encoders, {note}{found[label].protocol}, {where}"
        return Measurement(key, label, found[label].mean, unit, protocol, (doubt,))

    i_nce, uniformity = found["I_NCE"], found["uniformity"].mean
    doubt = doubts.of_information("I_NCE", i_nce.mean, i_nce.num_candidates)
    note = "of the less uniform view, "
    unshared = unshared_spread(i_nce.mean, uniformity, i_nce.num_candidates)
    protocol = f"-uniformity x (log {i_nce.num_candidates} - I_NCE), {where}"
    return [
        measurement("i_nce", "I_NCE", "nats", doubt=doubt),
        measurement("alignment", "alignment", ""),
        measurement("uniformity", "uniformity", "", note, doubts.of_uniformity(uniformity)),
        Measurement("unshared_spread", "unshared spread", unshared, "nats", protocol),
    ]


def unshared_spread(i_nce, uniformity, num_candidates):
    """How far embeddings spread, times the information that views do not share.

    Large where images are told apart although their views share little, which is what the paper
    asks of views (section 3.1), as far as it can be seen without labels. docs/results.md says how
    it orders views.

    Args:
        i_nce: in nats.
        uniformity: of Wang and Isola (arXiv:2005.10242), of the less uniform view.
        num_candidates: N of I_NCE.

    Returns:
        -uniformity (log N - I_NCE), in nats.
    """
    return -uniformity * (math.log(num_candidates) - i_nce)
