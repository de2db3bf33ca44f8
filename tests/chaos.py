"""Kills a whole small experiment again and again with SIGKILL, and sees whether it ends as if nothing had been.

    python -m tests.chaos --kills=20 --seed=0 --out=/tmp/chaos

runs gin/quickstart.gin at a tiny size without a stop, on one device and as two worker processes; then again, with kills spread
over all stages, both workers and the writing of checkpoints and of the export. After each kill the same command is started
again. It prints the table of docs/reliability.md, and fails where a number, a file or a finished stage differs.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
PARAMETERS = [
    "experiment.Data.limit = 160",
    "pairs.CropAndFlip.size = 32",
    "pairs.CenterCrop.resize = 34",
    "pairs.CenterCrop.size = 32",
    "alexnet.AlexNetHalf.width = 0.05",
    "critic/alexnet.AlexNetHalf.width = 0.05",
    "classifier/alexnet.AlexNetHalf.width = 0.05",
    "learn_views.LearnViews.batch_size = 16",
    "learn_views.LearnViews.labelled_batch_size = 8",
    "learn_views.LearnViews.epochs = 1",
    "pretrain.Pretrain.batch_size = 16",
    "pretrain.Pretrain.epochs = 2",
    "linear.LinearProbe.batch_size = 16",
    "linear.LinearProbe.epochs = 2",
    "training.TrainingLoop.steps_per_call = 2",
    "training.TrainingLoop.checkpoint_minutes = 0.0",
]
BETWEEN = 2  # steps between checkpoints, by the last two lines
STAGES = ("learn_views", "pretrain", "evaluate", "export")
FOLDERS = {  # stage -> folders of checkpoints and their last steps
    "learn_views": {"learn_views": 10},
    "pretrain": {"pretrain": 20},
    "evaluate": {f"evaluate/linear_probe_{which}": 20 for which in ("pre-trained", "untrained")},
}
LAST = {folder: step for folders in FOLDERS.values() for folder, step in folders.items()}
KILLS_A_RUN = 5
TIMEOUT = 900  # seconds, of anything that is waited for


@dataclasses.dataclass
class Kill:
    """When a process is killed, and what was seen then.

    Args:
        folder: of the checkpoints, or "export".
        step: not before this checkpoint is there.
        in_write: in the writing of the next checkpoint; else `delay` seconds later.
        worker: which process.
    """

    folder: str
    step: int
    in_write: bool
    delay: float
    worker: int
    newest: int = 0
    where: str = ""
    resumed: int | None = None


def plan(random_numbers, first, count, processes):
    """`count` kills in the order in which they will come, evenly spread over the stages from that of number `first` on."""
    kills = []
    for index in range(first, first + count):
        stage, worker = STAGES[index % len(STAGES)], random_numbers.randrange(processes)
        if stage == "export":  # worker 0 works there alone, and would end without the other
            kills.append(Kill("export", 0, False, random_numbers.uniform(0.0, 0.8), 0))
            continue
        folder, last = random_numbers.choice(list(FOLDERS[stage].items()))
        in_write = random_numbers.random() < 0.5
        step = random_numbers.randrange(0, last if in_write else last + 1, BETWEEN)
        kills.append(Kill(folder, step, in_write, random_numbers.uniform(0.0, 0.5), worker))
    order = [*LAST, "export"]
    return sorted(kills, key=lambda kill: (order.index(kill.folder), kill.step))


def command(program, model_dir, *more):
    """The command line of a program in bin/; bin/train gets the tiny experiment."""
    files = ["--gin_file=gin/quickstart.gin"] if program == "train" else []
    flags = [f"--gin_param={p}" for p in PARAMETERS] if program == "train" else []
    program = str(ROOT / "bin" / program)
    return [sys.executable, program, *files, *flags, f"--model_dir={model_dir}", *more]


def free_ports(count):
    """Numbers of ports of localhost that nothing listens on."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Run:
    """One start of bin/train, in one process or several."""

    def __init__(self, model_dir, processes, number):
        self.model_dir, self.started = model_dir, time.monotonic()
        self.logs = [model_dir.with_suffix(f".{number}.{i}.log") for i in range(processes)]
        cluster = {"worker": [f"localhost:{port}" for port in free_ports(processes)]}
        self.processes = []
        for index, path in enumerate(self.logs):
            environment, flags = os.environ | {"CUDA_VISIBLE_DEVICES": ""}, []
            if processes > 1:
                task = {"type": "worker", "index": index}
                environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
                flags = ["--strategy=multi_worker"]
            line = command("train", model_dir, *flags)
            with path.open("w") as log:
                self.processes.append(
                    subprocess.Popen(line, cwd="/", env=environment, stdout=log, stderr=log)
                )

    def await_(self, condition):
        """Returns as soon as a condition holds; looks often, as a checkpoint is written in milliseconds."""
        while not condition():
            ended = [process.poll() for process in self.processes]
            assert ended == [None] * len(ended), f"{ended}\n{self.logs[0].read_text()[-3000:]}"
            assert time.monotonic() < self.started + TIMEOUT, self.logs[0].read_text()[-3000:]
            time.sleep(0.0002)

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
        """The step that the progress bar of a folder of checkpoints began with, or None."""
        name = folder.replace("/", ": ")
        found = re.search(rf"{name}: +\d+%\|[^|]*\| (\d+)/", self.logs[0].read_text())
        return found and int(found[1])


