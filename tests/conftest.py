"""Fixtures and settings for all tests: they use only loopback and no settings of this machine."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from mjwatch import __main__
from mjwatch.cli import output
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.writer import Journal
from tests.helpers.command_result import CommandResult
from tests.helpers.examples import FULL
from tests.helpers.gallery_page import render_here
from tests.helpers.leftovers import guard_run
from tests.helpers.timeouts import cores, slowness, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from mjwatch.model import Job


# No deadline: a busy machine makes computing tests slow. `make test` uses "some", `make test-long` "full".
# The passes with other versions use "fewest": they look for what differs between versions, not for rare
# values.
settings.register_profile("full", deadline=None, max_examples=FULL)
settings.register_profile("some", deadline=None, max_examples=FULL * 2 // 5)
settings.register_profile("few", deadline=None, max_examples=FULL // 5)
settings.register_profile("fewest", deadline=None, max_examples=FULL // 20)
settings.load_profile("few")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        guard_run()
        slowness()  # measured before the tests cause any load
    render_here()


@pytest.hookimpl(optionalhook=True)  # the passes with other versions have no xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers for ``-n auto``; ``-n logical`` is for tests that only compute."""
    return cores() if config.option.numprocesses == "logical" else workers()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests for the workers: quick tests first, then scenarios, starting with the longest.

    Each worker gets a section of the list, and takes tests from other sections once its own is done. The
    tests of a file stay together, so that their shared fixtures are set up once. Tests marked ``real``
    are given out by the file, the longest files first.
    """
    if all(item.get_closest_marker("real") for item in items):
        longest = {item.path for item in items if item.get_closest_marker("start_early")}
        # A worker with at most two tests left takes the next file, which should not be one of the longest.
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path not in longest, -tests[item.path]))
        return
    worker_count = int(getattr(config, "workerinput", {}).get("workercount", 1))
    early = [item for item in items if item.get_closest_marker("start_early") is not None]
    rest = [item for item in items if item.get_closest_marker("start_early") is None]
    files = list(dict.fromkeys(item.path for item in rest if "scenarios" in item.path.parts))
    quick = iter([item for item in rest if "scenarios" not in item.path.parts])
    ordered: list[pytest.Item] = []
    for worker in range(worker_count):
        own_files = set(files[worker::worker_count])
        scenarios = [*early[worker::worker_count], *(item for item in rest if item.path in own_files)]
        share = len(items) * (worker + 1) // worker_count - len(ordered) - len(scenarios)
        ordered += [*itertools.islice(quick, max(0, share)), *scenarios]
    items[:] = ordered


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("MJWATCH_CONFIG", "MJWATCH_TOKEN", "MJWATCH_GUILD_ID", "MJWATCH_CHANNEL_ID", "container"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(output, "_config_option", "")  # which a command line in this process may leave


@pytest.fixture
def mjwatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """Run a command in a new workspace and in this process, as the command line does."""
    for name in ("inbox", "outbox", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("COLUMNS", "80")
    # Found without being named, so that no message names it.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("mjwatch.config.SYSTEM_CONFIG", tmp_path / "config.toml")

    # Typer reads there how the program was started, which would otherwise be "python -m pytest".
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None, raising=False)

    def run(*arguments: str) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["mjwatch", "--config", str(tmp_path / "config.toml"), *arguments])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = capsys.readouterr()
        return CommandResult(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the installed browser, for tests marked ``real``."""
    from tests.helpers.browser import headless_shell  # most tests need no Playwright

    with headless_shell() as started:
        yield started


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the width of the terminal to 80 columns."""
    monkeypatch.setattr(output, "terminal_width", lambda: 80)


@pytest.fixture
def journal(tmp_path: Path, mjwatch: Callable[..., CommandResult]) -> Callable[..., None]:
    """Return a function that puts jobs into the journal of the workspace."""

    def fill(*jobs: Job, **facts: Any) -> None:
        with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as writer:
            for job in jobs:
                writer.accept(TakenFile(f"{job.id}.txt", "0" * 64, 1.0, b"x"), [(job, job.id)], 1.0)
            writer.remember(facts)

    return fill
