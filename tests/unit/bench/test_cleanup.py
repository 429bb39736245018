"""A run of the measurements ends in time, and leaves no process behind, whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.__main__ import _time_limit
from bench.cleanup import VARIABLE
from tests.helpers.timeouts import deadline

RUN = """
import multiprocessing, os, subprocess, sys, tempfile
from bench.cleanup import nothing_left_behind
with nothing_left_behind():
    folder = tempfile.mkdtemp()
    forked = multiprocessing.get_context("forkserver").Process(target=int)
    forked.start()
    forked.join()
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(1000)"]
    left = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
    left.stdout.readline()  # a program that is just being started has no environment for a moment
    print(left.pid, os.environ["BENCH_RUN"], folder, flush=True)
    if sys.argv[1] == "wait":
        left.wait()
"""


PARENT = """
import subprocess, sys
run = subprocess.Popen([sys.executable, "-c", sys.argv[1], "wait"])
print(run.pid, flush=True)
run.wait()
"""


def belongs_to(pid: int, name: str) -> bool:
    try:
        return f"{VARIABLE}={name}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="bench reads /proc")
@pytest.mark.parametrize("end", ["killed", "ends"])
def test_what_a_run_has_started_is_ended_with_it_and_its_files_are_removed(end: str) -> None:
    command = [sys.executable, "-c", RUN, "wait" if end == "killed" else "end"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid, name, folder = run.stdout.readline().split()
        if end == "killed":
            assert belongs_to(int(pid), name)
            run.kill()
        limit = time.monotonic() + deadline(30.0)
        while belongs_to(int(pid), name):
            assert time.monotonic() < limit
            time.sleep(0.01)
        _, errors = run.communicate(timeout=deadline(30.0))
    assert f"is killed: {pid} {sys.executable} -c import time" in errors
    assert "Traceback" not in errors
    assert not Path(folder).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
def test_a_run_can_end_with_its_parent() -> None:
    program = f"from bench.cleanup import end_with_parent; end_with_parent(){RUN}"
    command = [sys.executable, "-c", PARENT, program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        pid, name, _ = parent.stdout.readline().split()
        assert belongs_to(int(pid), name)
        parent.kill()
        limit = time.monotonic() + deadline(30.0)
        while belongs_to(int(pid), name):
            assert time.monotonic() < limit
            time.sleep(0.01)
        parent.communicate(timeout=deadline(30.0))


def test_a_measurement_that_takes_too_long_is_ended() -> None:
    before = signal.getsignal(signal.SIGALRM)
    try:
        with pytest.raises(SystemExit, match="gap has taken more than 300 s"), _time_limit("gap", 300):
            signal.raise_signal(signal.SIGALRM)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
