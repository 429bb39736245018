"""What the service does, in one sentence."""

from __future__ import annotations

import pytest

from mjwatch.jobs.status_text import ServiceSummary, sentence
from mjwatch.model import Pause, PauseKind, State

WORK = {State.SUBMITTING: 1, State.RUNNING: 2, State.QUEUED: 5, State.COLLECTING: 1, State.IN_DOUBT: 1}


@pytest.mark.parametrize(
    ("summary", "sentence_of_it"),
    [
        (ServiceSummary(), "Nothing to do."),
        (ServiceSummary(WORK), "3 in flight, 5 queued, 1 to be saved, 1 in doubt."),
        (
            ServiceSummary({State.QUEUED: 2}, capped_until="14:05"),
            "The daily cap is reached until 14:05; 2 queued.",
        ),
        (ServiceSummary(capped_until="14:05"), "Nothing to do."),
        (ServiceSummary({State.QUEUED: 2}, quiet="prompts wait"), "Prompts wait; 2 queued."),
        (ServiceSummary(quiet="prompts wait"), "Nothing to do."),
        (ServiceSummary({State.QUEUED: 2}, limit="one at a time"), "One at a time; 2 queued."),
        (ServiceSummary({State.QUEUED: 2}, connected=False), "Waiting for the gateway; 2 queued."),
        (
            ServiceSummary({State.QUEUED: 2}, inbox_trouble="nothing is taken: why"),
            "Nothing is taken: why; 2 queued.",
        ),
        (ServiceSummary(connected=False, trouble="no connection"), "No gateway: no connection."),
        (
            ServiceSummary(
                {State.QUEUED: 2}, paused=Pause("Midjourney asks for a person", PauseKind.ACCOUNT)
            ),
            "Paused: Midjourney asks for a person; fix the cause, then run `mjwatch resume`; 2 queued.",
        ),
        (
            ServiceSummary(
                {State.QUEUED: 5},
                journal_trouble="the journal can't be used: disk is full",
                paused=Pause("by hand", PauseKind.PERSON),
            ),
            "The journal can't be used: disk is full; nothing is sent meanwhile; 5 queued.",
        ),
    ],
)
def test_the_sentence_says_what_prevents_sending_and_how_much_there_is(
    summary: ServiceSummary, sentence_of_it: str
) -> None:
    assert sentence(summary) == sentence_of_it
