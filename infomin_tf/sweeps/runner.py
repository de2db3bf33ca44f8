"""Runs the missing points of a sweep, each in a process of its own, without TensorFlow here."""

import concurrent.futures
import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time

from tqdm import tqdm

from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.progress import Progress
from infomin_tf.runs import files, results

LEFT_OUT = "left out: "  # begins what is said of a point that there was no time for
_REFRESH_SECONDS, _SPENT = 2, "spent.json"
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
        self._stopped = False

    def model_dir(self, point):
        """Where a point is written."""
        return os.path.join(self.out, "points", point.name)

    def command(self, point):
        """The command of a point, as a person would type it."""
        return shlex.join(["bin/train", *self._flags(point)])

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
        path = os.path.join(self.model_dir(point), "command.json")
        if finished and os.path.exists(path):
            known = files.read_json(path, "use another --out, or delete the folder it is in")
            _check_same(known, _record(point), self.model_dir(point))
            _check_views(self.model_dir(point))
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

            def attempt(point):
                hours = (time.monotonic() - started) / 3600
                if self._stopped or (self.sweep.hours and hours > self.sweep.hours):
                    return f"{LEFT_OUT}the budget of {self.sweep.hours:.3g} h is spent"
                device = free.pop()
                try:
                    return self._run_point(point, device)
                finally:
                    free.append(device)

            futures = {pool.submit(attempt, point): point for point in missing}
            waiting = set(futures)
            try:
                while waiting:
                    done, waiting = concurrent.futures.wait(
                        waiting, _REFRESH_SECONDS, concurrent.futures.FIRST_COMPLETED
                    )
                    for future in done:
                        point, problem = futures[future], future.result()
                        if problem:
                            problems[point] = problem
                            tqdm.write(f"{point.name}: {problem}", file=sys.stderr)
                    stages = [f"{n}: {_stage(log)}" for n, log in self._running.copy().items()]
                    progress.update(len(points) - len(waiting), *stages)
            except BaseException:
                self._stop()
                raise
        return {point: problems[point] for point in points if point in problems}

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
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                made = list(pool.map(self._show_views, points.values()))
            except BaseException:
                self._stop()
                raise
        return {caption: path for caption, path in zip(points, made, strict=True) if path}

    def _show_views(self, point):
        """Path of a picture of a setting's views; None when that fails."""
        stem = os.path.join(self.out, "views", point.setting)
        path, unfinished, log = (stem + ending for ending in (".png", ".part.png", ".log"))
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            flags = [*point.flags(self.data_dir), f"--out={unfinished}"]
            if self._call([*_PYTHON, _SHOW_VIEWS, *flags], log, device="") != 0:
                said = f"no picture of {point.setting}: {_last_error(log)} ({log})"
                if not self._stopped:
                    print(said, file=sys.stderr)
                return None
            os.replace(unfinished, path)
        return path

    def learned_channels(self, point):
        """Path of the picture of learned channels, which is there where a point learned views."""
        return os.path.join(self.model_dir(point), "learn_views", results.CHANNELS_PICTURE)

    def _run_point(self, point, device):
        """Trains; returns None, or what went wrong."""
        model_dir = self.model_dir(point)
        os.makedirs(model_dir, exist_ok=True)
        with open(os.path.join(model_dir, "sweep.lock"), "w") as lock:
            # Besides the run's own lock, and inherited by the run: where a sweep was killed and its
            # run continues, the next sweep waits for it here.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_finished(point):
                return None
            record = json.dumps(_record(point))
            files.write_atomically(os.path.join(model_dir, "command.json"), record)
            log, before = os.path.join(model_dir, "log.txt"), self.spent(point)
            self._running[point.name], started = log, time.monotonic()
            status = self._call([*_PYTHON, _TRAIN, *self._flags(point)], log, device, lock)
            del self._running[point.name]
            spent = {"seconds": round(before + time.monotonic() - started, 1)}
            files.write_atomically(os.path.join(model_dir, _SPENT), json.dumps(spent))
        return None if status == 0 else f"failed: {_last_error(log)} (all of it in {log})"

    def _call(self, command, log, device=None, lock=None):
        path = [_PACKAGE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = str(device)
        with open(log, "w") as file:
            process = subprocess.Popen(
                command,
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,
                pass_fds=[lock.fileno()] if lock else [],
            )
            with self._lock:
                self._processes.add(process)
                if self._stopped:  # between its start and here
                    process.terminate()
            try:
                status = process.wait()
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


def _record(point):
    """What a point is run with, without the place of its data."""
    return {"flags": point.flags(None), "gin": gin_files.digest(point.gin_files)}


def _check_same(known, now, model_dir):
    if known["flags"] != now["flags"]:
        was, is_now = (shlex.join(record["flags"]) for record in (known, now))
        raise UserError(
            f"{model_dir} was run as\n  {was}\nbut is now\n  {is_now}\nuse another --out"
        )
    if known["gin"] != now["gin"]:
        raise UserError(
            f"{model_dir} was run with other contents of {', '.join(known['gin'])} or of files "
            "that these include; use another --out"
        )


def _check_views(model_dir):
    """Of a point whose views are those of another run (`ViewsOfRun`), which may be gone."""
    folder = os.path.join(model_dir, "learn_views")
    source = (results.read(folder) or {}).get("views_of", "")
    copy, there = (os.path.join(place, results.VIEWS) for place in (folder, source))
    if source and os.path.exists(copy) and os.path.exists(there):
        fix = "learn these views again, or delete this file"
        weights = [files.read_json(path, fix).get("weights") for path in (copy, there)]
        if weights[0] != weights[1]:
            raise UserError(
                f"{model_dir} was run with views of {source} that were learned again since; use "
                "another --out, or delete the folders of the points to run them again"
            )


def _stage(log):
    """What a run is at, such as "pretrain 40%": the newest line of progress in its log."""
    if not os.path.exists(log):
        return "starts"
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - 2000))
        text = file.read().decode(errors="replace")
    training = r"(?:\w+: )?([^:\n]+): .*step \d+ of \d+ \((\d+%)\)"
    said = rf"^stage \d+/\d+ (?:{training}|(\w+) begins$)"
    lines = re.findall(said, text, re.MULTILINE)
    return " ".join(filter(None, lines[-1])) if lines else "starts"


def _last_error(log):
    """What a failed run said last."""
    with open(log, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    starts = [place for place, line in enumerate(lines) if line.startswith("error:")]
    said = lines[starts[-1] :] if starts else lines[-1:] or ["it said nothing"]
    return " ".join(said).removeprefix("error: ")[:400]
