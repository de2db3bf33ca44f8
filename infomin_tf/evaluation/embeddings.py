"""How trained encoders embed two views of held-out images: I_NCE, alignment, uniformity."""

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

    def measurement(key, label, unit, note="", doubt=None):
        where = f"temperature {temperature}, {run.held_out_name}, views as in training"
        protocol = f"trained encoders, {note}{found[label].protocol}, {where}"
        return Measurement(key, label, found[label].mean, unit, protocol, (doubt,))

    i_nce, uniformity = found["I_NCE"], found["uniformity"].mean
    doubt = doubts.of_information("I_NCE", i_nce.mean, i_nce.num_candidates)
    note = "of the less uniform view, "
    return [
        measurement("i_nce", "I_NCE", "nats", doubt=doubt),
        measurement("alignment", "alignment", ""),
        measurement("uniformity", "uniformity", "", note, doubts.of_uniformity(uniformity)),
    ]
