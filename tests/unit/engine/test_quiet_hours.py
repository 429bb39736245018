"""Outside the hours in ``[pace] run_between`` nothing is sent but urgent jobs; all else goes on.

Seen to catch: hours that hold presses of Cancel Job or forms, too; a loop that sleeps past the opening; a
drain that waits until the opening, or that leaves an urgent job.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.pacing import SendingHours
from mjwatch.journal.writer import Journal
from mjwatch.model import ButtonPress, Prompt, State
from tests.helpers.message_shapes import UUID_A, create, result
from tests.unit.engine.test_loop import FAST, EngineHarness
from tests.unit.engine.test_scheduler import FORM, give, sent, zooming

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HALF_PAST_TWO = 10_000.0 - 10_000 % 3600 + 1800
HOURS = SendingHours(((3 * 3600, 4 * 3600),), UTC)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        pace = replace(FAST, hours=HOURS, urgent_priority=5)
        harness = EngineHarness(journal, pace, now=HALF_PAST_TWO)
        harness.online()
        yield harness


def test_prompts_wait_until_the_hours_begin_and_urgent_ones_do_not(harness: EngineHarness) -> None:
    give(harness, "jobaaaaa", Prompt("a red cat", priority=4))
    give(harness, "urgentaa", Prompt("a blue dog", priority=5))
    assert sent(harness) == ["urgentaa"]
    harness.accept_all()
    harness.feed(create(result("700", "a blue dog")))
    assert harness.engine.scheduler.next_time({}, harness.now) == harness.now + 1800
    harness.now += 1799.0
    harness.feed()
    assert sent(harness) == ["urgentaa"]
    harness.now += 1.0
    harness.feed()
    assert sent(harness) == ["urgentaa", "jobaaaaa"]


def test_what_runs_is_collected_and_can_be_cancelled_after_the_hours(harness: EngineHarness) -> None:
    harness.now += 3600.0
    for job_id in ("jobaaaaa", "jobbbbbb", "jobccccc"):
        give(harness, job_id, Prompt(f"a cat named {job_id}"))
        harness.accept_all()
    give(harness, "waitsaaa", Prompt("a late cat"))
    harness.now += 3600.0
    button = ButtonPress("600", f"MJ::CancelJob::ByJobid::{UUID_A}")
    harness.feed(ev.ForJob("jobbbbbb", ev.Started("600")))
    harness.feed(ev.ForJob("jobbbbbb", ev.Progressed(7, None, button)))
    effects = harness.feed(ev.ForJob("jobbbbbb", ev.CancelRequested()))
    assert [type(effect) for effect in effects] == [ef.PressCancel]
    effects = harness.feed(create(result("700", "a cat named jobaaaaa")))
    assert [type(effect) for effect in effects] == [ef.FetchResult]
    assert harness.job("waitsaaa").state is State.QUEUED
    assert len(harness.submits()) == 3


def test_a_form_is_filled_in_after_the_hours_because_its_button_was_pressed(harness: EngineHarness) -> None:
    harness.now += 3600.0
    zooming(harness)
    harness.feed(ev.InboxScanned(0))
    harness.now += 3600.0
    down = ev.GatewayDown("no connection", 5.0, session_lost=False)
    assert harness.feed(down, ev.ForJob("zoomaaaa", ev.ModalOpened(FORM))) == []
    assert not harness.engine.settled()
    effects = harness.feed(ev.GatewayResumed("session-1", 2))
    assert [effect.job.id for effect in effects if isinstance(effect, ef.Submit)] == ["zoomaaaa"]


def test_a_drain_does_not_wait_for_the_hours_but_for_urgent_jobs(harness: EngineHarness) -> None:
    harness.feed(ev.InboxScanned(0))
    give(harness, "jobaaaaa", Prompt("a red cat"))
    assert harness.engine.settled()
    harness.feed(ev.GatewayDown("no connection", 5.0, session_lost=False))
    give(harness, "urgentaa", Prompt("a blue dog", priority=5))
    assert not harness.engine.settled()
