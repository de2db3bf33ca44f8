"""Work that one process at a time does, on whatever machine, where only a folder is shared.

Locks of the kernel do not reach every file system that machines share. A lease is a file that its
holder touches again and again; who finds one that was not touched for a while takes the work over.
"""

import contextlib
import glob
import os
import re
import socket
import tempfile
import threading
import time

from absl import logging

BEAT_SECONDS = 10.0
# Network file systems may show a file's time a minute late.
PATIENCE_SECONDS = 120.0


class Lease:
    """A lease on a piece of work.

    Its files are PATH.0, PATH.1 and so on; the last one counts. To take over is to make the next
    file, which can succeed for one process only.

    Args:
        path: of its files, without number.
    """

    def __init__(self, path):
        self._path, self._mine, self._end = path, None, None

    def acquire(self):
        """Whether the lease is this object's from now on; False where another holds it."""
        number, newest = self._newest()
        if newest and is_alive(newest):
            return False
        mine = f"{self._path}.{number + 1}"
        try:
            with open(mine, "x", encoding="utf-8") as file:
                file.write(who())
        except FileExistsError:
            return False
        self._mine, self._end = mine, beat(mine)
        return True

    def is_held(self):
        """Whether it is still this object's: another may have taken it over after a long pause."""
        return self._mine is not None and self._newest()[1] == self._mine

    def release(self):
        """Lets others acquire it at once; nothing where it is not this object's."""
        if self._mine is not None:
            self._end()
            self._mine = None

    def _newest(self):
        """(number, path) of the file that counts; (-1, None) for none."""
        found = []
        for path in glob.glob(f"{glob.escape(self._path)}.*"):
            if number := re.fullmatch(r"\.(\d+)", path[len(self._path) :]):
                found.append((int(number[1]), path))
        return max(found, default=(-1, None))


@contextlib.contextmanager
def awaited(path):
    """A context in which this process alone has the lease; waits for it."""
    held, said = Lease(path), False
    while not held.acquire():
        if not said:
            logging.warning("another process holds %s; waits two minutes if it was killed", path)
        said = True
        time.sleep(BEAT_SECONDS / 10)
    try:
        yield
    finally:
        held.release()


def who():
    """This process, in words that other machines understand."""
    return f"process {os.getpid()} on {socket.gethostname()} ({_machine()})"


def repeat(act, seconds):
    """Calls a function every so many seconds, in a thread; returns a function that ends that."""
    ended = threading.Event()

    def run():
        while not ended.wait(seconds):
            act()

    def end():
        ended.set()
        thread.join()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return end


def beat(path):
    """Touches a file again and again; returns a function that ends that and lets it look old."""

    def touch():
        with contextlib.suppress(OSError):  # a file system of the network may fail for a moment
            os.utime(path)

    def end():
        end_touching()
        stop(path)

    end_touching = repeat(touch, BEAT_SECONDS)
    return end


def stop(path):
    """Makes a file look as if it had not been touched for long."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, (0, 0))


def is_alive(path):
    """Whether a file was touched lately, by the clock of its file system.

    A file of a process of this machine that is gone was not, whatever its time.
    """
    try:
        with open(path, encoding="utf-8") as file:
            said = re.match(r"process (\d+) on .* \((.*)\)", file.read())
        if said and said[2] == _machine() and not _is_running(int(said[1])):
            return False
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=".clock_") as now:
            age = os.stat(now.name).st_mtime - os.stat(path).st_mtime
    except FileNotFoundError:
        return False
    return age < PATIENCE_SECONDS


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _machine():
    """What tells the processes of this machine, or container, from those of others."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return f"{file.read().strip()}, {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:  # not Linux: then only time tells
        return f"unknown machine, {os.urandom(8).hex()}"
