"""Worker processes on one machine: their addresses, and an end to those that a failed test leaves."""

import contextlib
import json
import os
import socket


def environments(count):
    """The environment of each of `count` workers of one cluster; that of one process has no cluster."""
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports(count)]}
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


def _free_ports(count):
    """Numbers of ports of localhost that nothing listens on."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
