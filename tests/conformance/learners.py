"""One row of the conformance table: every learner under one strategy, by the loop that trains them all.

python -m tests.conformance.learners STRATEGY REPLICAS OUT trains each learner for three steps in one go, and again with a
stop after two, and writes the weights of both to OUT/<learner>.npz. With multi_worker, TF_CONFIG says who this process is.
"""

import dataclasses
import os
import sys

import keras
import numpy as np
import tensorflow as tf

STEPS, BATCH = 3, 8


def tasks():
    """dict name -> function (directory, total steps) -> a `Task`; small learners on small random images."""
    from infomin_tf.data import pipeline
    from infomin_tf.data.moving_mnist import Sequences
    from infomin_tf.data.sources import ArrayImages
    from infomin_tf.evaluation.features import FeatureExtractor
    from infomin_tf.evaluation.linear import ProbeLearner
    from infomin_tf.models import heads
    from infomin_tf.models.sequence import SequenceEncoder
    from infomin_tf.supervised import FactorLearner
    from infomin_tf.training import Task
    from infomin_tf.views import color, families, pairs, splits
    from infomin_tf.views.augment.jigsaw import JigsawPatches
    from infomin_tf.views.factor_pair import FactorPair
    from tests import small

    images, crops = small.images(40), pairs.CropAndFlip(12)

    def stream(transform, source=images, size=BATCH, seed=1):
        return lambda step, shard: pipeline.training_batches(
            source, size, seed, transform, first_step=step, shard=shard
        )

    def contrastive(pair=None, numbered=False, **arguments):
        def make():
            keras.utils.set_random_seed(3)
            batches = stream(
                pair or pairs.IndependentPair(crops), images.numbered() if numbered else images
            )
            return small.contrastive_learner(num_images=40, **arguments), batches

        return make

    def views():
        pair = pairs.IndependentPair(crops)
        parts = stream(pair), stream(pair, size=4 * BATCH // 8, seed=2)
        zipped = lambda step, shard: tf.data.Dataset.zip(tuple(p(step, shard) for p in parts))  # noqa: E731
        return small.view_learner(), zipped

    def extractor():
        found = FeatureExtractor(small.split(), [small.SmallBackbone() for _ in range(2)])
        found.build((None, *small.VIEW_SHAPE))
        return found

    def probe():
        learner = ProbeLearner(extractor(), 3, keras.optimizers.SGD(0.1, momentum=0.9))
        learner.build(None)
        return learner, stream(pairs.SingleView(crops))

    pixels = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    sets = [
        ArrayImages(name, pixels[:, :side, :side], np.arange(30) % 3, ("a", "b", "c"))
        for name, side in (("digits", 6), ("backgrounds", 12))
    ]
    sequences = Sequences(*sets, canvas=12)

    def sequence():
        keras.utils.set_random_seed(3)
        whole = splits.Sequence(color.RGB(), (0.5,) * 3, (0.25,) * 3, num_frames=3)
        whole.build((None, *small.VIEW_SHAPE))
        backbone = small.SmallBackbone()
        encoders = [
            SequenceEncoder(backbone, heads.LinearHead(8), 6),
            small.Encoder(backbone, heads.LinearHead(8)),
        ]
        learner = small.ContrastiveLearner(
            whole, encoders, small.negatives.InBatch(0.2), keras.optimizers.SGD(0.1)
        )
        learner.build(small.VIEW_SHAPE)
        pair = FactorPair(12, keep_digit=True, num_frames=3, target_frame=4)
        return learner, stream(pair, sequences)

    def factors():
        keras.utils.set_random_seed(3)
        sizes = {"digit": 3, "background": 3}
        learner = FactorLearner(extractor(), sizes, 12, keras.optimizers.SGD(0.1))
        learner.build(small.VIEW_SHAPE)
        return learner, lambda step, shard: pipeline.frame_batches(sequences, BATCH, 1, step, shard)

    jigsaw = pairs.IndependentPair(families.moco_v1(12), JigsawPatches(24, grid=2, patch=12))
    makers = {
        "contrastive_in_batch": contrastive(),
        "contrastive_nt_xent": contrastive(nt_xent=True, whole=True),
        "contrastive_queue": contrastive(queue=20),
        "contrastive_shuffled_jigsaw": contrastive(
            jigsaw, queue=20, whole=True, both_directions=False, jigsaw=True, shuffle_keys=True
        ),
        "contrastive_bank": contrastive(bank=10, numbered=True),
        "contrastive_sequences": sequence,
        "views_semi_supervised": views,
        "linear_probe": probe,
        "supervised_factors": factors,
    }

    def task(make, directory, total_steps):
        keras.utils.set_random_seed(3)
        learner, batches = make()
        return Task("test", learner, batches, BATCH, 5, total_steps, directory)

    return {
        name: lambda *arguments, make=make: task(make, *arguments) for name, make in makers.items()
    }


def main(strategy_name, replicas, out):
    """Trains all learners and writes what became of them."""
    if strategy_name == "mirrored":
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * int(replicas),
        )
    from infomin_tf import distribution, workers
    from infomin_tf.training import TrainingLoop
    from tests import small

    tf.config.experimental.enable_op_determinism()
    strategy = distribution.create_strategy(strategy_name)
    assert strategy.num_replicas_in_sync == int(replicas)
    loop = TrainingLoop(steps_per_call=2)
    with strategy.scope():
        for name, make in sorted(tasks().items()):
            unbroken = make(os.path.join(out, name, "unbroken"), STEPS)
            loop.fit(unbroken, strategy)
            directory = os.path.join(out, name, "stopped")
            loop.fit(dataclasses.replace(make(directory, STEPS), total_steps=2), strategy)
            workers.wait_for_all()
            resumed = make(directory, STEPS)
            loop.fit(resumed, strategy)
            results = {"unbroken": unbroken, "resumed": resumed}
            number = os.environ.get("WORKER", "0")
            np.savez(
                os.path.join(out, f"{name}_{number}.npz"),
                **{
                    f"{kind}_{place}": weight
                    for kind, task in results.items()
                    for place, weight in enumerate(small.weights(task.learner))
                },
            )
            workers.wait_for_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
