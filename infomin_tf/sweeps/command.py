"""What bin/sweep does: runs the missing points, then writes tables, curve, report and verdict."""

import contextlib
import os
import signal
import sys

from infomin_tf.configuration import gin_files
from infomin_tf.errors import listed
from infomin_tf.runs import run_folder
from infomin_tf.sweeps import names  # noqa: F401
from infomin_tf.sweeps.outcome import Outcome, text_table
from infomin_tf.sweeps.runner import Runner
from infomin_tf.sweeps.sweep import Sweep


def run(files, gin_params, out, data_dir, jobs, devices):
    """Runs a sweep and reports it.

    Args:
        files, gin_params: configuration of a `Sweep`.
        out: folder of everything that is written.
        data_dir, jobs, devices: see `Runner`.

    Returns:
        Exit status: 1 when points have no results.
    """
    sweep, text = gin_files.load(Sweep, files, gin_params)
    for file in {file for point in sweep.points() for file in point.gin_files}:
        gin_files.find_file(file)
    run_folder.make_folder(out)
    runner = Runner(sweep, out, data_dir, jobs, devices)
    with terminated_like_interrupted():
        problems = runner.run()
        return report(runner, problems, text)


def report(runner, problems, text):
    """Writes all that is shown of a sweep, prints table and verdict; returns the exit status."""
    from infomin_tf.sweeps import report  # with matplotlib, which takes a second

    outcome = Outcome(runner, problems)
    pictures = runner.pictures([setting.labels for setting in outcome.settings])
    for point in runner.sweep.points():
        learned = f"{' / '.join(point.labels)}: the learned channels, each picture stretched"
        if learned not in pictures and os.path.exists(runner.learned_channels(point)):
            pictures[learned] = runner.learned_channels(point)
    outcome.write(runner.out)
    report.write(outcome, pictures, text, runner.out)
    print(text_table(*outcome.table()))
    print("\n" + "\n".join(outcome.verdict()))
    print(f"\nReport: {os.path.join(runner.out, 'report.html')}")
    names_of = {}
    for row in outcome.rows:
        names_of.setdefault(row.problem, []).append(row.point.name)
    names_of.pop(None, None)
    for problem, points in names_of.items():
        print(f"no results: {listed(points)}: {problem}", file=sys.stderr)
    return int(bool(names_of))


@contextlib.contextmanager
def terminated_like_interrupted():
    """SIGTERM ends a sweep as Ctrl-C does: its runs save and leave."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
