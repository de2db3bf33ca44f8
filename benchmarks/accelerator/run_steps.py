"""Runs steps that `export_steps.py` wrote on the accelerator that JAX finds; needs JAX and NumPy.

python run_steps.py DIR SETTING --images=FILE.npz [--steps=N]

Takes the points of a setting one after the other, stage after stage, the learned views of one in
the next, and writes DIR/ends/POINT_STAGE.npz: the end state, seconds and I_NCE of each step.
"""

import argparse
import json
import os
import re
import time

import jax
import jaxlib.xla_client as xla_client
import numpy as np
from jax.extend import backend
from jax.interpreters import mlir
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

jax.config.update("jax_enable_x64", True)  # step counters are int64


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("setting")
    parser.add_argument("--images", required=True, help="what decode_images.py wrote")
    parser.add_argument("--steps", type=int, help="of each stage, to try it out")
    parser.add_argument("--views_of", help="a point of DIR, whose views are those of all points")
    return parser.parse_args()


def main():
    values = arguments()
    device = backend.get_backend().local_devices()[0]
    print(f"{values.setting}: JAX {jax.__version__}, {device.device_kind}", flush=True)
    with np.load(values.images) as arrays:
        data = {name: jax.device_put(arrays[name], device) for name in arrays.files}
    with open(os.path.join(values.folder, f"{values.setting}.json")) as file:
        points = json.load(file)
    programs = {}
    for point in points:
        learned = views_of(values) if values.views_of else None
        for stage in point["stages"]:
            name = stage["program"]
            if name not in programs:
                programs[name] = Program(values.folder, name, device)
            learned = programs[name].run(values, data, point["name"], stage, learned)


class Program:
    """A compiled step.

    Args:
        folder: what `export_steps.py` wrote.
        name: of the program.
        device: of JAX.
    """

    def __init__(self, folder, name, device):
        started = time.monotonic()
        with open(os.path.join(folder, f"{name}.meta.json")) as file:
            self.meta = json.load(file)
        with open(os.path.join(folder, f"{name}.mlir"), "rb") as file:
            program = without_copies(file.read())
        self._program = backend.get_backend().compile_and_load(
            program, xla_client.DeviceList((device,)), xla_client.CompileOptions()
        )
        self._device, self._name = device, name
        print(f"{name}: compiled in {time.monotonic() - started:.1f} s", flush=True)

    def put(self, array):
        """The array on the device."""
        return jax.device_put(array, self._device)

    def inputs(self, state):
        """The arrays of a learner's state that a step reads and replaces, on the device."""
        return [self.put(state[place]) for place in self.meta["places"]]

    def step(self, batch, inputs):
        """One step, which replaces `inputs` in place.

        Args:
            batch: list of seed int32 [2], images uint8 [B, H, W, C] and labels or places int32
                [B] of each set.
            inputs: see `inputs`.

        Returns:
            dict of the metrics.
        """
        results = self._program.execute_sharded([*batch, *inputs])
        results = [parts[0] for parts in results.disassemble_into_single_device_arrays()]
        for result, argument in self.meta["aliases"].items():
            inputs[argument - len(batch)] = results[int(result)]
        return dict(zip(self.meta["metrics"], results, strict=False))

    def run(self, values, data, point, stage, learned):
        """Runs a stage of a point; returns the values of the split's variables."""
        meta, put = self.meta, self.put
        state = [read(values.folder, name) for name in stage["state"]]
        if learned is not None:
            for place, value in zip(meta["split"], learned, strict=True):
                state[place] = value
        inputs = self.inputs(state)
        orders = [[read(values.folder, name) for name in order] for order in stage["orders"]]
        steps = min(values.steps or meta["steps"], meta["steps"])
        history, started = [], time.monotonic()
        for step in range(steps):
            batch = []
            for name, (places, seeds) in zip(meta["sets"], orders, strict=True):
                rows = put(places[step].astype(np.int32))
                labels = rows if meta["labels"] == "places" else take(data[f"{name}_labels"], rows)
                batch += [put(seeds[step]), take(data[name], rows), labels]
            metrics = self.step(batch, inputs)
            history.append(metrics["i_nce"])
        jax.block_until_ready(inputs)
        seconds = time.monotonic() - started
        for place, value in zip(meta["places"], inputs, strict=True):
            state[place] = np.asarray(value)
        said = ", ".join(f"{name} {float(value):.3f}" for name, value in metrics.items())
        rate = steps / seconds
        print(f"{point} {stage['stage']}: {seconds:.1f} s, {rate:.0f} steps/s, {said}", flush=True)
        i_nce = np.array([float(value) for value in history], np.float32)
        write(values.folder, f"{point}_{stage['stage']}", state[: meta["weights"]], seconds, i_nce)
        return [state[place] for place in meta["split"]]


def without_copies(program):
    """The program without TensorFlow's `mhlo.copy` of its results, which not all of XLA reads."""
    with mlir.make_ir_context() as context:
        context.allow_unregistered_dialects = True
        lines, names = [], {}
        for line in str(ir.Module.parse(program)).splitlines():
            if copy := re.match(r"\s*(%\w+) = mhlo\.copy (%\w+) :", line):
                names[copy[1]] = copy[2]
            else:
                lines.append(re.sub(r"%\w+", lambda name: names.get(name[0], name[0]), line))
        module = ir.Module.parse("\n".join(lines))
        version = stablehlo.get_current_version()
        return stablehlo.serialize_portable_artifact(module, version)


take = jax.jit(lambda table, rows: table[rows])


def read(folder, name):
    with np.load(os.path.join(folder, "arrays", f"{name}.npz")) as arrays:
        array = arrays["array"]
    return array.astype(np.float32) if array.dtype == np.float16 else array


def write(folder, name, state, seconds, i_nce):
    """The end state without the optimizers'; of large arrays, float16."""
    path = os.path.join(folder, "ends", f"{name}.npz")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    kept = [array.astype(np.float16) if array.size > 10_000 else array for array in state]
    arrays = {f"v{place:05d}": array for place, array in enumerate(kept)}
    with open(f"{path}.part", "wb") as file:
        np.savez(file, **arrays, seconds=seconds, i_nce=i_nce)
    os.replace(f"{path}.part", path)


def views_of(values):
    """The split that a point has learned, once it has."""
    path = os.path.join(values.folder, "ends", f"{values.views_of}_learn_views.npz")
    while not os.path.exists(path):
        time.sleep(1)
    setting = values.views_of.rsplit("_seed", 1)[0]
    with open(os.path.join(values.folder, f"{setting}_learn_views.meta.json")) as file:
        places = json.load(file)["split"]
    with np.load(path) as arrays:
        return [arrays[f"v{place:05d}"] for place in places]


if __name__ == "__main__":
    main()
