"""What all tests share: only loopback is reached, nothing of this machine is read; and verbs are run here."""

from __future__ import annotations

import itertools
import sys
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
from tests.helpers.leftovers import guard_run
from tests.helpers.timeouts import cores, slowness, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from mjwatch.model import Job


# No deadline: a test that computes is as slow as the machine is busy. `make test` asks for the full profile.
settings.register_profile("full", deadline=None, max_examples=FULL)
settings.register_profile("few", deadline=None, max_examples=FULL // 5)
settings.load_profile("few")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        guard_run()
        slowness()  # before there is any load of our own


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number for ``-n auto``, and for ``-n logical``, which is for tests that only compute."""
    return cores() if config.option.numprocesses == "logical" else workers()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the tests out among the workers: quick ones first, then scenarios, the longest of these first.

    Each worker gets a stretch of the list, and takes from others' stretches once its own is done. Files stay
    together: what their tests share is made once.
    """
    hands = int(getattr(config, "workerinput", {}).get("workercount", 1))
    begun_early = [item for item in items if item.get_closest_marker("begun_early") is not None]
    rest = [item for item in items if item.get_closest_marker("begun_early") is None]
    files = list(dict.fromkeys(item.path for item in rest if "scenarios" in item.path.parts))
    quick = iter([item for item in rest if "scenarios" not in item.path.parts])
    dealt: list[pytest.Item] = []
    for hand in range(hands):
        own = set(files[hand::hands])
        scenarios = [*begun_early[hand::hands], *(item for item in rest if item.path in own)]
        share = len(items) * (hand + 1) // hands - len(dealt) - len(scenarios)
        dealt += [*itertools.islice(quick, max(0, share)), *scenarios]
    items[:] = dealt


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("MJWATCH_CONFIG", "MJWATCH_TOKEN", "MJWATCH_GUILD_ID", "MJWATCH_CHANNEL_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mjwatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """Run a verb in a fresh workspace, as the command would."""
    for name in ("inbox", "outbox", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("COLUMNS", "80")

    # Typer looks there for how it was started, which else would be "python -m pytest".
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
    """The system's chromium, for tests marked ``real``."""
    from tests.helpers.browser import chromium  # most tests do without Playwright

    with chromium() as found:
        yield found


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have lines fit a terminal of 80 columns."""
    monkeypatch.setattr(output, "terminal_width", lambda: 80)


@pytest.fixture
def journal(tmp_path: Path, mjwatch: Callable[..., CommandResult]) -> Callable[..., None]:
    """Fill the workspace's journal."""

    def fill(*jobs: Job, **facts: Any) -> None:
        with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as writer:
            for job in jobs:
                writer.accept(TakenFile(f"{job.id}.txt", "0" * 64, 1.0, b"x"), [(job, job.id)], 1.0)
            writer.remember(facts)

    return fill
