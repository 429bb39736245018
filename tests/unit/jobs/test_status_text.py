"""Why a job waits, and what can be done: in the order in which it matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mjwatch import events as ev
from mjwatch.jobs.state_machine import step
from mjwatch.jobs.status_text import IN_DOUBT, WaitContext, clock, reason, wait_reason
from mjwatch.model import Note, Pause, PauseKind, State
from mjwatch.trouble import resume_hint
from tests.helpers.message_shapes import a_job

NOW = 1_800_000_000.0
FREE = WaitContext(now=NOW, daemon=True)
QUEUED = a_job(state=State.QUEUED)
TRIED = a_job(
    state=State.QUEUED,
    next_action_at=NOW + 60,
    failed_tries=2,
    history=(Note(NOW, "not sent: no network", 60.0),),
)
AHEAD = a_job("jobbbbbb", state=State.IN_DOUBT)
PAUSED = Pause("Discord wants a captcha", PauseKind.ACCOUNT)


def test_a_doubt_names_its_last_cause() -> None:
    unanswered, _ = step(a_job(state=State.SUBMITTING), ev.OutcomeUnknown("no answer"), NOW)
    assert reason(unanswered)[0] == f"no answer; {IN_DOUBT}"
    silent, _ = step(replace(unanswered, state=State.SUBMITTED), ev.TimedOut(), NOW)
    assert reason(silent)[0] == f"Midjourney did not start it in time; {IN_DOUBT}"
    assert reason(AHEAD)[0] == IN_DOUBT


@pytest.mark.parametrize(
    ("context", "text", "hint"),
    [
        ({}, "", ""),
        ({"paused": PAUSED}, "paused: Discord wants a captcha", "`mjwatch resume`"),
        ({"paused": PAUSED, "daemon": False}, "paused: Discord wants a captcha", "`mjwatch resume`"),
        ({"daemon": False}, "no daemon is running", "`mjwatch run`"),
        ({"trouble": "no network"}, "Discord can't be used: no network", ""),
        (
            {"ahead": AHEAD},
            "job jobbbbbb, is in doubt",
            "`mjwatch retry jobbbbbb` or `mjwatch cancel jobbbbbb`",
        ),
        ({"ahead": replace(AHEAD, state=State.RUNNING)}, "job jobbbbbb, is running", ""),
        ({"capped_until": NOW + 60}, f"the daily cap is reached until {clock(NOW + 60, NOW)}", "max_per_day"),
        ({"capped_until": NOW - 60}, "", ""),
        ({"quiet_until": NOW + 60}, f"wait until {clock(NOW + 60, NOW)} because of [pace] run_between", ""),
        ({"limit": "nothing is sent until 14:05: full"}, "nothing is sent until 14:05: full", ""),
    ],
)
def test_a_queued_job_says_what_it_waits_for(context: dict[str, Any], text: str, hint: str) -> None:
    found, found_hint = wait_reason(QUEUED, replace(FREE, **context))
    assert text in found
    assert bool(text) == bool(found)
    assert hint in found_hint


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (PauseKind.PERSON, "`mjwatch resume`"),
        (PauseKind.ACCOUNT, "`mjwatch resume`"),
        (PauseKind.PLAN, "`mjwatch resume`"),
        (PauseKind.CONFIG, "`mjwatch run --resume`"),
        (PauseKind.TOKEN, "by itself"),
        (PauseKind.GATEWAY, "by itself"),
    ],
)
def test_each_kind_of_pause_has_its_hint(kind: PauseKind, word: str) -> None:
    assert word in resume_hint(Pause("words", kind))


def test_a_job_that_is_tried_again_shows_the_last_try_and_the_next() -> None:
    assert wait_reason(TRIED, FREE)[0] == f"not sent: no network; next try at {clock(NOW + 60, NOW)}"
    saving = replace(TRIED, state=State.COLLECTING, history=(Note(NOW, "not saved: disk full", 4.0),))
    assert wait_reason(saving, replace(FREE, paused=PAUSED))[0].startswith(
        "not saved: disk full; next try at "
    )
    answering = replace(saving, state=State.FAILED)
    assert wait_reason(answering, FREE)[0].startswith("not saved: disk full; next try at ")


@pytest.mark.parametrize(
    ("quiet_until", "text"), [(NOW + 30, "its prompt file says"), (NOW + 90, "run_between")]
)
def test_the_later_of_the_times_is_named_for_which_a_job_waits(quiet_until: float, text: str) -> None:
    postponed = a_job(state=State.QUEUED, next_action_at=NOW + 60)
    assert text in wait_reason(postponed, replace(FREE, quiet_until=quiet_until))[0]


def test_a_running_job_waits_for_nothing_but_a_usable_discord() -> None:
    assert wait_reason(a_job(state=State.RUNNING), FREE) == ("", "")
    assert wait_reason(a_job(state=State.RUNNING), replace(FREE, trouble="no network")) == ("no network", "")
    assert wait_reason(a_job(state=State.COLLECTING), FREE) == ("", "")


@pytest.mark.parametrize("job", [a_job(state=State.DONE, published=2.0), AHEAD])
def test_a_job_that_ended_or_waits_for_a_person_has_its_reason_elsewhere(job: Any) -> None:
    assert wait_reason(job, replace(FREE, daemon=False)) == ("", "")


def test_a_job_in_doubt_names_the_two_commands_that_end_it() -> None:
    hint = reason(AHEAD)[1]
    assert "`mjwatch retry jobbbbbb`" in hint
    assert "`mjwatch cancel jobbbbbb`" in hint


def test_a_time_of_another_day_has_its_date() -> None:
    assert len(clock(NOW, NOW)) == len("12:34")
    assert clock(NOW + 2 * 86_400, NOW).startswith("20")
