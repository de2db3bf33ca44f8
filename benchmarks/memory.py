"""The most memory that a command holds, in MiB: what is resident, and what of it no file backs.

.venv/bin/python benchmarks/memory.py bin/train --gin_file=gin/imagenette96_raw_views.gin \
  --gin_param='TrainingLoop.steps_limit = 60' --until=pretrain --data_dir=DIR
"""

import re
import subprocess
import sys
import time

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
    """Runs the command, looks ten times per second, and prints the maxima."""
    most = [0, 0]
    with subprocess.Popen([sys.executable, *sys.argv[1:]]) as running:
        while running.poll() is None:
            most = list(map(max, most, held(running.pid)))
            time.sleep(0.1)
    print(f"resident {most[0]} MiB, anonymous {most[1]} MiB, status {running.returncode}")
    sys.exit(running.returncode)


if __name__ == "__main__":
    main()
