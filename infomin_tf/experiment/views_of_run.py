"""Instead of stage 1: the views that another run has learned."""

import os

from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.experiment.stage import Stage
from infomin_tf.runs import paths, results
from infomin_tf.views import saved


class ViewsOfRun(Stage):
    """Takes g from a run whose view learning is finished.

    Thus several pre-trainings can share it, with other seeds, other backbones (Fig. 8) or other
    crops.

    Args:
        model_dir: of that run; its split must have the same colour space, channels and kind of
            generator.
    """

    name = "learn_views"

    def __init__(self, model_dir: str):
        self._directory = os.path.join(paths.expand(model_dir), self.name)

    def check(self, run):
        """Raises UserError unless the views are there, learned to the end, and fit."""
        self._results()
        saved.load_into(run.split, self._directory)

    def run(self, run):
        """Keeps a copy of the generator and its channels' constants, which later starts read."""
        learned = self._results()
        if workers.is_chief():
            saved.load_into(run.split, self._directory)
            saved.save(run.split, run.directory(self.name))
        workers.wait_for_all()
        self.restore(run)
        steps, planned = learned["steps"], learned.get("planned_steps", learned["steps"])
        where, doubts = self._directory, []
        if steps < planned:
            doubts = [f"the views of {where} were learned for {steps} of {planned} steps: a trial"]
        facts = {name: learned[name] for name in ("steps", "seed", "data")}
        origin = os.path.abspath(where)
        run.finish(self.name, [], 0, doubts=doubts, views_of=origin, view_learning=facts)

    def _results(self):
        """Of the view learning; raises UserError where it has not ended."""
        found = results.read(self._directory)
        if found is None:
            raise UserError(
                f"no view learning has ended in {self._directory}; run bin/train "
                "--until=learn_views with that --model_dir first"
            )
        return found

    def restore(self, run):
        """Reads the copy."""
        saved.load_into(run.split, run.directory(self.name))
