"""The root that a gin file configures: the stages of a run in order, each resumable."""

import contextlib
import functools

import keras

from infomin_tf import seeds
from infomin_tf.data import inspection
from infomin_tf.data.sets import Data
from infomin_tf.errors import UserError
from infomin_tf.experiment import description, longer, order
from infomin_tf.experiment.export import Export
from infomin_tf.experiment.learn_views import LearnViews
from infomin_tf.experiment.run import Run, print_results
from infomin_tf.experiment.stage import EvaluationStage, PretrainingStage
from infomin_tf.experiment.views_of_run import ViewsOfRun
from infomin_tf.runs.paths import expand
from infomin_tf.training.precision import in_use
from infomin_tf.views import picture
from infomin_tf.views.pairs import Pair
from infomin_tf.views.variance import adapt


class Experiment:
    """Learn views -> pre-train on them -> evaluate -> export.

    Args:
        data: `Data`.
        pair: sampling of view pairs, such as `pairs.IndependentPair`; `LearnViews.pair` may be
            another one.
        split: `splits.Whole`, `ChannelSplit` or `FrequencySplit`.
        pretraining: `Pretrain`.
        evaluation: `Evaluate`; None when there are no labels.
        view_learning: `LearnViews`; `ViewsOfRun` for views that another run has learned; None to
            train on raw views.
        export: `Export`; None for no export.
        precision: of the networks; `precision.use` must have been called with it before.
    """

    def __init__(
        self,
        data: Data,
        pair: Pair,
        split: keras.Layer,
        pretraining: PretrainingStage,
        evaluation: EvaluationStage | None = None,
        view_learning: LearnViews | ViewsOfRun | None = None,
        export: Export | None = None,
        precision="float32",
    ):
        self._parts = {name: part for name, part in locals().items() if name != "self"}
        if precision != in_use():
            raise ValueError(
                f"the layers were made in {in_use()}; call precision.use({precision!r}) before "
                "you make them"
            )
        if (view_learning is not None) != (split.generator is not None):
            raise UserError(
                "Experiment.view_learning and ChannelSplit.generator need each other: either the "
                "generator is never trained, or view learning has no generator; bind both or "
                "neither"
            )
        if pair.views_are_one and split.num_parts == 1:
            raise UserError(
                "SharedPair gives both encoders the same view, so without a split there is nothing "
                "to learn; bind IndependentPair, or a split of two parts"
            )
        stages = (view_learning, pretraining, evaluation, export)
        self._stages = [stage for stage in stages if stage is not None]
        for stage in self._stages:
            stage.check_views(pair, split)
        pretraining.make_encoders(split.num_parts)
        self._data, self._pair, self._split = data, pair, split
        self._pretraining = pretraining

    @property
    def stage_names(self):
        """Names of this experiment's stages, in order."""
        return tuple(stage.name for stage in self._stages)

    def run(self, model_dir, *, strategy, seed, data_dir=None, until=None, configuration=""):
        """Runs the stages that are not finished yet; prints a table of all measurements.

        Args:
            model_dir: where everything is written.
            strategy: tf.distribute strategy; call this under its scope.
            seed: of everything random.
            data_dir: where prepared TFDS data sets are looked for.
            until: name of the last stage to run; None for all.
            configuration: text of the operative configuration, which model_dir already has; "" to
                compare the settings of this experiment's objects with those that model_dir was
                begun with.

        Returns:
            dict stage -> content of its results.json, for all stages that are finished:
            "measurements" (a list of dicts of key, label, value, unit, protocol), "steps", "data",
            "seed", "versions" and more.

        Raises:
            UserError: a mistake that the message explains.
        """
        model_dir = expand(model_dir)
        if until and until not in self.stage_names:
            names = ", ".join(self.stage_names)
            raise UserError(f"--until={until} is not one of this experiment's stages: {names}")
        wanted = self._stages[: self.stage_names.index(until) + 1] if until else self._stages
        with self._claimed(model_dir, seed, configuration) as text:
            run = self._prepare(model_dir, strategy, seed, data_dir, text)
            longer.settle(run, self._stages, wanted)
            order.run_stages(run, wanted)
        return print_results(model_dir)

    def repeat(self, name, model_dir, *, strategy, seed, data_dir=None, configuration=""):
        """Runs evaluate or export again, on the finished pre-training in model_dir; see `run`."""
        model_dir = expand(model_dir)
        if name not in self.stage_names:
            raise UserError(
                f"the configuration of {model_dir} has no stage {name}; bind it and train"
            )
        *before, stage = self._stages[: self.stage_names.index(name) + 1]
        with self._claimed(model_dir, seed, configuration, repeats=True) as text:
            order.repeat(self._prepare(model_dir, strategy, seed, data_dir, text), before, stage)
        return print_results(model_dir)

    def _claimed(self, model_dir, seed, configuration, repeats=False):
        """A context of the configuration, or else of the objects' own, which claims model_dir."""
        if configuration:
            return contextlib.nullcontext(configuration)
        text = f"# seed: {seed}\n{self._settings}"
        again = 'Experiment.repeat("{}", model_dir, ...)'.format
        return order.claimed(model_dir, text, repeats=repeats, again=again)

    @functools.cached_property
    def _settings(self):
        """The objects' own, asked for before anything is measured for them in the images."""
        return description.describe(self._parts)

    def save_picture(self, path, *, data_dir=None, seed=0):
        """Writes a picture of 8 images with their views; of sequences, a .gif that moves, too.

        Args:
            path: of an image file, .png, .jpg or .gif.
            data_dir, seed: see `run`.

        Raises:
            UserError: the picture cannot be written or lies in a folder of images, or the views are
                all alike.
        """
        path = expand(path)
        inspection.check_outside(path, self._data.sources)
        images = self._data.load_unlabelled(data_dir)
        if not self._pair.is_adapted:
            _ = self._settings
            self._pair.adapt(images.sample(2000))
        moves = path.lower().endswith(".gif")
        frames = self._pair.animation(images, seed) if moves else [self._pair.picture(images, seed)]
        picture.save(path, frames)

    def _prepare(self, model_dir, strategy, seed, data_dir, configuration):
        """Loads the data and makes the split ready."""
        loaded, pair, split = self._data.load(data_dir), self._pair, self._split
        inspection.warn(*loaded)
        keras.utils.set_random_seed(seeds.stream(seed, "split"))
        split.build((None, pair.size, pair.size, 3))
        own = [stage.pair for stage in self._stages if stage.pair]
        adapt(split, [pair, *own], loaded[0])
        backbones = self._pretraining.backbones
        return Run(
            model_dir, strategy, seed, *loaded, pair, split, configuration, data_dir, backbones
        )
