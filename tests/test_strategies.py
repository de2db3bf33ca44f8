"""Strategies by name, and what is there for `auto`."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import types
import urllib.error

import pytest
import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver.tpu import tpu_cluster_resolver

from infomin_tf.distribution import strategies, workers
from infomin_tf.errors import UserError
from tests import worker_processes


def test_names():
    assert strategies.create_strategy("auto").num_replicas_in_sync == 1
    assert strategies.create_strategy("one_device").num_replicas_in_sync == 1
    with pytest.raises(UserError, match="not one of auto, one_device"):
        strategies.create_strategy("two_devices")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "it is not set"),
        ("{", "JSONDecodeError"),
        ('{"cluster": {"worker": ["a:1"]}}', "KeyError"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "no worker 1"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "does not train"),
        (
            '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
            "must be a list",
        ),
    ],
)
def test_a_tf_config_that_is_none_is_explained(text, reason, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=reason):
        strategies.create_strategy("multi_worker")


def test_auto_takes_a_cluster_of_one_for_a_single_device(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert isinstance(strategies.create_strategy("auto"), tf.distribute.OneDeviceStrategy)


def test_multi_worker_starts_from_tf_config():
    worker = f"localhost:{worker_processes.free_port()}"
    cluster = {"cluster": {"worker": [worker]}, "task": {"type": "worker", "index": 0}}
    code = (
        "from infomin_tf.distribution import strategies; "
        "print(type(strategies.create_strategy('multi_worker')).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TF_CONFIG": json.dumps(cluster)},
        cwd=pathlib.Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert "CollectiveAllReduce" in done.stdout, done.stderr[-2000:]


@pytest.fixture
def tpu_calls(monkeypatch):
    """What is asked of TensorFlow, in order, where it would look for a TPU."""
    calls = []

    class Client:
        def __init__(self, tpu, **_):
            self._tpu = tpu
            if tpu == "unknown":
                raise urllib.error.URLError("no such host")

        def name(self):
            return self._tpu

    def initialize(resolver, _):
        calls.append(("initialize", resolver._tpu))
        if resolver._tpu == "dead":
            raise tf.errors.NotFoundError(None, None, "TPUs not found in the cluster\nmore")

    monkeypatch.delenv("TPU_NAME", raising=False)
    monkeypatch.setattr(tpu_cluster_resolver.client, "Client", Client)
    monkeypatch.setattr(
        tpu_cluster_resolver.remote,
        "connect_to_cluster",
        lambda resolver: calls.append(("connect", resolver._tpu)),
    )
    monkeypatch.setattr(
        tpu_cluster_resolver.tpu_strategy_util, "initialize_tpu_system_impl", initialize
    )
    monkeypatch.setattr(
        tf.distribute, "TPUStrategy", lambda resolver: calls.append(("strategy", resolver._tpu))
    )
    return calls


@pytest.mark.parametrize("strategy", ["tpu", "auto"])
@pytest.mark.parametrize("name", [None, "mine"])
def test_a_tpu_is_that_of_tpu_name_or_of_this_machine(strategy, name, tpu_calls, monkeypatch):
    if name:
        monkeypatch.setenv("TPU_NAME", name)
    else:
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind: [kind] * (kind == "TPU")
        )
    strategies.create_strategy(strategy)
    expected = name or "local"
    assert tpu_calls == [(call, expected) for call in ("connect", "initialize", "strategy")]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("unknown", "no such host"),
        ("dead", "TPUs not found"),
        # Before TensorFlow, which would wait without end.
        ("grpc://localhost:1", "refused"),
    ],
)
def test_a_tpu_that_does_not_answer_is_explained(name, reason, tpu_calls, monkeypatch):
    monkeypatch.setenv("TPU_NAME", name)
    with pytest.raises(UserError, match=f"'{re.escape(name)}'.*({reason}).*set TPU_NAME") as error:
        strategies.create_strategy("tpu")
    assert "\n" not in str(error.value)


def test_each_address_of_a_tpu_is_tried_before_tensorflow_waits_for_it(tpu_calls, monkeypatch):
    def connect(address, timeout):
        tpu_calls.append(address)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setenv("TPU_NAME", "grpc://a,grpc://10.0.0.2:1/,grpc://[::1]:2")
    strategies.create_strategy("tpu")
    assert tpu_calls[:3] == [("a", 8470), ("10.0.0.2", 1), ("::1", 2)]
    assert [call for call, _ in tpu_calls[3:]] == ["connect", "initialize", "strategy"]


@pytest.mark.long
@pytest.mark.parametrize("is_taken", [True, False])
def test_workers_that_do_not_come_together_are_not_waited_for_without_end(is_taken):
    mine = worker_processes.free_port()
    with contextlib.ExitStack() as stack:
        if is_taken:
            stack.enter_context(socket.create_server(("localhost", mine)))
        cluster = {"worker": [f"localhost:{mine}", "localhost:1"]}
        code = (
            "from infomin_tf.distribution import strategies; "
            f"strategies._PATIENCE = {600 if is_taken else 2}; "
            "strategies.create_strategy('multi_worker')"
        )
        config = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"TF_CONFIG": json.dumps(config)},
            cwd=pathlib.Path(__file__).parents[1],
            capture_output=True,
            text=True,
        )
    assert "waiting for 2 workers" in done.stderr
    if is_taken:
        assert "UserError: the workers of TF_CONFIG did not all connect" in done.stderr
    else:
        assert done.returncode == -signal.SIGALRM


def test_workers_that_find_other_runs_are_refused():
    workers.check_one_run("runs/a", True)
    with pytest.raises(UserError, match="do not find the same run in runs/a; start all"):
        workers.check_one_run("runs/a", False)


@pytest.mark.parametrize(
    ("devices", "can"),
    [
        (["CPU:0"], True),
        (["CPU:0", "CPU:1"], True),
        (["GPU:0"], True),
        (["GPU:0", "GPU:1"], False),
        (["TPU:0"], False),
        (["TPU:0", "TPU:1"], False),
    ],
)
def test_batches_are_timed_where_nothing_waits_for_the_clock(devices, can):
    names = [f"/job:localhost/replica:0/task:0/device:{device}" for device in devices]
    strategy = types.SimpleNamespace(extended=types.SimpleNamespace(worker_devices=names))
    assert strategies.can_time_batches(strategy) == can
