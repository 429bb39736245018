"""Why a job waits, and what can be done: in the order in which it matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mjwatch.jobs.status_text import WaitContext, clock, reason, resume_hint, waits_for
from mjwatch.model import Note, Pause, PauseKind, State
from tests.helpers.message_shapes import a_job

NOW = 1_800_000_000.0
FREE = WaitContext(now=NOW, daemon=True)
QUEUED = a_job(state=State.QUEUED)
TRIED = a_job(
    state=State.QUEUED,
    next_action_at=NOW + 60,
    failed_tries=2,
    history=(Note(NOW, "not sent: no network; again in 60 s"),),
)
AHEAD = a_job("jobbbbbb", state=State.IN_DOUBT)
PAUSED = Pause("Discord wants a captcha", PauseKind.ACCOUNT)


@pytest.mark.parametrize(
    ("around", "words", "hint"),
    [
        ({}, "", ""),
        ({"paused": PAUSED}, "paused: Discord wants a captcha", "`mjwatch resume`"),
        ({"paused": PAUSED, "daemon": False}, "paused: Discord wants a captcha", "`mjwatch resume`"),
        ({"daemon": False}, "no daemon runs", "`mjwatch run`"),
        ({"trouble": "no network"}, "Discord can't be used: no network", ""),
        (
            {"ahead": AHEAD},
            "job jobbbbbb, is in doubt",
            "`mjwatch retry jobbbbbb` or `mjwatch cancel jobbbbbb`",
        ),
        ({"ahead": replace(AHEAD, state=State.RUNNING)}, "job jobbbbbb, is at work", ""),
        ({"capped_until": NOW + 60}, f"the daily cap is reached until {clock(NOW + 60, NOW)}", "max_per_day"),
        ({"capped_until": NOW - 60}, "", ""),
    ],
)
def test_a_queued_job_says_what_it_waits_for(around: dict[str, Any], words: str, hint: str) -> None:
    told = waits_for(QUEUED, replace(FREE, **around))
    assert words in told[0]
    assert bool(words) == bool(told[0])
    assert hint in told[1]


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
def test_each_kind_of_pause_has_its_way_out(kind: PauseKind, word: str) -> None:
    assert word in resume_hint(Pause("words", kind))


def test_a_job_that_is_tried_again_tells_the_last_try_and_the_next() -> None:
    assert waits_for(TRIED, FREE)[0] == f"not sent: no network; next try at {clock(NOW + 60, NOW)}"
    saving = replace(
        TRIED, state=State.COLLECTING, history=(Note(NOW, "not saved: disk full; again in 4 s"),)
    )
    assert waits_for(saving, replace(FREE, paused=PAUSED))[0].startswith("not saved: disk full; next try at ")
    answering = replace(saving, state=State.FAILED)
    assert waits_for(answering, FREE)[0].startswith("not saved: disk full; next try at ")


def test_a_job_at_work_waits_for_nothing_but_a_discord_that_can_be_used() -> None:
    assert waits_for(a_job(state=State.RUNNING), FREE) == ("", "")
    assert waits_for(a_job(state=State.RUNNING), replace(FREE, trouble="no network")) == ("no network", "")
    assert waits_for(a_job(state=State.COLLECTING), FREE) == ("", "")


@pytest.mark.parametrize("job", [a_job(state=State.DONE, published=2.0), AHEAD])
def test_what_has_ended_or_waits_for_a_person_has_its_reason_elsewhere(job: Any) -> None:
    assert waits_for(job, replace(FREE, daemon=False)) == ("", "")


def test_a_job_in_doubt_names_the_two_words_that_end_it() -> None:
    hint = reason(AHEAD)[1]
    assert "`mjwatch retry jobbbbbb`" in hint
    assert "`mjwatch cancel jobbbbbb`" in hint


def test_a_time_of_another_day_has_its_date() -> None:
    assert len(clock(NOW, NOW)) == len("12:34")
    assert clock(NOW + 2 * 86_400, NOW).startswith("20")
