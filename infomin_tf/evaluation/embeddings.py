"""What trained encoders make of two views of held-out images: I_NCE, alignment, uniformity."""

import tensorflow as tf

from infomin_tf import seeds
from infomin_tf.evaluation import doubts, mutual_information
from infomin_tf.learners import losses
from infomin_tf.learners.bounds import InfoNCE
from infomin_tf.runs.results import Number


def measure(run, embed, temperature, num_candidates):
    """Figures of the embeddings of pairs of views.

    Args:
        run: the `Run`; of its held-out images.
        embed: function (x1, x2) -> (z1, z2) of the trained encoders in inference mode.
        temperature: of I_NCE.
        num_candidates: N of I_NCE.

    Returns:
        (list of `Number`, list of doubts in words).
    """
    measures = {
        "I_NCE": InfoNCE(temperature),
        "alignment": losses.alignment,
        "uniformity": lambda *z: tf.reduce_max([losses.uniformity(part) for part in z]),
    }
    units = {"I_NCE": "nats"}
    notes = {"uniformity": "of the less uniform view, "}
    seed = seeds.stream(run.seed, "pretrain/held out")
    estimates = mutual_information.estimate(
        embed, measures, run.held_out, run.pair.plain(), seed, num_candidates
    )
    where = f"temperature {temperature}, {run.held_out_name}, views as in training"
    numbers = [
        Number(
            name,
            found.mean,
            units.get(name, ""),
            f"trained encoders, {notes.get(name, '')}{found.protocol}, {where}",
        )
        for name, found in estimates.items()
    ]
    found = [
        doubts.of_information("I_NCE", estimates["I_NCE"].mean, estimates["I_NCE"].num_candidates),
        doubts.of_uniformity(estimates["uniformity"].mean),
    ]
    return numbers, [doubt for doubt in found if doubt]
