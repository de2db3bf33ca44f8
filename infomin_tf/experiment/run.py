"""What every stage of a run shares."""

import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from infomin_tf.data import inspection
from infomin_tf.data.checks import check_classes
from infomin_tf.distribution import workers
from infomin_tf.errors import UserError
from infomin_tf.progress import Place
from infomin_tf.runs import results
from infomin_tf.training import precision


@dataclasses.dataclass
class Run:
    """One run of an experiment: where it writes, what it runs on, what it reads.

    Args:
        model_dir: each stage writes under model_dir/<stage>.
        strategy: tf.distribute strategy.
        seed: of initial weights, batches and views.
        unlabelled: loaded images to learn from.
        train, test: loaded labelled images, or None.
        held_out: loaded images on which mutual information is estimated.
        pair: function (images uint8, seed) -> (x1, x2), the sampling of view pairs.
        split: layer image -> parts.
        configuration: the operative gin configuration, for TensorBoard.
        data_dir: where prepared TFDS data sets are looked for; None for TFDS's own folder.
        backbones: of the pre-trained networks, built or not.
        extractor: the pre-trained `FeatureExtractor`, once that stage has left it here.
        untrained: function that makes a `FeatureExtractor` of the same networks, untrained.
        place: of the stage that is under way, for what is said of it.
    """

    model_dir: str
    strategy: tf.distribute.Strategy
    seed: int
    unlabelled: Any
    train: Any
    test: Any
    held_out: Any
    pair: Any
    split: Any
    configuration: str
    data_dir: str | None = None
    backbones: Sequence = ()
    extractor: Any = None
    untrained: Callable | None = None
    place: Place | None = None

    def __post_init__(self):
        if self.held_out and self.held_out.size < 2:
            raise UserError(
                f"mutual information needs two images or more, but {self.held_out.name} has "
                f"{self.held_out.size}; add images, or bind Data.held_out"
            )

    @functools.cached_property
    def held_out_name(self):
        """Name of the held-out images, with how many of them are learned from nonetheless."""
        shared = inspection.count_shared(self.unlabelled, self.held_out)
        learned = f" ({shared} of {self.held_out.size} are learned from, too)" if shared else ""
        return self.held_out.name + learned

    def directory(self, stage):
        """model_dir/<stage>."""
        return os.path.join(self.model_dir, stage)

    def finish(self, stage, measurements, steps, seconds=0.0, doubts=(), **facts):
        """Writes the stage's results.json, which says that it is finished; the chief does.

        Args:
            stage: its name.
            measurements: list of `Measurement`.
            steps: of training, behind the measurements.
            seconds: wall-clock time, in addition to that of the measurements.
            doubts: in addition to those of the measurements. One warning gives them all, except for
                a trial that `TrainingLoop.steps_limit` cut short, which is only reported as a
                trial.
            **facts: more for results.json.
        """
        if workers.is_chief():
            doubts = [*doubts, *(doubt for m in measurements for doubt in m.doubts)]
            doubts = list(dict.fromkeys(filter(None, doubts)))
            seconds += sum(m.seconds for m in measurements)
            self._write(stage, measurements, steps, seconds, doubts=doubts, **facts)
            self._say_doubts(stage, doubts)
        workers.wait_for_all()  # so that all of them find the stage finished

    def _say_doubts(self, stage, doubts):
        for trained in ("learn_views", "pretrain"):
            done = self.results_of(trained) or {}
            steps, planned = done.get("steps"), done.get("planned_steps")
            if planned and steps < planned:
                cut = f"{stage} was cut after {steps} of {planned} steps"
                if stage == trained:
                    print(f"{cut}: a trial, whose numbers say little", file=sys.stderr)
                return
        if doubts:
            logging.warning("%s: %s", stage, "\n  ".join(doubts))

    def sets(self):
        """dict role -> loaded images, None where there are none."""
        return {
            "unlabelled": self.unlabelled,
            "train": self.train,
            "test": self.test,
            "held out": self.held_out,
        }

    def _write(self, stage, measurements, steps, seconds, **facts):
        data = {
            role: inspection.describe(images, with_classes=role in ("train", "test"))
            for role, images in self.sets().items()
            if images
        }
        if self.held_out:
            data["held out"] = data["held out"].replace(self.held_out.name, self.held_out_name, 1)
        # Features are of the images of then, whatever they are now.
        learned = {"evaluate": ("unlabelled", "held out"), "export": tuple(data)}
        if stage in learned:
            then = self.results_of("pretrain")["data"]
            data |= {role: then[role] for role in learned[stage] if role in then}
        results.write(
            self.directory(stage),
            measurements,
            steps=steps,
            wall_time_seconds=round(seconds, 1),
            data=data,
            seed=self.seed,
            replicas=self.strategy.num_replicas_in_sync,
            precision=precision.in_use(),
            **facts,
        )

    def need_labels(self, why):
        """Raises UserError unless train and test are labelled by the same classes."""
        check_classes(why, self.train, self.test)

    def check_finished(self, stage, step):
        """Raises UserError unless a finished stage ended at the step of its checkpoint."""
        expected = self.results_of(stage).get("steps")
        if step != expected:
            path = os.path.join(self.directory(stage), results.FILE_NAME)
            raise UserError(
                f"{stage} ended at step {expected}, but its newest readable checkpoint is of step "
                f"{step}; delete {path} to run the rest of that stage again"
            )

    def is_finished(self, stage):
        """Whether the stage has results, on all workers alike."""
        return bool(workers.gather(self.results_of(stage) is not None).max())

    def results_of(self, stage):
        """The finished stage's results, or None."""
        return results.read(self.directory(stage))


def results_of(model_dir):
    """dict stage -> content of its results.json, of the finished stages under model_dir."""
    found = {name: results.read(os.path.join(model_dir, name)) for name in results.STAGES}
    return {name: content for name, content in found.items() if content}


def print_results(model_dir):
    """Prints the measurements of all finished stages under model_dir; returns `results_of`."""
    found = results_of(model_dir)
    if workers.is_chief():
        measured = {name: content for name, content in found.items() if content["measurements"]}
        print(f"\nResults in {model_dir}\n{results.table(measured)}")
        newest = [found[name] for name in ("evaluate", "pretrain", "learn_views") if name in found]
        for role, said in (newest[0]["data"] if newest else {}).items():
            print(f"{role}: {said}")
    return found
