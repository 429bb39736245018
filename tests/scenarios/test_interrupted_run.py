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
from tests.scenarios.stage import staged

def test_that_never_ends(tmp_path):
    with staged(tmp_path / "w") as stage:
        stage.start_ready()
        (tmp_path.parent / "ready").touch()
        try:
            time.sleep(3600)
        finally:
            time.sleep(3600)  # a test that does not take the interruption for its end

def test_another_that_never_ends(tmp_path):
    test_that_never_ends(tmp_path)
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Two workers, each with a simulator and a daemon that are up."""
    (tmp_path / "test_endless.py").write_text(ENDLESS)
    base = tmp_path / "base"
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", f"--basetemp={base}", "-n", "2"]
    place = [
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--rootdir={tmp_path}",
        str(tmp_path / "test_endless.py"),
    ]
    with subprocess.Popen([*command, *place], cwd=ROOT, start_new_session=True) as process:
        try:
            wait_until(
                lambda: len(list(base.glob("*/ready"))) == 2 or process.poll() is not None, "two daemons"
            )
            yield process
        finally:
            process.kill()


def marks_of(process: subprocess.Popen[bytes]) -> str:
    """The mark of the processes that this test run has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ours = os.environ[MARKS]
    for child in children:
        for line in Path(f"/proc/{child}/environ").read_bytes().decode().split("\0"):
            name, _, value = line.partition("=")
            if name == MARKS and value != ours:
                return value.split()[-1]
    raise AssertionError("no process has a mark")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_test_run(run: subprocess.Popen[bytes], number: signal.Signals) -> None:
    mark = marks_of(run)
    assert len(marked(mark)) >= 6
    if number is signal.SIGINT:
        os.killpg(run.pid, number)  # as the terminal does at Ctrl-C
    else:
        run.kill()
    run.wait(timeout=HANG)
    wait_until(lambda: not marked(mark), "the end of all processes of the run")
