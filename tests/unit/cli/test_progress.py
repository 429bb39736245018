"""Lines and bars that show jobs at work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mjwatch.cli.progress import JobProgress
from mjwatch.model import Job, Note, Refusal, RefusalClass, State
from tests.helpers.message_shapes import a_job

if TYPE_CHECKING:
    import pytest

BANNED = Refusal(RefusalClass.MODERATION, "Banned prompt", "The word is banned.", advice="Use another word.")


def _story() -> list[Job]:
    refused = a_job("jobbbbbb", "a nasty\x1b cat", state=State.FAILED, refusal=BANNED)
    again = a_job(
        "jobccccc", state=State.QUEUED, failed_tries=1, history=(Note(1.0, "not sent: no network"),)
    )
    return [
        a_job(state=State.QUEUED),
        a_job(state=State.SUBMITTED, queued_by_bot=True),
        a_job(state=State.RUNNING, percent=46),
        a_job(state=State.RUNNING, percent=46),
        a_job(state=State.DONE),
        refused,
        again,
    ]


def test_where_it_is_no_terminal_progress_is_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    with JobProgress() as progress:
        for job in _story():
            progress.update(job)
        progress.trouble("no network")
        progress.trouble("no network")
    assert capsys.readouterr().err.splitlines() == [
        "jobaaaaa queued  a red cat",
        "jobaaaaa waits at Midjourney  a red cat",
        "jobaaaaa running 46%  a red cat",
        "jobaaaaa done  a red cat",
        "jobbbbbb failed: Banned prompt: The word is banned.  a nasty\\x1b cat",
        "jobccccc to be sent again: not sent: no network  a red cat",
        "waiting: no network",
    ]


def test_in_a_terminal_each_job_has_a_bar_and_those_at_work_come_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with JobProgress() as progress:
        for number in range(20):
            state = State.DONE if number < 10 else State.RUNNING if number < 13 else State.QUEUED
            progress.update(a_job(f"job{number:05}", f"[red]prompt {number}[/red] " * 5, state=state))
        progress.trouble("[blink]no network[/blink]")
    shown = capsys.readouterr().err
    last = shown.split("waiting: ")[-1]
    assert last.startswith("[blink]no network[/blink]")
    for number in (10, 11, 12):
        assert f"[red]prompt {number}[/red] " in last
    assert "[red]prompt 1[/red]" not in last
    assert [job.id for job in progress.jobs] == [f"job{number:05}" for number in range(20)]
