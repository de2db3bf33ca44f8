"""In the place of stage 1: the views that another run has learned."""

import os

from infomin_tf import paths, workers
from infomin_tf.stages.stage import Stage
from infomin_tf.views import saved


class ViewsOfRun(Stage):
    """Takes g from a run whose view learning is finished, so that several pre-trainings share it: of other seeds, other
    backbones (Fig. 8), other crops.

    Args:
        model_dir: of that run; its split has the same colour space, channels and kind of generator.
    """

    name, pair = "learn_views", None

    def __init__(self, model_dir: str):
        self._directory = os.path.join(paths.expand(model_dir), self.name)

    def check(self, run):
        """Raises UserError unless the views are there and fit."""
        saved.load_into(run.split, self._directory)

    def run(self, run):
        """Takes the generator and the constants of its channels, and keeps a copy, which later starts read."""
        saved.load_into(run.split, self._directory)
        if workers.is_chief():
            saved.save(run.split, run.directory(self.name))
        run.finish(self.name, [], steps=0, seconds=0.0, views_of=self._directory)

    def restore(self, run):
        """Reads the copy."""
        saved.load_into(run.split, run.directory(self.name))
