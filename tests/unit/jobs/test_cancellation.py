"""Cancelling a job that was sent: its button is found and pressed once, and its effect is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.cancellation import has_unanswered_press, job_to_cancel
from mjwatch.jobs.state_machine import step
from mjwatch.journal.serialization import dump_job, load_job
from mjwatch.midjourney.buttons import cancel_button_of
from mjwatch.midjourney.packets import Target
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.requests import cancel_packet
from mjwatch.model import ButtonPress, Job, Modal, Prompt, Refusal, RefusalClass, Result, State

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_800_000_000.0
UUID = "0b7cf2d4-51a5-4b4c-9f0d-6a8f3a2c9e11"
BUTTON = ButtonPress("400", f"MJ::CancelJob::ByJobid::{UUID}", flags=64)
STOPPED = ev.Refused(Refusal(None, None, "(Stopped)", stopped=True))
FRESH = Job(id="7k3f9a2m", prompt=Prompt("a red kite", then=("U1",)), accepted=NOW)
RESULT = Result(message_id="500", matched_by="nonce", job_uuid=UUID, echoed="a red kite", pictures=())


def after(*events: ev.JobEvent, job: Job = FRESH) -> tuple[Job, Sequence[ef.Effect]]:
    effects: Sequence[ef.Effect] = ()
    for event in events:
        job, effects = step(job, event, NOW)
        job = load_job(dump_job(job))
    return job, effects


SENT = after(ev.AttemptStarted("9001", "session-a", "100"))[0]
SUBMITTED = after(ev.Accepted(), job=SENT)[0]
RUNNING = after(ev.Started("400"), ev.Progressed(7, UUID, BUTTON), job=SUBMITTED)[0]
PRESSED = after(ev.CancelRequested(), ev.CancelStarted("9002", "session-b"), job=RUNNING)[0]


def test_the_button_is_pressed_once_with_its_own_nonce_and_session() -> None:
    assert job_to_cancel([RUNNING], NOW) is None
    asked, effects = after(ev.CancelRequested(), job=RUNNING)
    assert (asked.state, asked.prompt.then, effects) == (State.RUNNING, (), ())
    assert job_to_cancel([RUNNING, asked], NOW) == asked
    pressed, effects = after(ev.CancelStarted("9002", "session-b"), job=asked)
    assert effects == (ef.PressCancel(pressed, "9002", "session-b"),)
    assert pressed.nonces == ("9001",)
    assert has_unanswered_press([pressed, asked])
    ended = after(STOPPED, job=pressed)[0]
    assert not has_unanswered_press([ended, asked])  # its stop came before the answer to its press
    taken, _ = after(ev.CancelPressed(), ev.CancelRequested(), ev.Progressed(50, UUID, BUTTON), job=pressed)
    assert job_to_cancel([taken], NOW + 3600) is None
    assert job_to_cancel([taken, asked], NOW) == asked
    assert after(ev.CancelStarted("9003", "session-b"), job=pressed) == (pressed, ())


def test_a_press_without_effect_may_be_repeated_after_a_while() -> None:
    taken = after(ev.CancelPressed(), job=PRESSED)[0]
    soon = step(taken, ev.CancelRequested(), NOW + 59)[0]
    late = step(taken, ev.CancelRequested(), NOW + 61)[0]
    assert job_to_cancel([soon], NOW + 61) is None
    assert job_to_cancel([late], NOW + 61) == late


def test_a_button_that_is_offered_after_the_request_is_pressed_then() -> None:
    asked = after(ev.CancelRequested(), job=SUBMITTED)[0]
    assert "unless it can be stopped" in asked.history[-1].event
    assert job_to_cancel([asked, after(ev.Started("400"), job=asked)[0]], NOW) is None
    offered = after(ev.Started("400", None, UUID, BUTTON), job=asked)[0]
    assert job_to_cancel([offered], NOW) == offered


def test_a_button_is_identified_by_its_message_and_keeps_the_flags_of_that_message() -> None:
    partial = replace(BUTTON, flags=0)
    assert after(ev.Progressed(9, UUID, partial), job=RUNNING)[0].cancel_button == BUTTON
    other = replace(BUTTON, message_id="444")
    assert after(ev.Started("444", None, UUID, other), job=RUNNING)[0].cancel_button == other
    assert after(ev.Started("444"), job=RUNNING)[0].cancel_button is None


def test_a_deleted_message_has_no_button_to_press() -> None:
    gone = after(ev.StartMessageDeleted(), ev.CancelRequested(), job=RUNNING)[0]
    assert job_to_cancel([gone], NOW) is None
    assert after(ev.TimedOut(), job=gone)[0].state is State.FAILED  # so Midjourney has stopped it by itself


@pytest.mark.parametrize("ending", [(STOPPED,), (ev.StartMessageDeleted(), ev.TimedOut())])
def test_a_job_that_midjourney_stops_as_requested_is_cancelled(ending: tuple[ev.JobEvent, ...]) -> None:
    job, effects = after(*ending, job=PRESSED)
    assert job.state is State.CANCELLED
    assert effects == (ef.PublishFailure(job),)
    assert job.history[-1].event == "cancelled: Midjourney stopped it"


@pytest.mark.parametrize("ending", [(STOPPED,), (ev.StartMessageDeleted(), ev.TimedOut())])
def test_a_job_that_midjourney_stops_by_itself_has_failed(ending: tuple[ev.JobEvent, ...]) -> None:
    assert after(*ending, job=RUNNING)[0].state is State.FAILED


def test_a_refusal_keeps_its_reason_whatever_was_requested() -> None:
    refused = ev.Refused(Refusal(RefusalClass.MODERATION, "Banned prompt detected", "kite"))
    job = after(refused, job=PRESSED)[0]
    assert (job.state, job.refusal) == (State.FAILED, refused.refusal)


@pytest.mark.parametrize("doubtful", [SENT, SUBMITTED, RUNNING, PRESSED])
def test_a_job_that_becomes_doubtful_is_given_up_if_that_was_requested(doubtful: Job) -> None:
    asked = after(ev.CancelRequested(), job=doubtful)[0]
    doubt = ev.OutcomeUnknown("timeout") if doubtful is SENT else ev.TimedOut(result_held=True)
    job, effects = after(doubt, job=asked)
    assert (job.state, effects) == (State.CANCELLED, (ef.PublishFailure(job),))
    assert after(ev.Finished(RESULT), job=job)[0].state is State.COLLECTING


@pytest.mark.parametrize("asked_only", [True, False])
def test_an_unknown_refusal_does_not_count_as_a_stop(asked_only: bool) -> None:
    unknown = ev.Refused(Refusal(None, "Sorry!", "A new rule forbids kites"))
    job = after(unknown, job=after(ev.CancelRequested(), job=RUNNING)[0] if asked_only else PRESSED)[0]
    assert (job.state, job.refusal) == (State.FAILED, unknown.refusal)


def test_pictures_that_come_before_the_stop_are_published() -> None:
    job, effects = after(ev.Finished(RESULT), job=PRESSED)
    assert (job.state, job.cancel_request) == (State.COLLECTING, None)
    assert effects == (ef.FetchResult(job),)
    assert after(STOPPED, job=job)[0].state is State.COLLECTING
    late = after(STOPPED, ev.Finished(RESULT), job=PRESSED)[0]
    assert late.state is State.COLLECTING


def test_only_a_press_that_may_not_have_been_sent_before_a_crash_is_repeated() -> None:
    again = after(ev.Restarted(), job=PRESSED)[0]
    assert job_to_cancel([again], NOW) == again
    taken = after(ev.CancelPressed(), ev.Restarted(), job=PRESSED)[0]
    assert job_to_cancel([taken], NOW) is None
    assert after(ev.StartMessageDeleted(), ev.TimedOut(), job=taken)[0].state is State.CANCELLED


def test_a_failed_press_is_repeated_if_that_may_help() -> None:
    job = after(ev.CancelPressed("no route", again=10.0), job=PRESSED)[0]
    assert job.history[-1].text == "Cancel Job could not be pressed: no route; next try in 10 s"
    assert job_to_cancel([job], NOW + 9) is None
    assert job_to_cancel([job], NOW + 10) == job


def test_a_press_that_is_finally_refused_is_reported_and_may_be_requested_again() -> None:
    job = after(ev.CancelPressed("the message is gone"), job=PRESSED)[0]
    assert "could not be pressed: the message is gone" in job.history[-1].event
    assert job_to_cancel([job], NOW + 3600) is None
    assert after(ev.StartMessageDeleted(), ev.TimedOut(), job=job)[0].state is State.CANCELLED
    asked = step(job, ev.CancelRequested(), NOW + 61)[0]
    assert job_to_cancel([asked], NOW + 61) == asked


@pytest.mark.parametrize(
    "event",
    [
        ev.NotSent("no route"),
        ev.Refused(Refusal(RefusalClass.RETRY, "Queue full", "wait"), executed=False),
        ev.Refused(Refusal(RefusalClass.ACCOUNT, None, "a captcha", needs_human=True), executed=False),
    ],
)
def test_a_job_that_will_be_cancelled_is_not_sent_again(event: ev.JobEvent) -> None:
    asked = after(ev.CancelRequested(), job=SENT)[0]
    job, effects = after(event, job=asked)
    assert job.state is State.CANCELLED
    assert effects == (ef.PublishFailure(job),)
    assert job.history[-1].event == "cancelled before it was sent again"


def test_a_form_that_opens_for_a_cancelled_follow_up_is_not_sent() -> None:
    follow_up = replace(FRESH, button_press=ButtonPress("300", f"MJ::CustomZoom::{UUID}", form=True))
    job = after(ev.AttemptStarted("9001", "s", "1"), ev.Accepted(), ev.CancelRequested(), job=follow_up)[0]
    form = Modal("600", "MJ::OutpaintCustomZoomModal::1", (("prompt", "a red kite"),))
    assert after(ev.ModalOpened(form), job=job)[0].state is State.CANCELLED


def test_a_retry_forgets_the_request_to_cancel() -> None:
    stopped = after(STOPPED, job=PRESSED)[0]
    again = after(ev.RetryRequested(), ev.AttemptStarted("9003", "session-b", "500"), job=stopped)[0]
    assert (again.state, again.cancel_request, again.cancel_button) == (State.SUBMITTING, None, None)
    running = after(ev.Accepted(), ev.Started("600"), job=again)[0]
    assert running.cancel_button is None


def test_the_press_names_message_and_button_and_goes_to_the_live_session() -> None:
    target = Target("11", "session-b", "936929561302675456", "22")
    body = cancel_packet(PRESSED, target, "9002")
    assert (body["type"], body["message_id"], body["message_flags"]) == (3, "400", 64)
    assert body["data"] == {"component_type": 2, "custom_id": BUTTON.custom_id}
    assert (body["session_id"], body["nonce"], body["guild_id"]) == ("session-b", "9002", "22")
    with pytest.raises(ValueError, match="no button"):
        cancel_packet(SUBMITTED, target, "9002")


def test_the_button_is_found_among_those_of_a_start_message() -> None:
    button = {"type": 2, "style": 4, "label": "Cancel Job", "custom_id": BUTTON.custom_id}
    message = {
        "id": "400",
        "channel_id": "11",
        "flags": 64,
        "author": {"id": "936929561302675456", "bot": True},
        "content": "**a red kite** - Zoom Out by <@77> (Waiting to start)",
        "components": [{"type": 1, "components": [button]}],
    }
    assert cancel_button_of(read_message("MESSAGE_CREATE", message)) == BUTTON
    assert cancel_button_of(read_message("MESSAGE_CREATE", {**message, "components": []})) is None
