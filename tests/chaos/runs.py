"""The tiny experiment, one start of it, and whether two runs of it ended alike."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

from tests import worker_processes

ROOT = pathlib.Path(__file__).parents[2]
FILES = ("gin/quickstart.gin", str(ROOT / "tests" / "chaos" / "small.gin"))
BETWEEN = 2  # steps between checkpoints, by the last two lines of small.gin
STAGES = ("learn_views", "pretrain", "evaluate", "export")
FOLDERS = {  # stage -> folders of checkpoints and their last steps
    "learn_views": {"learn_views": 10},
    "pretrain": {"pretrain": 20},
    "evaluate": {f"evaluate/linear_probe_{which}": 20 for which in ("pre-trained", "untrained")},
}
LAST = {folder: step for folders in FOLDERS.values() for folder, step in folders.items()}
TIMEOUT = 900  # seconds, of anything that is waited for


def command(program, model_dir, *more):
    """The command line of a program in bin/; bin/train gets the tiny experiment."""
    files = [f"--gin_file={file}" for file in FILES] if program == "train" else []
    program = str(ROOT / "bin" / program)
    return [sys.executable, program, *files, f"--model_dir={model_dir}", *more]


class Run:
    """One start of bin/train, in one process or several."""

    def __init__(self, model_dir, processes, number):
        self.model_dir, self.started = model_dir, time.monotonic()
        self.logs = [model_dir.with_suffix(f".{number}.{i}.log") for i in range(processes)]
        line = command("train", model_dir, *["--strategy=multi_worker"] * (processes > 1))
        self.processes = []
        environments = worker_processes.environments(processes)
        for path, environment in zip(self.logs, environments, strict=True):
            with path.open("w") as log:
                self.processes.append(
                    subprocess.Popen(line, cwd="/", env=environment, stdout=log, stderr=log)
                )

    def await_(self, condition):
        """Returns once a condition holds; looks often, as checkpoints take milliseconds."""
        while not condition():
            ended = [process.poll() for process in self.processes]
            assert ended == [None] * len(ended), f"{ended}\n{self.logs[0].read_text()[-3000:]}"
            assert time.monotonic() < self.started + TIMEOUT, self.logs[0].read_text()[-3000:]
            time.sleep(0.002)

    def kill(self, worker):
        """Kills one process; another one must leave by itself and say why."""
        self.processes[worker].kill()
        assert self.processes[worker].wait() == -signal.SIGKILL, "it had ended already"
        for index, process in enumerate(self.processes):
            if index != worker:
                status, said = process.wait(timeout=TIMEOUT), self.logs[index].read_text()
                assert status == 2 and "another worker is lost" in said, f"{status}\n{said[-3000:]}"

    def finish(self):
        """Waits for the end."""
        for process, log in zip(self.processes, self.logs, strict=True):
            assert process.wait(timeout=TIMEOUT) == 0, log.read_text()[-3000:]

    def began_at(self, folder):
        """The step that the progress of a folder of checkpoints began with, or None."""
        name = folder.replace("/", ": ")
        found = re.search(
            rf"{name}: (?:begins at|continues from) step (\d+) ", self.logs[0].read_text()
        )
        return found and int(found[1])


def results(model_dir):
    """All of the results of all stages, but for times and where the folder lies."""
    found = {}
    for stage in STAGES:
        text = (model_dir / stage / "results.json").read_text()
        found[stage] = json.loads(text.replace(str(model_dir), ""))
        del found[stage]["wall_time_seconds"]
        found[stage].pop("steps_per_second", None)  # of a training
    return found


def files(model_dir):
    """Names of all files of a run, but for TensorBoard's, of which every start adds one."""
    paths = (path.relative_to(model_dir) for path in model_dir.glob("**/*"))
    return {str(path) for path in paths if not path.name.startswith("events.out.")}


def check_alike(model_dir, unbroken):
    """Fails where a run's numbers or files are not those of another one."""
    assert results(model_dir) == results(unbroken)
    assert files(model_dir) == files(unbroken)