def checkpoints(model_dir, folder):
    """(steps of the checkpoints in a folder, names of other files there)."""
    directory = model_dir / folder / "checkpoints"
    names = set(os.listdir(directory)) if directory.is_dir() else set()
    steps = sorted(int(name[5:-6]) for name in names if re.fullmatch(r"ckpt-\d+\.index", name))
    return steps, names - {
        f"ckpt-{s}{end}" for s in steps for end in (".index", ".data-00000-of-00001")
    }


def stamps(paths):
    """Set of (path, time of its last change)."""
    found = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found.add((path, path.stat().st_mtime_ns))
    return found


def is_time(kill, run, known):
    """Whether what a kill waits for is there; `known`: `stamps` of what was there at the start."""
    if kill.folder == "export":
        return stamps(run.model_dir.glob("export/.unfinished_*")) - known
    steps, others = checkpoints(run.model_dir, kill.folder)
    if max(steps, default=0) < kill.step:
        return False
    if kill.in_write:  # or, where the last one was written between two looks, after it
        begun = stamps(run.model_dir / kill.folder / "checkpoints" / name for name in others)
        return begun - known or max(steps, default=0) == LAST[kill.folder]
    return run.began_at(kill.folder) is not None or kill.step == LAST[kill.folder]


def place(kill, model_dir):
    """Where a kill hit, by what it left; fills in the newest checkpoint."""
    if kill.folder == "export":
        return "export" if list(model_dir.glob("export/.unfinished_*")) else "after the export"
    steps, others = checkpoints(model_dir, kill.folder)
    kill.newest = max(steps, default=0)
    if others:
        return "checkpoint write"
    return "measurement" if kill.newest == LAST[kill.folder] else "step"


def broken_run(model_dir, kills, processes=1):
    """Runs the experiment to its end in spite of the kills, and fills in what was seen of them."""
    finished, awaited = {}, []
    for number, kill in enumerate([*kills, None]):
        known = stamps(model_dir.glob("**/*"))
        run = Run(model_dir, processes, number)
        if kill:
            run.await_(functools.partial(is_time, kill, run, known))
            if not kill.in_write:
                time.sleep(kill.delay)
            run.kill(kill.worker)
            kill.where = place(kill, model_dir)
            awaited.append(kill)
        else:
            run.finish()
        for earlier in [k for k in awaited if k is not kill and run.began_at(k.folder) is not None]:
            earlier.resumed = run.began_at(earlier.folder)
            assert earlier.newest - BETWEEN <= earlier.resumed <= earlier.newest, earlier
            assert earlier.resumed == earlier.newest or earlier.where == "checkpoint write", earlier
            awaited.remove(earlier)
        for path in model_dir.glob("*/results.json"):
            stamp = path.stat().st_mtime_ns
            assert finished.setdefault(path, stamp) == stamp, f"{path.parent.name} was run twice"


def results(model_dir):
    """All of the results of all stages, but for wall times and where the folder lies."""
    found = {}
    for stage in STAGES:
        text = (model_dir / stage / "results.json").read_text()
        found[stage] = json.loads(text.replace(str(model_dir), ""))
        del found[stage]["wall_time_seconds"]
    return found


def files(model_dir):
    """Names of all files of a run, but for TensorBoard's, of which every start adds one."""
    paths = (path.relative_to(model_dir) for path in model_dir.glob("**/*"))
    return {str(path) for path in paths if not path.name.startswith("events.out.")}


def check_alike(model_dir, unbroken):
    """Fails where a run's numbers or files are not those of another one."""
    assert results(model_dir) == results(unbroken)
    assert files(model_dir) == files(unbroken)


def main():
    """Runs all of it and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=lambda p: pathlib.Path(p).resolve(), required=True, help="a new folder"
    )
    flags = parser.parse_args()
    flags.out.mkdir(parents=True)
    random_numbers = random.Random(flags.seed)
    rows, left, number = [], flags.kills, 0
    print("| kill | processes | in | while | newest checkpoint | gone on from | numbers |")
    print("|---|---|---|---|---|---|---|")
    while left:
        processes = 2 if number % 4 == 3 else 1
        unbroken = flags.out / f"unbroken_{processes}"
        if not unbroken.exists():
            Run(unbroken, processes, 0).finish()
        kills = plan(random_numbers, len(rows), min(KILLS_A_RUN, left), processes)
        broken_run(flags.out / f"broken_{number}", kills, processes)
        check_alike(flags.out / f"broken_{number}", unbroken)
        for kill in kills:
            rows.append(kill)
            who = "1" if processes == 1 else f"2, worker {kill.worker} killed"
            known = kill.folder != "export" and kill.resumed is not None
            steps = (kill.newest, kill.resumed) if known else ("-", "-")
            cells = (len(rows), who, kill.folder, kill.where, *steps, "equal")
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        left, number = left - len(kills), number + 1


if __name__ == "__main__":
    main()
