"""Worker processes on one machine: their addresses, and an end to those of a failed test."""

import contextlib
import itertools
import json
import os
import socket

_NEXT_PORT = itertools.count()


def environments(count):
    """The environment of each of `count` workers of a cluster; one process has no cluster."""
    cluster = {"worker": [f"localhost:{free_port()}" for _ in range(count)]}
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    configs = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
    own = [{"TF_CONFIG": config} if count > 1 else {} for config in configs]
    return [os.environ | {"CUDA_VISIBLE_DEVICES": ""} | variables for variables in own]


@contextlib.contextmanager
def none_left(processes):
    """Kills those of the `processes` that still run at the end."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def free_port():
    """A port of localhost on which nothing listens; below those that a system gives out by itself,
    and another one in each call and each process, so that nothing takes it before it is used.
    """
    while True:
        port = 10000 + (97 * os.getpid() + next(_NEXT_PORT)) % 20000
        with contextlib.suppress(OSError), socket.create_server(("localhost", port)):
            return port
