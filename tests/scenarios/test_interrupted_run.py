"""A test run that is interrupted or killed leaves no daemon and no simulator behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.leftovers import MARKS, marked
from tests.scenarios.stage import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent

ENDLESS = """
import time
from tests.scenarios.stage import open_stage

def test_that_never_ends(tmp_path):
    with open_stage(tmp_path / "w") as stage:
        stage.start_ready()
        (tmp_path.parent / "ready").touch()
        try:
            time.sleep(3600)
        finally:
            time.sleep(3600)  # a test that does not end when it is interrupted

def test_another_that_never_ends(tmp_path):
    test_that_never_ends(tmp_path)
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a test run with two workers, each with a running simulator and daemon."""
    (tmp_path / "test_endless.py").write_text(ENDLESS)
    base = tmp_path / "base"
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", f"--basetemp={base}", "-n", "2"]
    options = [
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--rootdir={tmp_path}",
        str(tmp_path / "test_endless.py"),
    ]
    with subprocess.Popen([*command, *options], cwd=ROOT, start_new_session=True) as process:
        try:
            wait_until(
                lambda: len(list(base.glob("*/ready"))) == 2 or process.poll() is not None, "two daemons"
            )
            yield process
        finally:
            process.kill()


def marks_of(process: subprocess.Popen[bytes]) -> str:
    """Return the mark of the processes that this test run has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    own_marks = os.environ[MARKS]
    for child in children:
        for line in Path(f"/proc/{child}/environ").read_bytes().decode().split("\0"):
            name, _, value = line.partition("=")
            if name == MARKS and value != own_marks:
                return value.split()[-1]
    raise AssertionError("no process has a mark")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_test_run(run: subprocess.Popen[bytes], sig: signal.Signals) -> None:
    mark = marks_of(run)
    assert len(marked(mark)) >= 6
    if sig is signal.SIGINT:
        os.killpg(run.pid, sig)  # as the terminal does on Ctrl-C
    else:
        run.kill()
    run.wait(timeout=HANG)
    wait_until(lambda: not marked(mark), "the end of all processes of the run")
