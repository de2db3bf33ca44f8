"""What computing the maps of a ResNet again saves in memory and costs in time.

    python benchmarks/rematerialization.py --rounds 7

A training step of ResNet-50 on 64 random images of 96 px, in turns with the same step under
`rematerialize`; peak resident memory above that after the weights are made, and the ratio of the
medians of the step times.
"""

import argparse

from turns import Process, compare, figures, peak_memory, take_turns

BATCH, SIDE = 64, 96


class Contestant:
    """A step of one network."""

    def __init__(self, rematerialize):
        import keras
        import tensorflow as tf

        from infomin_tf.models import resnet

        keras.utils.set_random_seed(1)
        network = resnet.ResNet50(rematerialize=rematerialize)
        network.build((None, SIDE, SIDE, 3))
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build(network.trainable_variables)
        images = tf.random.uniform([BATCH, SIDE, SIDE, 3], seed=1)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(network(images, training=True) ** 2)
            variables = network.trainable_variables
            gradients = tape.gradient(loss, [v.value for v in variables])
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return loss

        self._step, self._before = step, peak_memory()

    def step(self):
        """One step; returns the memory in MiB that steps have taken so far."""
        float(self._step())
        return peak_memory() - self._before


def main():
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    calls = [("kept", "step"), ("rematerialized", "step")]
    processes = {n: Process(Contestant, "tensorflow", n == "rematerialized") for n, _ in calls}
    usages = take_turns(processes, calls, rounds)
    kept, again = (memory[-1] for memory in figures(usages, "result").values())
    print(f"| peak memory of steps, kept | {kept:.0f} MiB |")
    print(f"| peak memory of steps, rematerialized | {again:.0f} MiB, {again / kept:.2f} of it |")
    print(f"| time of a step | {compare(figures(usages, 'call'), *reversed(calls))} |")


if __name__ == "__main__":
    main()
