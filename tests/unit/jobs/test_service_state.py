"""What the service does, in one sentence."""

from __future__ import annotations

import pytest

from mjwatch.jobs.status_text import ServiceSummary, sentence
from mjwatch.model import Pause, PauseKind, State
from mjwatch.trouble import Trouble, TroubleKind, pause_trouble

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
            ServiceSummary({State.QUEUED: 2}, troubles=[Trouble(TroubleKind.INBOX, "no inbox", "do it")]),
            "No inbox; do it; 2 queued.",
        ),
        (
            ServiceSummary(
                {State.QUEUED: 5},
                troubles=[
                    Trouble(TroubleKind.JOURNAL, "the journal can't be used"),
                    pause_trouble(Pause("by hand", PauseKind.PERSON)),
                ],
                limit="hidden",
            ),
            "The journal can't be used; 1 more in `mjwatch status`; 5 queued.",
        ),
    ],
)
def test_the_sentence_says_what_prevents_sending_and_how_much_there_is(
    summary: ServiceSummary, sentence_of_it: str
) -> None:
    assert sentence(summary) == sentence_of_it
