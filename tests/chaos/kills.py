"""When processes are killed, what was seen then, and what must hold after it."""

import contextlib
import dataclasses
import functools
import os
import re
import time

from tests import worker_processes
from tests.chaos.runs import BETWEEN, FOLDERS, LAST, STAGES, Run


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
    """`count` kills in the order in which they will come, evenly spread over the stages from that
    of number `first` on.
    """
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
        with worker_processes.none_left(run.processes):
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
