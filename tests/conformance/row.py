"""One row of the conformance table: every learner under one strategy, by the loop that trains them all.

python -m tests.conformance.row STRATEGY REPLICAS OUT writes to OUT, for each learner, the weights after three steps in one go
and after three with a stop after two; and what a run does when its last process is asked to stop, or dies. With multi_worker,
TF_CONFIG says which process this is.
"""

import dataclasses
import json
import os
import pathlib
import signal
import sys

import numpy as np
import tensorflow as tf

STEPS = 3


def main(strategy_name, replicas, out):
    """Trains all learners under a strategy."""
    if strategy_name == "mirrored":
        devices = [tf.config.LogicalDeviceConfiguration()] * int(replicas)
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], devices
        )
    tf.config.experimental.enable_op_determinism()
    from infomin_tf import distribution

    strategy = distribution.create_strategy(strategy_name)
    assert strategy.num_replicas_in_sync == int(replicas)
    from tests.conformance.learners import LEARNERS

    config = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))
    row = Row(
        strategy,
        pathlib.Path(out),
        config["task"]["index"],
        len(config.get("cluster", {}).get("worker", [0])),
    )
    with strategy.scope():
        for name in LEARNERS:
            row.train(name)
        row.stop()
        if row.processes > 1:
            row.lose_a_worker()


@dataclasses.dataclass
class Row:
    """The strategy, the folder to write to, and which of how many processes this is."""

    strategy: tf.distribute.Strategy
    out: pathlib.Path
    process: int
    processes: int

    def train(self, name):
        """Trains a learner in one go, and with a stop."""
        from infomin_tf import workers

        unbroken = self.task(name, "unbroken")
        self.fit(unbroken)
        self.fit(dataclasses.replace(self.task(name, "stopped"), total_steps=STEPS - 1))
        workers.wait_for_all()
        resumed = self.task(name, "stopped")
        self.fit(resumed)
        for kind, task in (("unbroken", unbroken), ("resumed", resumed)):
            self.save_weights(name, kind, task.learner)

    def stop(self):
        """The last process is sent SIGTERM in the middle; writes the exit status of this one, and the step that was saved."""
        from infomin_tf.checkpoint import Checkpoint

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
        from infomin_tf import workers
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

    def fit(self, task):
        from infomin_tf.training import TrainingLoop

        TrainingLoop(steps_per_call=2).fit(task, self.strategy)

    def is_last(self):
        return self.process == self.processes - 1

    def say(self, what, text):
        (self.out / f"{what} {self.process}.txt").write_text(text)

    def save_weights(self, name, kind, learner):
        from tests import small

        np.savez(self.out / f"{name} {kind} {self.process}.npz", *small.weights(learner))


if __name__ == "__main__":
    main(*sys.argv[1:])
