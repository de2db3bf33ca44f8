"""Finishes a sweep whose trainings `run_steps.py` ran elsewhere: takes their end states, continues.

python benchmarks/accelerator/finish_sweep.py DIR [flags of bin/sweep]

DIR holds `ends`. Each point is run as bin/sweep runs it, but that a training ends with the weights
that are there, saved as its checkpoint; one without an end state is run here. Views, measurements
and reports are then as always.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))

from infomin_tf import environment  # noqa: E402
from infomin_tf.command_line import main  # noqa: E402
from infomin_tf.sweeps import runner  # noqa: E402


def sweep(folder, flags):
    if not os.path.isdir(os.path.join(folder, "ends")):
        sys.exit(f"{folder} has no folder ends; run_steps.py writes it")
    runner._TRAIN = (
        f"import sys; sys.path.insert(0, {HERE!r}); import finish_sweep; "
        f"finish_sweep.train({os.path.abspath(folder)!r})"
    )
    sys.argv = ["bin/sweep", *flags]
    main.sweep_main()


def train(folder):
    """bin/train, with trainings that end at once."""
    with environment.quiet_standard_error():
        from infomin_tf.training import loop

    loop.TrainingLoop.fit = taken_from(folder)
    main.train_main()


def taken_from(folder):
    """A `TrainingLoop.fit` that takes the end states in a folder, and trains where none is."""
    import numpy as np

    from infomin_tf.training import loop
    from infomin_tf.training.checkpoint import Checkpoint

    usual = loop.TrainingLoop.fit

    def fit(self, task, strategy, place):
        point = os.path.basename(os.path.dirname(task.directory))
        path = os.path.join(folder, "ends", f"{point}_{task.name}.npz")
        if not os.path.exists(path):
            return usual(self, task, strategy, place)
        checkpoint = Checkpoint(task.learner, task.directory)
        with np.load(path) as end:
            if len(end["i_nce"]) != task.total_steps:
                sys.exit(f"error: {point} has {len(end['i_nce'])} of {task.total_steps} steps")
            for place, variable in enumerate(task.learner.variables):
                variable.assign(end[f"v{place:05d}"])
            checkpoint.note_i_nce(end["i_nce"][-task.steps_per_epoch :], True)
            seconds = float(end["seconds"])
        checkpoint.save(task.total_steps)
        return loop.Trained(task.total_steps, seconds, checkpoint.i_nce)

    return fit


if __name__ == "__main__":
    sweep(sys.argv[1], sys.argv[2:])
