"""Whose a finished picture in the channel is, and which ones an import takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.midjourney.elsewhere import ImportVerdict, PictureJudge
from mjwatch.midjourney.tracker import MessageTracker
from mjwatch.model import State
from tests.helpers.message_shapes import (
    CHANNEL,
    ME,
    OTHER_USER,
    UUID_A,
    UUID_B,
    a_job,
    create,
    message,
    progress,
    refused,
    result,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.model import Job


def a_tracker(owners: dict[str, str] | None = None) -> MessageTracker:
    """A tracker that knows these owners, by the ids of messages, of starts and of jobs."""
    tracker = MessageTracker(CHANNEL, owner_in(owners or {}))
    tracker.me = ME
    return tracker


def owner_in(owners: dict[str, str]) -> Callable[..., str | None]:
    return lambda **ids: next((owners[id_] for id_ in ids.values() if id_ in owners), None)


def verdict_on(
    data: dict[str, Any],
    *jobs: Job,
    tracker: MessageTracker | None = None,
    results: tuple[str, ...] = (),
    starts: dict[str, str] | None = None,
) -> ImportVerdict | None:
    tracker = tracker or a_tracker()
    judge = PictureJudge(tracker, lambda *ids: not set(results).isdisjoint(ids), owner_in(starts or {}))
    by_id = {job.id: job for job in jobs}
    return judge.judge(tracker.read(data, by_id), by_id)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (result("700"), ImportVerdict.NEW),
        (result("700", who=OTHER_USER), ImportVerdict.OTHERS),
        (result("700") | {"content": "a red cat"}, ImportVerdict.UNPROVEN),
        # The mention at the end counts, not one in the prompt.
        (result("700", prompt=f"a cat <@{ME}>", who=OTHER_USER), ImportVerdict.OTHERS),
        (result("700") | {"interaction": {"id": "5", "user": {"id": OTHER_USER}}}, ImportVerdict.OTHERS),
        (result("700") | {"attachments": []}, None),  # only a part of a message
        (started("700"), None),
        (progress("700"), None),
        (refused("700", "Banned prompt"), None),
        (message("700", "hello") | {"author": {"id": ME}}, None),
    ],
)
def test_only_a_finished_picture_that_names_this_account_is_imported(
    data: dict[str, Any], verdict: ImportVerdict | None
) -> None:
    assert verdict_on(data) is verdict


def test_a_picture_of_ours_is_known_by_its_message_its_uuid_or_its_start() -> None:
    final = result("700", uuid=UUID_A, reply_to="600")
    assert verdict_on(final, results=("700",)) is ImportVerdict.KNOWN
    assert verdict_on(final, results=(UUID_A,)) is ImportVerdict.KNOWN
    assert verdict_on(final, starts={"600": "jobaaaaa"}) is ImportVerdict.KNOWN
    # By hand on a picture of ours that is in the message in which its job began.
    assert verdict_on(final, starts={"600": "jobaaaaa"}, results=("600",)) is ImportVerdict.NEW


@pytest.mark.parametrize("state", [State.SUBMITTING, State.SUBMITTED, State.RUNNING, State.IN_DOUBT])
def test_what_a_job_may_be_waiting_for_is_left_to_the_matching(state: State) -> None:
    assert verdict_on(result("700"), a_job(state=state)) is ImportVerdict.UNCLEAR
    assert verdict_on(result("700"), a_job(text="a blue dog", state=state)) is ImportVerdict.NEW


def test_an_older_picture_or_one_that_ids_exclude_is_no_result_of_a_waiting_job() -> None:
    waiting = a_job(anchor="500")
    assert verdict_on(result("400"), waiting) is ImportVerdict.NEW
    assert verdict_on(result("700", uuid=UUID_B), replace(waiting, job_uuid=UUID_A)) is ImportVerdict.NEW
    assert verdict_on(result("700", uuid=UUID_A), replace(waiting, job_uuid=UUID_A)) is ImportVerdict.UNCLEAR


def test_a_queued_job_waits_for_nothing_unless_it_was_sent_before() -> None:
    assert verdict_on(result("700"), a_job(state=State.QUEUED, nonces=())) is ImportVerdict.NEW
    rewritten = result("700", prompt="something else", uuid=UUID_A)
    sent_before = a_job(state=State.QUEUED, job_uuid=UUID_A)
    assert verdict_on(rewritten, sent_before) is ImportVerdict.UNCLEAR


def test_held_and_unmatched_results_are_left_until_they_are_settled() -> None:
    tracker, twins = a_tracker(), [a_job("jobaaaaa"), a_job("jobbbbbb")]
    by_id = {job.id: job for job in twins}
    tracker.dispatch(create(result("700")), by_id)
    assert len(tracker.unmatched) == 1
    assert verdict_on(result("700"), tracker=tracker) is ImportVerdict.UNCLEAR
    tracker.hold_unmatched(by_id)
    assert "700" in tracker.held
    assert verdict_on(result("700"), tracker=tracker) is ImportVerdict.UNCLEAR
    held = tracker.held.get("700")
    assert held is not None
    tracker.held.dismiss(held.message)
    assert verdict_on(result("700"), *twins, tracker=tracker) is ImportVerdict.NEW


def test_what_an_earlier_attempt_of_ours_may_have_made_is_left() -> None:
    tracker = a_tracker()
    tracker.remember_attempt(a_job(state=State.RUNNING, message_id="600"))
    assert verdict_on(result("700"), tracker=tracker) is ImportVerdict.UNCLEAR
    assert verdict_on(result("700", prompt="a blue dog"), tracker=tracker) is ImportVerdict.NEW


def test_a_result_that_ids_give_to_a_job_by_hand_is_taken_beside_a_twin_from_a_file() -> None:
    tracker, twin = a_tracker(), a_job(state=State.RUNNING, message_id="600", job_uuid=UUID_A)
    by_id = {twin.id: twin}
    tracker.dispatch(create(started("601")), by_id)
    by_hand = result("700", uuid=UUID_B, reply_to="601")
    assert tracker.dispatch(create(by_hand), by_id) == []
    assert verdict_on(by_hand, twin, tracker=tracker) is ImportVerdict.NEW
    own = result("701", uuid=UUID_A, reply_to="600")
    assert verdict_on(own, twin, tracker=tracker) is ImportVerdict.UNCLEAR
