"""The most memory that pre-training holds, in MiB: what is resident, and what of it no file backs.

.venv/bin/python benchmarks/memory.py --data_dir=DIR
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(__file__).parents[1] / "bin"
_FIELDS = ("VmRSS", "RssAnon")


def held(process):
    """MiB of each field of /proc/PID/status; zeros once the process is gone."""
    try:
        with open(f"/proc/{process}/status", encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return [0, 0]
    found = [re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE) for field in _FIELDS]
    return [int(each[1]) // 1024 if each else 0 for each in found]


def main():
    """Trains for some steps, looks ten times per second, and prints the maxima."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gin_file", default="gin/imagenette96_raw_views.gin")
    parser.add_argument("--data_dir", help="folder of prepared TFDS data sets")
    parser.add_argument("--steps", type=int, default=60)
    given, most = parser.parse_args(), [0, 0]
    flags = [f"--gin_file={given.gin_file}", "--until=pretrain"]
    flags += [f"--gin_param=TrainingLoop.steps_limit = {given.steps}"]
    flags += [f"--data_dir={given.data_dir}"] if given.data_dir else []
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, str(BIN / "train"), *flags, f"--model_dir={folder}/run"]
        with subprocess.Popen(line) as running:
            while running.poll() is None:
                most = list(map(max, most, held(running.pid)))
                time.sleep(0.1)
    print(f"resident {most[0]} MiB, anonymous {most[1]} MiB, status {running.returncode}")
    sys.exit(running.returncode)


if __name__ == "__main__":
    main()
