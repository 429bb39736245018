"""``status --watch``: drawn in terminals of two sizes, printed change by change elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from mjwatch.cli import status
from mjwatch.cli.status import status_screen, watch_status
from mjwatch.errors import JournalError
from mjwatch.host.lock import daemon_lock
from mjwatch.journal.reader import TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import State
from mjwatch.trouble import Trouble, TroubleKind
from tests.helpers.message_shapes import a_job
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.helpers.command_result import CommandResult

HANG = deadline(60.0)

FACTS: dict[str, Any] = {
    "daemon": True,
    "paused": None,
    "mend": None,
    "connected_since": None,
    "trouble": None,
    "troubles": [],
    "jobs": {"queued": 31, "running": 2, "in_doubt": 1},
    "sent_in_24h": 47,
    "max_per_day": 200,
    "capped_until": None,
    "quiet_until": None,
    "died_at": None,
    "sending_limit": None,
    "reading_limit": None,
    "in_flight": 2,
    "max_in_flight": 3,
    "delay": 4.0,
    "jitter": 4.0,
    "inbox": "/home/sam/mjwatch/inbox",
    "waiting_in_inbox": 2,
    "inbox_trouble": None,
    "held": [],
    "journal_trouble": None,
    "left": {
        "counts": {"a conflict copy: a sync tool found two versions": 4},
        "some": [
            {"path": f"cat{n}.sync-conflict.txt", "why": "a conflict copy: a sync tool found two versions"}
            for n in range(4)
        ],
    },
    "outbox": "/home/sam/mjwatch/outbox",
}


def job(number: int, **facts: Any) -> dict[str, Any]:
    shown = {"job": f"job{number:05}", "state": "running", "percent": 46, "action": None}
    prompt = f"[b]prompt {number}[/b] 漢字の猫, " + "and so on " * 20
    return shown | {"command": "imagine", "prompt": prompt} | facts


LIVE = [
    job(1),
    job(2, state="collecting", percent=100),
    job(3, state="in_doubt", percent=None, prompt="a lighthouse"),
    job(4, state="submitted", percent=None, action="vary strong", prompt="a teapot"),
]


def text_of(facts: Mapping[str, Any], width: int, height: int) -> list[str]:
    """Return the lines of the screen, without the time of day."""
    console = Console(width=width, height=height, force_terminal=False, legacy_windows=False, emoji=False)
    with console.capture() as capture:
        console.print(status_screen(facts, width, height))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert len(lines) <= height
    return [re.sub(r"^\d\d:\d\d  ", "", line) for line in lines]


def test_the_picture_in_a_small_terminal() -> None:
    assert text_of(FACTS | {"live": LIVE}, 80, 24) == [
        "daemon   runs, connecting to Discord",
        "jobs     31 queued, 2 running, 1 in_doubt",
        "         in_doubt waits for you: `mjwatch show JOB`, then `retry` or `cancel`",
        "sent     47 in the last 24 hours (cap: 200)",
        "pace     2 of 3 at Midjourney, 4 to 8 s between submissions",
        "inbox    /home/sam/mjwatch/inbox (2 prompt files wait)",
        "         ignored: cat0.sync-conflict.txt, cat1.sync-conflict.txt,",
        "         cat2.sync-conflict.txt and 1 more (a conflict copy: a sync tool found",
        "         two versions)",
        "outbox   /home/sam/mjwatch/outbox",
        "",
        "job00001  running     ━━━━━━━━━              46%  [b]prompt 1[/b] 漢字の猫, and…",
        "job00002  collecting  ━━━━━━━━━━━━━━━━━━━━  100%  [b]prompt 2[/b] 漢字の猫, and…",
        "job00003  in_doubt                                a lighthouse",
        "job00004  submitted                               vary strong: a teapot",
        "",
        "Ctrl-C ends this view",
    ]


def trouble(kind: TroubleKind, sentence: str, remedy: str = "", since: float | None = 0.0) -> dict[str, Any]:
    """Return a trouble as the facts have it; by default it began at the last midnight."""
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0).timestamp()
    return Trouble(kind, sentence, remedy, None if since is None else midnight).to_store()


def test_the_picture_in_a_larger_terminal_says_what_is_in_the_way() -> None:
    paused = {
        "troubles": [
            trouble(TroubleKind.JOURNAL, "the journal can't be used: disk is full", "make room"),
            trouble(TroubleKind.PAUSED, "sending is paused: Discord asks for a captcha", "", None),
            trouble(TroubleKind.GATEWAY, "Discord can't be used: no network"),
        ],
        "capped_until": 4_000_000_000.0,
        "sending_limit": {"why": "a rate limit", "until": 4_000_000_000.0, "scope": "global"},
        "reading_limit": {"why": "a rate limit", "until": 4_000_000_000.0, "scope": "route"},
        "left": None,
    }
    shown = text_of(FACTS | paused | {"live": LIVE[:1], "max_per_day": 0}, 120, 40)
    assert [re.sub(r"(at|until) 20[-0-9]* [0-9]+:[0-9]+", r"\1 …", line) for line in shown] == [
        "daemon   runs, not connected",
        "trouble  the journal can't be used: disk is full (since\u00a000:00)",
        "         make room",
        "trouble  sending is paused: Discord asks for a captcha",
        "trouble  Discord can't be used: no network (since\u00a000:00)",
        "limit    nothing is sent until …: a rate limit",
        "limit    the channel's history is not read until …: a rate limit",
        "jobs     31 queued, 2 running, 1 in_doubt",
        "         in_doubt waits for you: `mjwatch show JOB`, then `retry` or `cancel`",
        "sent     47 in the last 24 hours (no cap); the next job may be sent at …",
        "pace     2 of 3 at Midjourney, 4 to 8 s between submissions",
        "inbox    /home/sam/mjwatch/inbox (2 prompt files wait)",
        "outbox   /home/sam/mjwatch/outbox",
        "",
        "job00001  running     ━━━━━━━━━              46%  [b]prompt 1[/b] 漢字の猫, "
        "and so on and so on and so on and so on and…",
        "",
        "Ctrl-C ends this view",
    ]


def test_more_jobs_than_lines_are_counted() -> None:
    shown = text_of(FACTS | {"left": None, "live": [job(n) for n in range(40)]}, 80, 24)
    assert len(shown) == 24
    assert shown[-4].startswith("job00012")
    assert shown[-3] == "and 27 more"


@pytest.mark.parametrize("size", [(20, 5), (40, 1), (200, 60)])
def test_the_screen_is_drawn_in_a_terminal_of_any_size(size: tuple[int, int]) -> None:
    console = Console(width=size[0], height=size[1], emoji=False)
    with console.capture():
        console.print(status_screen(FACTS | {"live": LIVE}, *size))


class Turns:
    """A view that reads these facts, one after the other, and then raises Ctrl-C."""

    def __init__(self, *facts: dict[str, Any] | Exception) -> None:
        self._facts = list(facts)

    def facts(self) -> dict[str, Any]:
        if not self._facts:
            raise KeyboardInterrupt
        one = self._facts.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def echo(self, facts: Mapping[str, Any]) -> None:
        print(f"{facts['in_flight']} in flight")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "INTERVAL", 0.0)


@pytest.mark.usefixtures("at_once")
def test_outside_a_terminal_each_change_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = FACTS | {"live": []}, FACTS | {"live": [], "in_flight": 3}
    watch_status(Turns(one, one, two), as_json=True)  # type: ignore[arg-type]  # all that is asked of it
    result = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [facts["in_flight"] for facts in result] == [2, 3]
    watch_status(Turns(one, one, two))  # type: ignore[arg-type]
    assert capsys.readouterr().out == "2 in flight\n\n3 in flight\n"


@pytest.mark.usefixtures("at_once")
def test_trouble_with_the_journal_passes_in_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    before = signal.getsignal(signal.SIGTERM)
    watch_status(Turns(JournalError("it is \x1b locked", "wait"), FACTS | {"live": LIVE}))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert "it is \\x1b locked" in shown
    assert "vary strong: a teapot" in shown
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_a_terminal_as_it_was(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "config.toml").write_text("")
    with closing(Journal(tmp_path / "state" / "journal.sqlite3")) as journal:
        running = a_job(state=State.RUNNING, percent=46)
        journal.accept(TakenFile("a.txt", "0" * 64, 1.0, b"x"), [(running, "x")], 1.0)
    ours, theirs = pty.openpty()
    config = str(tmp_path / "config.toml")
    command = [sys.executable, "-m", "mjwatch", "--config", config, "status", "--watch"]
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as shown:
        os.close(theirs)
        try:
            seen = read_until(ours, lambda text: "a red cat" in text)
            assert "\x1b[?1049h" in seen  # the other screen
            shown.send_signal(number)
            after = read_until(ours, lambda text: "\x1b[?1049l" in text and "\x1b[?25h" in text)
            assert "Traceback" not in after
            assert shown.wait(timeout=HANG) == 0
        finally:
            shown.kill()
            os.close(ours)


def read_until(terminal: int, found: Callable[[str], bool]) -> str:
    """Return a terminal's output up to the expected text; fail if it hangs."""
    text = b""
    while not found(text.decode(errors="replace")):
        ready, _, _ = select.select([terminal], [], [], HANG)
        assert ready, text
        try:
            text += os.read(terminal, 65536)
        except OSError:  # nobody has the other end any more
            pytest.fail(f"it ended: {text!r}")
    return text.decode(errors="replace")


@pytest.mark.parametrize("failed", [[], ["the loop", "the inbox"]])
def test_a_health_check_fails_if_a_part_hangs_but_not_for_a_pause(
    mjwatch: Callable[..., CommandResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: list[str]
) -> None:
    monkeypatch.setattr(status, "unhealthy_parts", lambda state: failed)
    absent = mjwatch("status", "--health")
    assert (absent.code, absent.err) == (3, "mjwatch: no daemon runs - start it: `mjwatch run`\n")
    mjwatch("pause")
    with daemon_lock(tmp_path / "state"):
        shown, as_json = mjwatch("status", "--health"), mjwatch("status", "--health", "--json")
    text = "no longer working: the loop, the inbox; restart mjwatch" if failed else "healthy"
    assert (shown.code, shown.out) == (1 if failed else 0, f"{text}\n")
    assert as_json.code == shown.code
    assert json.loads(as_json.out) == {"healthy": not failed, "no_longer_working": failed}
