"""Contestants of a benchmark: each in its own process, in turns, compared by ratios of medians."""

import contextlib
import importlib
import importlib.util
import multiprocessing
import os
import resource
import signal
import statistics
import sys
import time

# TensorFlow leaves oneDNN off on processors without AVX512 unless asked before its import.
os.environ |= {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "NO_ALBUMENTATIONS_UPDATE": "1",  # it would ask the network for its newest version
}
# Where others use the cores too, OpenMP threads that spin make PyTorch several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Process:
    """A contestant in a fresh process, as PyTorch and TensorFlow cannot share one.

    Args:
        make: class of the contestant, or a function that makes it.
        module: what to import before memory and time of the contestant itself count.
        arguments: of `make`.
    """

    def __init__(self, make, module, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(end, make, module, arguments))
        self._process.start()
        end.close()

    def call(self, method, *arguments):
        """Calls a method there.

        Returns:
            What has been measured so far, in seconds and MiB, and the method's `result`.
        """
        self._pipe.send((method, arguments))
        return self._pipe.recv()

    def close(self):
        """Ends the process."""
        self._pipe.close()
        self._process.join()


def _serve(pipe, make, module, arguments):
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends at once, without a traceback
    importlib.import_module(module)
    usage, started = {"imports": peak_memory()}, time.perf_counter()
    contestant = make(*arguments)
    usage["build"] = time.perf_counter() - started
    with contextlib.suppress(EOFError):
        while True:
            method, arguments = pipe.recv()
            started, processor = time.perf_counter(), time.process_time()
            result = getattr(contestant, method)(*arguments)
            usage["call"] = time.perf_counter() - started
            usage["processor"] = time.process_time() - processor
            pipe.send(usage | {"peak": peak_memory(), "result": result})


def peak_memory():
    """Peak resident set of this process in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def rotated(calls, turn):
    """The calls in the order of a turn: each starts as often as the others."""
    first = turn % len(calls)
    return calls[first:] + calls[:first]


def take_turns(processes, calls, rounds, warm=1, order=rotated):
    """Makes all calls in each round, and ends the processes.

    Args:
        processes: dict name -> `Process`.
        calls: list of (name, method, *arguments).
        rounds: that count.
        warm: rounds before them that do not.
        order: function (calls, turn) -> the calls in the order of a turn.

    Returns:
        dict call -> list of what `Process.call` returned, one for each round.
    """
    usages = {call: [] for call in calls}
    try:
        for turn in range(-warm, rounds):
            for name, *call in order(calls, turn):
                usages[name, *call].append(processes[name].call(*call))
    finally:
        for process in processes.values():
            process.close()
    return {call: found[warm:] for call, found in usages.items()}


def figures(usages, kind, of=lambda figure: figure):
    """dict call -> list of one figure, such as "call" (seconds), of each round of `take_turns`."""
    return {call: [of(usage[kind]) for usage in found] for call, found in usages.items()}


def compare(values, name, other):
    """Ratio of the medians of two contestants, with the quartiles of the single rounds, as text."""
    ratio = statistics.median(values[name]) / statistics.median(values[other])
    rounds = [a / b for a, b in zip(values[name], values[other], strict=True)]
    low, _, high = statistics.quantiles(rounds, n=4) if len(rounds) > 1 else rounds * 3
    return f"{ratio:.3f} ({low:.3f} to {high:.3f})"


def installed(*modules):
    """Whether all modules can be imported; says so if not."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: {', '.join(missing)} is not installed")
    return not missing
