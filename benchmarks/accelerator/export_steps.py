"""Exports the training steps of a sweep to StableHLO, for a machine that has JAX and no TensorFlow.

python benchmarks/accelerator/export_steps.py --gin_file=gin/small/table5.gin --out=DIR \
    [--gin_param=BINDING] [--settings=REGEX] [--data_dir=DIR]

For each setting and stage, the learner's own `train_step` under XLA, with the views made on the
device from uint8 images; for each seed, initial weights and order of the images as bin/train has
them. Draws under XLA come from another generator than on a CPU: other samples, equally distributed.
`run_steps.py` runs them there, `finish_sweep.py` puts the end states back here.

DIR then holds SETTING.json, PROGRAM.mlir and PROGRAM.meta.json for each setting and stage, and a
folder of arrays named by their content, those of more than a million values as float16.
"""

import argparse
import hashlib
import json
import os
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import gin  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from infomin_tf import seeds  # noqa: E402
from infomin_tf.command_line import experiments  # noqa: E402
from infomin_tf.configuration import gin_files  # noqa: E402
from infomin_tf.data.order import Order  # noqa: E402
from infomin_tf.sweeps import names  # noqa: E402, F401
from infomin_tf.sweeps.sweep import Sweep  # noqa: E402
from infomin_tf.training.checkpoint import state  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gin_file", required=True)
    parser.add_argument("--gin_param", action="append", default=[])
    parser.add_argument("--settings", default="", help="a regular expression")
    parser.add_argument("--data_dir")
    parser.add_argument("--out", required=True)
    return parser.parse_args()


def main():
    values = arguments()
    sweep, _ = gin_files.load(Sweep, [gin_files.find_file(values.gin_file)], values.gin_param)
    points = [p for p in sweep.points() if re.search(values.settings, p.setting)]
    for setting in dict.fromkeys(point.setting for point in points):
        of_setting = [point for point in points if point.setting == setting]
        plan = [export_point(point, values, first=point is of_setting[0]) for point in of_setting]
        with open(os.path.join(values.out, f"{setting}.json"), "w") as file:
            json.dump(plan, file)
        print(f"{setting}: {len(plan)} points", flush=True)


def export_point(point, values, first):
    """Writes what is new of a point; returns its stages, as `run_steps.py` reads them."""
    gin.clear_config()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seeds.stream(point.seed, "weights"))
    paths = [gin_files.find_file(file) for file in point.gin_files]
    experiment = experiments.build(paths, list(point.gin_params))
    where = os.path.join(values.out, "unused")
    run = experiment._prepare(where, tf.distribute.get_strategy(), point.seed, values.data_dir, "")
    stages = []
    for stage in experiment._stages:
        if not stage.trains_on:
            continue
        keras.utils.set_random_seed(seeds.stream(point.seed, stage.name))
        learner, task = stage.prepare(run)
        streams = streams_of(stage, run)
        program = f"{point.setting}_{stage.name}"
        if first:
            export_program(values.out, program, stage, run, learner, task, streams)
        initial = [keep(values.out, v.numpy()) for v in state(learner)]
        orders = [[keep(values.out, a) for a in order(*s[1:], task.total_steps)] for s in streams]
        stages.append({"program": program, "stage": stage.name, "state": initial, "orders": orders})
    return {"name": point.name, "stages": stages}


def streams_of(stage, run):
    """(name, images, batch size, seed) of each stream that the stage reads."""
    size, name = stage.training.batch_size, f"{stage.name}/unlabelled"
    streams = [("unlabelled", run.unlabelled, size, seeds.stream(run.seed, name))]
    if "train" in stage.trains_on:
        seed = seeds.stream(run.seed, "learn_views/labelled")
        streams.append(("train", run.train, stage._labelled_batch_size, seed))
    return streams


def export_program(out, program, stage, run, learner, task, streams):
    pair = stage._pair(run)
    numbered = stage.name == "pretrain" and stage._negatives.needs_indices

    @tf.function(jit_compile=True, autograph=False)
    def step(*inputs):
        batches, inputs = [], list(inputs)
        for _, _, size, _ in streams:
            views_seed, images, labels = (inputs.pop(0) for _ in range(3))
            views = pair.apply(images, pair.draw(size, views_seed), dense=True)
            batches.append((views, labels))
        return learner.train_step(batches[0] if stage.name == "pretrain" else tuple(batches))

    specs = []
    for _, images, size, _ in streams:
        specs.append(tf.TensorSpec([2], tf.int32))
        specs.append(tf.TensorSpec([size, *images.image_shape], tf.uint8))
        specs.append(tf.TensorSpec([size], tf.int32))
    concrete = step.get_concrete_function(*specs)
    compiler = step.experimental_get_compiler_ir(*specs)
    hlo = compiler(stage="hlo")
    header = hlo[: hlo.index("\n")]
    found = re.findall(r"\{(\d+)\}: \((\d+), \{\}", header)
    split = {id(v.value.handle) for v in run.split.variables}
    meta = {
        "labels": "places" if numbered else "labels",
        "sets": [name for name, *_ in streams],
        "metrics": sorted(concrete.structured_outputs),
        # Which result replaces which argument; which place in the state each argument has.
        "aliases": {int(result): int(argument) for result, argument in found},
        "places": places_in_state(concrete, learner),
        "weights": len(learner.variables),  # before the optimizers', in the state
        "split": [place for place, v in enumerate(state(learner)) if id(v.value.handle) in split],
        "batch": stage.training.batch_size,
        "steps": task.total_steps,
        "steps_per_epoch": task.steps_per_epoch,
    }
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, f"{program}.mlir"), "wb") as file:
        file.write(compiler(stage="stablehlo_serialized"))
    with open(os.path.join(out, f"{program}.meta.json"), "w") as file:
        json.dump(meta, file)
    print(
        f"{program}: {len(meta['places'])} arrays, {len(found)} replaced, {meta['steps']} steps",
        flush=True,
    )


def places_in_state(concrete, learner):
    """Which place in the learner's state each captured variable of a compiled step has."""
    places = {id(v.value.handle): place for place, v in enumerate(state(learner))}
    return [places[id(handle)] for handle in concrete.captured_inputs]


def order(images, size, seed, steps):
    """Places [steps, batch] and views' seeds int32 [steps, 2], as the pipeline has them."""
    drawn = Order(size, seed)
    per_step = drawn.shuffled(images.size, size).take(steps)
    views = drawn.by_step(drawn.views_seed).take(steps)
    return (
        np.stack(list(per_step.as_numpy_iterator())).astype(
            np.uint16 if images.size <= 2**16 else np.int32
        ),
        np.stack(list(views.as_numpy_iterator())),
    )


def keep(out, array):
    """Writes an array once, a very large one as float16; returns its name."""
    if array.size > 1_000_000 and array.dtype == np.float32:
        array = array.astype(np.float16)
    digest = hashlib.sha1(array.tobytes() + str((array.dtype, array.shape)).encode()).hexdigest()
    folder = os.path.join(out, "arrays")
    path = os.path.join(folder, f"{digest[:16]}.npz")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        np.savez_compressed(path, array=array)
    return digest[:16]


if __name__ == "__main__":
    main()
