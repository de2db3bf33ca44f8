"""Runs the missing points of a sweep, each in a process of its own, without TensorFlow here.

Several processes, on one machine or on several that share the folder, divide the points.
"""

import concurrent.futures
import contextlib
import fcntl
import functools
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import uuid

from tqdm import tqdm

from infomin_tf import environment
from infomin_tf.progress import Progress, say
from infomin_tf.runs import files, lease, results, run_folder
from infomin_tf.sweeps import logs, records

LEFT_OUT = "left out: "  # begins what is said of a point that there was no time for
_REFRESH_SECONDS, _SPENT = 2, "spent.json"
_BUSY = object()  # of a point that another process runs
_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# -P: modules of the working directory do not hide those of Python.
_PYTHON = [sys.executable, "-P", "-c"]
_TRAIN = "from infomin_tf.command_line.main import train_main; train_main()"
_SHOW_VIEWS = "from infomin_tf.command_line.main import show_views_main; show_views_main()"


class Runner:
    """Runs the missing points of a sweep.

    Args:
        sweep: `Sweep`.
        out: folder; a point is written under out/points/<name>.
        data_dir: folder of prepared TFDS data sets.
        jobs: points at a time, without devices.
        devices: GPU numbers, one point on each at a time; () leaves the choice to TensorFlow.
    """

    def __init__(self, sweep, out, data_dir=None, jobs=1, devices=()):
        self.sweep, self.out, self.data_dir = sweep, out, data_dir
        self.jobs = len(devices) or jobs
        self._devices = list(devices)
        self._processes, self._running, self._lock = set(), {}, threading.Lock()
        self._stopped, self._id = False, uuid.uuid4().hex[:8]  # of several that share the folder

    def model_dir(self, point):
        """Where a point is written."""
        return os.path.join(self.out, "points", point.name)

    def command(self, point):
        """The command of a point, as a person would type it."""
        return shlex.join([environment.as_installed("bin/train"), *self._flags(point)])

    def _flags(self, point):
        flags = [f"--model_dir={self.model_dir(point)}", f"--until={self.sweep.until}"]
        return [*point.flags(self.data_dir), *flags]

    def is_finished(self, point):
        """Whether its last stage has results.

        Raises:
            UserError: the point was run with other settings, or with views that another run has
                learned again since.
        """
        finished = results.read(os.path.join(self.model_dir(point), self.sweep.until)) is not None
        if finished:
            records.check(self.model_dir(point), point)
        return finished

    def spent(self, point):
        """Seconds of wall-clock time that the processes of a point have taken so far."""
        path = os.path.join(self.model_dir(point), _SPENT)
        fix = "delete this file"
        return files.read_json(path, fix)["seconds"] if os.path.exists(path) else 0.0

    def run(self):
        """Runs what is missing; returns dict point -> why it has no results, for those without."""
        points = self.sweep.points()
        missing = [point for point in points if not self.is_finished(point)]
        started, problems = time.monotonic(), {}
        name, finished = os.path.basename(os.path.normpath(self.out)), len(points) - len(missing)
        with (
            Progress(name, "point", len(points), finished) as progress,
            concurrent.futures.ThreadPoolExecutor(self.jobs) as pool,
        ):
            free = list(self._devices or [None] * self.jobs)
            attempt = functools.partial(self._attempt, started, free)
            waiting, elsewhere = {pool.submit(attempt, point): point for point in missing}, []
            try:
                while waiting or elsewhere:
                    done, _ = concurrent.futures.wait(
                        waiting, _REFRESH_SECONDS, concurrent.futures.FIRST_COMPLETED
                    )
                    if not waiting:
                        time.sleep(_REFRESH_SECONDS)
                    again = {pool.submit(attempt, point): point for point in elsewhere}
                    elsewhere = []
                    for future in done:
                        point, problem = waiting.pop(future), future.result()
                        if problem is _BUSY:
                            elsewhere.append(point)
                        elif problem:
                            problems[point] = problem
                            if not problem.startswith(LEFT_OUT):  # of these there may be many
                                tqdm.write(f"{point.name}: {problem}", file=sys.stderr)
                    waiting |= again
                    stages = [f"{n}: {logs.stage(log)}" for n, log in self._running.copy().items()]
                    others = f"{len(elsewhere)} run by others" if elsewhere else ""
                    left = len(waiting) + len(elsewhere)
                    progress.update(len(points) - left, *stages, others)
            except BaseException:
                self._stop()
                raise
        late = [problem for problem in problems.values() if problem.startswith(LEFT_OUT)]
        if late:
            say(f"{len(late)} points {late[0]}")
        return {point: problems[point] for point in points if point in problems}

    def _attempt(self, started, free, point):
        """See `_run_point`, on a free device; nothing is begun after the sweep's hours."""
        hours = (time.monotonic() - started) / 3600
        if self._stopped or (self.sweep.hours and hours > self.sweep.hours):
            return f"{LEFT_OUT}the budget of {self.sweep.hours:.3g} h is spent"
        device = free.pop()
        try:
            return self._run_point(point, device)
        finally:
            free.append(device)

    def pictures(self, settings):
        """dict caption -> path of a picture of the views of a setting, made when missing.

        As many are made at a time as points are run, without a GPU; one that fails is named and
        left out.

        Args:
            settings: labels of each.
        """
        points = {}
        for point in self.sweep.points():
            if point.labels in settings:
                points.setdefault(" / ".join(point.labels), point)
        made = []
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                with Progress("pictures of the views", "picture", len(points)) as progress:
                    for path in pool.map(self._show_views, points.values()):
                        made.append(path)
                        progress.update(len(made))
            except BaseException:
                self._stop()
                raise
        return {caption: path for caption, path in zip(points, made, strict=True) if path}

    def _show_views(self, point):
        """Path of a picture of a setting's views; None when that fails."""
        stem = os.path.join(self.out, "views", point.setting)
        endings = ".png", f".{self._id}.part.png", ".log"
        path, unfinished, log = (stem + ending for ending in endings)
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            flags = [*point.flags(self.data_dir), f"--out={unfinished}"]
            if self._call([*_PYTHON, _SHOW_VIEWS, *flags], log, device="") != 0:
                said = f"no picture of {point.setting}: {logs.last_error(log)} ({log})"
                if not self._stopped:
                    print(said, file=sys.stderr)
                return None
            os.replace(unfinished, path)
        return path

    def learned_channels(self, point):
        """Path of the picture of learned channels, which is there where a point learned views."""
        return os.path.join(self.model_dir(point), "learn_views", results.CHANNELS_PICTURE)

    def _run_point(self, point, device):
        """Trains; returns None, what went wrong, or _BUSY where another process trains."""
        model_dir = self.model_dir(point)
        os.makedirs(model_dir, exist_ok=True)
        held = lease.Lease(os.path.join(model_dir, "sweep.lease"))
        # A run may be in use without a lease: where its sweep was killed on another machine.
        if run_folder.is_in_use(model_dir) or not held.acquire():
            return _BUSY
        try:
            with open(os.path.join(model_dir, "sweep.lock"), "w") as lock:
                # Besides the run's own lock, and inherited by the run: where a sweep was killed and
                # its run continues, the next sweep on this machine waits for it here.
                _lock(lock)
                if self.is_finished(point):
                    return None
                return self._train(point, device, lock, held)
        finally:
            held.release()

    def _train(self, point, device, lock, held):
        model_dir = self.model_dir(point)
        records.write(model_dir, point)
        log, before = os.path.join(model_dir, "log.txt"), self.spent(point)
        self._running[point.name], started = log, time.monotonic()
        status = self._call([*_PYTHON, _TRAIN, *self._flags(point)], log, device, lock, held)
        del self._running[point.name]
        if not held.is_held():
            return _BUSY
        spent = {"seconds": round(before + time.monotonic() - started, 1)}
        files.write_atomically(os.path.join(model_dir, _SPENT), json.dumps(spent))
        return None if status == 0 else f"failed: {logs.last_error(log)} (all of it in {log})"

    def _call(self, command, log, device=None, lock=None, held=None):
        path = [_PACKAGE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        variables = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
        if device is not None:
            variables["CUDA_VISIBLE_DEVICES"] = str(device)
        with open(log, "w") as file:
            process = subprocess.Popen(
                command,
                stdout=file,
                stderr=file,
                env=variables,
                start_new_session=True,
                pass_fds=[lock.fileno()] if lock else [],
            )
            with self._lock:
                self._processes.add(process)
                if self._stopped:  # between its start and here
                    process.terminate()
            try:
                status = _wait(process, held)
            except BaseException:
                process.terminate()
                raise
        with self._lock:
            self._processes.discard(process)
        return status

    def _stop(self):
        """Asks the running points to save and leave; the same command continues from there."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.terminate()


def _wait(process, held):
    """The status of a process that ends; asks it to where another took over the lease."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(lease.BEAT_SECONDS)
        if held and not held.is_held():
            process.terminate()


def _lock(file):
    """Waits for the lock of a file; file systems without locks have the lease alone."""
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
