"""One row of the conformance table: every learner under one strategy, by the loop that trains all.

python -m tests.conformance.row STRATEGY REPLICAS OUT PART [OTHER] does one part of a row and writes
to OUT. With multi_worker, TF_CONFIG says which process this is.
  learners  the weights of each learner before and after three steps in one go, and after three of
            which two were done before a stop
  moved     the same, where the two steps before the stop were done by the row in OTHER
  compiled  the weights after three steps under XLA
  stages    a whole small experiment
  ends      what a run does when its last process is asked to stop, or dies
"""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import sys

import numpy as np
import tensorflow as tf

STEPS = 3


def main(strategy_name, replicas, out, parts, other=None):
    """Does the parts of a row, which commas join."""
    if strategy_name == "mirrored":
        devices = [tf.config.LogicalDeviceConfiguration()] * int(replicas)
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], devices
        )
    tf.config.experimental.enable_op_determinism()
    if strategy_name == "multi_worker" or int(replicas) > 2:
        # TensorFlow's passes over a graph take a third of the time of such a row. The rows of one
        # device, to which all others are compared, and of two replicas have them, as users' runs.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    from infomin_tf.distribution import strategies

    strategy = strategies.create_strategy(strategy_name)
    assert strategy.num_replicas_in_sync == int(replicas)
    config = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))
    processes = len(config.get("cluster", {}).get("worker", [0]))
    row = Row(strategy, pathlib.Path(out), config["task"]["index"], processes, other)
    with strategy.scope():
        for part in parts.split(","):
            getattr(row, part)()


@dataclasses.dataclass
class Row:
    """The strategy, the folder to write to, which of how many processes this is, and the folder of
    another row.
    """

    strategy: tf.distribute.Strategy
    out: pathlib.Path
    process: int
    processes: int
    other: str | None

    def learners(self):
        """Trains each learner in one go, and from the checkpoint before the last step."""
        from infomin_tf.distribution import workers

        for name in _names():
            task = self.task(name, "unbroken")
            task.on_epoch_end = lambda step, writer, last, task=task: last and self.keep(task)
            self.save_weights(name, "start", task.learner)
            unfit = note_unfit_operations(task.learner)
            self.fit(task)
            self.say(f"{name} unfit", "\n".join(sorted(unfit)))
            self.save_weights(name, "unbroken", task.learner)
            workers.wait_for_all()
            self.go_on(name, "resumed", self.out)

    def moved(self):
        """Continues from the checkpoints of another row."""
        for name in _names():
            self.go_on(name, "moved", pathlib.Path(self.other))

    def keep(self, task):
        """Sets what is on disk before the last step aside."""
        if self.process == 0:
            shutil.copytree(task.directory, pathlib.Path(task.directory).with_name("stopped"))

    def go_on(self, name, kind, row):
        """Trains from the checkpoint that a row set aside; writes the weights before and after."""
        from infomin_tf.distribution import workers
        from infomin_tf.training.checkpoint import Checkpoint

        task = self.task(name, kind)
        if self.process == 0:
            shutil.copytree(row / name / "stopped", task.directory)
        workers.wait_for_all()
        assert Checkpoint(task.learner, task.directory).restore() == STEPS - 1
        self.save_weights(name, f"{kind}, at the stop", task.learner)
        self.fit(task)
        self.save_weights(name, kind, task.learner)

    def compiled(self):
        """Trains each learner under XLA."""
        for name in _names():
            task = self.task(name, "compiled")
            self.fit(task, jit_compile=True)
            self.save_weights(name, "compiled", task.learner)

    def stages(self):
        """Runs the experiment; says how many exports this process wrote."""
        import keras

        from infomin_tf import export
        from tests.conformance import experiment

        written, save = [], export.save_encoder
        export.save_encoder = lambda *arguments: written.append(1) or save(*arguments)
        keras.utils.set_random_seed(0)
        experiment.make().run(str(self.out / "run"), strategy=self.strategy, seed=0)
        self.say("exports", str(len(written)))

    def ends(self):
        """How a run ends that is stopped or loses a worker."""
        self.stop()
        if self.processes > 1:
            self.lose_a_worker()

    def stop(self):
        """The last process is sent SIGTERM in the middle; writes the exit status of this one, and
        the step that was saved.
        """
        from infomin_tf.training.checkpoint import Checkpoint

        task = self.task("contrastive, queue", "asked to stop", 20)
        task.on_epoch_end = lambda *_: self.is_last() and os.kill(os.getpid(), signal.SIGTERM)
        try:
            self.fit(task)
            status = 0
        except SystemExit as stop:
            status = stop.code
        again = self.task("contrastive, queue", "asked to stop", 20)
        step = Checkpoint(again.learner, again.directory).restore()
        self.say("asked to stop", f"{status} {step}")

    def lose_a_worker(self):
        """The last process dies in the middle; writes what another one says."""
        from infomin_tf.distribution import workers
        from infomin_tf.errors import UserError

        task = self.task("contrastive, queue", "lost", 20)
        task.on_epoch_end = lambda *_: self.is_last() and os._exit(9)
        try:
            with workers.clear_loss():
                self.fit(task)
        except UserError as error:
            self.say("lost", str(error))
            os._exit(0)  # the strategy's threads wait for the other worker

    def task(self, name, folder, steps=STEPS):
        from tests.conformance import learners

        return learners.task(name, str(self.out / name / folder), steps)

    def fit(self, task, **loop):
        from infomin_tf.training.loop import TrainingLoop

        TrainingLoop(steps_per_call=2, checkpoint_steps=STEPS - 1, **loop).fit(task, self.strategy)

    def is_last(self):
        return self.process == self.processes - 1

    def say(self, what, text):
        (self.out / f"{what} {self.process}.txt").write_text(text)

    def save_weights(self, name, kind, learner):
        from tests import small

        np.savez(self.out / f"{name} {kind} {self.process}.npz", *small.weights(learner))


def note_unfit_operations(learner):
    """A set that fills, as a step is traced, with the operations that a TPU could not run: on the
    host, or of unknown shape.

    The fused normalisation keeps results for its gradient whose shape is the kernel's own; XLA has
    none of them.
    """
    unfit, step = set(), learner.train_step
    own = ("FusedBatchNormV3", "ZerosLike")

    def noting_step(batch):
        metrics = step(batch)
        for operation in tf.compat.v1.get_default_graph().get_operations():
            known = all(x.shape.is_fully_defined() for x in operation.outputs)
            if "PyFunc" in operation.type or not (known or operation.type in own):
                unfit.add(f"{operation.type} {operation.name}")
        return metrics

    learner.train_step = noting_step
    return unfit


def _names():
    from tests.conformance.learners import LEARNERS

    return LEARNERS


if __name__ == "__main__":
    main(*sys.argv[1:])
