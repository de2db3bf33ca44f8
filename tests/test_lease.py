"""Leases: one holder at a time, whoever dies loses it, and no lock of the kernel is needed."""

import concurrent.futures
import os
import subprocess
import sys
import threading
import time

import pytest

from infomin_tf.runs import lease


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)


def elsewhere(path, process=1):
    """Makes a lease's file look as if another machine had written it."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"process {process} on other (another machine)")


def test_one_of_many_acquires_it_and_the_next_after_its_release(tmp_path):
    leases = [lease.Lease(str(tmp_path / "work")) for _ in range(20)]
    barrier = threading.Barrier(len(leases))

    def acquire(each):
        barrier.wait()
        return each.acquire()

    with concurrent.futures.ThreadPoolExecutor(len(leases)) as pool:
        acquired = list(pool.map(acquire, leases))
    assert sum(acquired) == 1
    holder = leases[acquired.index(True)]
    assert holder.is_held() and not any(each.is_held() for each in leases if each is not holder)
    holder.release()
    assert not holder.is_held() and lease.Lease(str(tmp_path / "work")).acquire()


def test_a_lease_that_beats_stays_and_one_that_does_not_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "PATIENCE_SECONDS", 1.0)
    path = str(tmp_path / "work")
    mine = lease.Lease(path)
    assert mine.acquire()
    time.sleep(1.3)
    assert not lease.Lease(path).acquire() and mine.is_held()
    elsewhere(f"{path}.1")
    other = lease.Lease(path)
    assert not other.acquire() and not mine.is_held()
    os.utime(f"{path}.1", (0, 0))
    assert other.acquire() and os.path.exists(f"{path}.2")
    mine.release()  # which must not release what is another's now
    assert other.is_held()
    other.release()


def test_a_file_system_that_fails_for_a_moment_does_not_end_a_lease(tmp_path, monkeypatch):
    mine, failed, touch = lease.Lease(str(tmp_path / "work")), threading.Event(), os.utime

    def fail_once(*arguments):
        if not failed.is_set():
            failed.set()
            raise OSError(5, "Input/output error")
        touch(*arguments)

    monkeypatch.setattr(lease.os, "utime", fail_once)
    assert mine.acquire() and failed.wait(5)
    touch(tmp_path / "work.0", (0, 0))
    time.sleep(0.5)
    assert lease.is_alive(str(tmp_path / "work.0"))
    mine.release()


def test_a_dead_process_of_this_machine_is_not_waited_for(tmp_path):
    path = str(tmp_path / "work")
    script = "import sys; from infomin_tf.runs import lease; lease.Lease(sys.argv[1]).acquire()"
    subprocess.run([sys.executable, "-c", script, path], check=True)  # ends without release
    assert lease.Lease(path).acquire()


def test_an_empty_or_foreign_file_is_judged_by_its_time(tmp_path):
    file = tmp_path / "work.0"
    elsewhere(file)
    assert lease.is_alive(str(file))
    lease.stop(str(file))
    assert not lease.is_alive(str(file)) and not lease.is_alive(str(tmp_path / "none"))
    lease.stop(str(tmp_path / "none"))


def test_who_waits_says_so_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(lease.logging, "warning", lambda *words: said.append(words))
    path = str(tmp_path / "work")
    first = lease.Lease(path)
    assert first.acquire()
    threading.Timer(0.3, first.release).start()
    with lease.awaited(path):
        assert not first.is_held()
    assert len(said) == 1 and path in said[0]
