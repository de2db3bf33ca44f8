"""Kills a whole small experiment again and again with SIGKILL, and sees whether it ends as if
nothing had been.

    python -m tests.chaos --kills=20 --seed=0 --out=/tmp/chaos

runs gin/quickstart.gin at a tiny size without a stop, on one device and as two worker processes;
then again, with kills spread over all stages, both workers and the writing of checkpoints and of
the export. After each kill the same command is started again. It prints the table of
docs/reliability.md, and fails where a number, a file or a finished stage differs.
"""

import argparse
import pathlib
import random

from tests import worker_processes
from tests.chaos.kills import broken_run, plan
from tests.chaos.runs import Run, check_alike

KILLS_A_RUN = 5


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
    print("| kill | processes | in | while | newest checkpoint | continued from | numbers |")
    print("|---|---|---|---|---|---|---|")
    while left:
        processes = 2 if number % 4 == 3 else 1
        unbroken = flags.out / f"unbroken_{processes}"
        if not unbroken.exists():
            run = Run(unbroken, processes, 0)
            with worker_processes.none_left(run.processes):
                run.finish()
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
