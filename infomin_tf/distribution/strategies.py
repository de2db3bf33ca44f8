"""The tf.distribute strategy of a run, chosen by name and by the devices that are there."""

import json
import os
import re
import signal
import socket
import sys

import tensorflow as tf

from infomin_tf.errors import UserError

_PATIENCE = 600  # seconds


def create_strategy(name):
    """Returns the tf.distribute strategy of that name.

    Args:
        name: "one_device", "mirrored" (all local GPUs, or all logical CPUs), "multi_worker" (the
            cluster that TF_CONFIG describes), "tpu" (the one that TPU_NAME names, by default this
            machine's), or "auto": multi_worker when TF_CONFIG names several workers, tpu when
            TPU_NAME names one or this machine has one, mirrored with several GPUs, otherwise one
            device.

    Returns:
        A tf.distribute.Strategy.

    Raises:
        UserError: an unknown name, an invalid TF_CONFIG, or a TPU that cannot be reached.
    """
    text = os.environ.get("TF_CONFIG", "")
    if name == "auto" and text and _count_workers(text) > 1:
        name = "multi_worker"
    if name == "auto" and (os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU")):
        name = "tpu"
    if name == "multi_worker":  # before anything starts the devices
        return _multi_worker_strategy(text)
    if name == "tpu":
        return _tpu_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if name == "auto":
        several_gpus = len(tf.config.list_logical_devices("GPU")) > 1
        name = "mirrored" if several_gpus else "one_device"
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(devices[0].name)
    if name == "mirrored":
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    raise UserError(
        f"--strategy={name} is not one of auto, one_device, mirrored, tpu, multi_worker; use one "
        "of these"
    )


def _multi_worker_strategy(text):
    """The strategy of all workers once they are there; ends the process when it takes too long."""
    count = _count_workers(text)
    print(f"waiting for {count} workers, {_PATIENCE // 60} minutes at most", file=sys.stderr)
    previous = _set_handlers(signal.SIG_DFL, signal.SIG_DFL)
    signal.alarm(_PATIENCE)  # TensorFlow waits where no Python code runs
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        raise UserError(
            f"the workers of TF_CONFIG did not all connect ({str(error).splitlines()[0]}); make "
            "sure that their addresses, written host:port, can be reached and their ports are "
            "free, and start all workers with the same command"
        ) from error
    finally:
        signal.alarm(0)
        # TensorFlow's handler of SIGTERM would keep the signal to itself.
        _set_handlers(signal.SIG_DFL, previous)


def _set_handlers(terminate, interrupt):
    """Sets the handlers of SIGTERM and SIGINT; returns that of SIGINT before."""
    signal.signal(signal.SIGTERM, terminate)
    return signal.signal(signal.SIGINT, interrupt)


def _count_workers(text):
    """Workers, the chief included, of the cluster that a TF_CONFIG describes.

    Raises:
        UserError: it does not describe one, or one in which this process is neither a chief nor a
            worker.
    """
    example = '{"cluster": {"worker": ["host1:port", "host2:port"]}, '
    example += '"task": {"type": "worker", "index": 0}}'
    try:
        found = json.loads(text)
        cluster, task = found["cluster"], found["task"]
        if task["type"] not in ("chief", "worker"):
            raise ValueError(f"a {task['type']} does not train")
        if not all(isinstance(addresses, list) for addresses in cluster.values()):
            raise ValueError("the addresses of each type must be a list")
        if not 0 <= int(task["index"]) < len(cluster[task["type"]]):
            raise ValueError(f"there is no {task['type']} {task['index']}")
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"TF_CONFIG does not describe a cluster that includes this process ({error!r}): "
            f"{text or 'it is not set'}\nset it on each worker to\n  {example}\nwith the index of "
            "that worker, or use --strategy=one_device or mirrored"
        ) from error


def _tpu_strategy():
    name = os.environ.get("TPU_NAME") or "local"
    addresses = re.findall(r"grpc://\[?([^,/]+?)\]?(?::(\d+))?/?(?:,|$)", name)
    try:
        for host, port in addresses:  # for which TensorFlow would wait without end
            socket.create_connection((host, int(port or 8470)), timeout=30).close()
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(name)
    except (ValueError, OSError, RuntimeError, ImportError, tf.errors.OpError) as error:
        raise UserError(
            f"no TPU answers to the name {name!r} ({str(error).splitlines()[0]}); set TPU_NAME to "
            "the name of yours, leave it unset on a TPU VM, which has its own, or use "
            "--strategy=one_device"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def check_xla(strategy):
    """Raises UserError where XLA cannot compile a step: on CPUs that share it."""
    on_cpu = any("CPU" in device for device in strategy.extended.worker_devices)
    if on_cpu and strategy.num_replicas_in_sync > 1:
        raise UserError(
            f"XLA cannot compile a step that {strategy.num_replicas_in_sync} CPUs share; bind "
            "TrainingLoop.jit_compile = False, or use --strategy=one_device"
        )


def can_time_batches(strategy):
    """Whether a process can read the clock once a batch is there, and nothing waits for that.

    The batches of several accelerators of one process are there when these have taken them, after
    the step before. A TPU's host may be another machine, which cannot call back to read a clock.
    """
    devices = strategy.extended.worker_devices
    is_one_gpu = len(devices) == 1 and "TPU" not in devices[0]
    return is_one_gpu or all("CPU" in device for device in devices)
