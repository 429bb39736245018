"""Cancelling in the loop: at a pace, one press at a time, never in a pause; no other job suffers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.jobs.pacing import Pace
from mjwatch.journal.requests import Request
from mjwatch.journal.writer import Journal
from mjwatch.model import ButtonPress, Refusal, RefusalClass, State
from tests.helpers.message_shapes import CHANNEL, UUID_A, create, message, result, started, update
from tests.unit.engine.test_loop import EngineHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha", needs_human=True)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        yield harness


def running(harness: EngineHarness, number: int = 1) -> str:
    """A job at work that Midjourney offers to stop."""
    job_id, start = f"job{number:05}", str(600 + number)
    harness.drop(f"{number}.txt", f"cat {number}\n")
    harness.accept_all()
    button = ButtonPress(start, f"MJ::CancelJob::ByJobid::{UUID_A[:-2]}{number:02}")
    harness.feed(ev.ForJob(job_id, ev.Started(start)), ev.ForJob(job_id, ev.Progressed(7, None, button)))
    assert harness.job(job_id).state is State.RUNNING
    return job_id


def presses(harness: EngineHarness) -> list[ef.PressCancel]:
    return [effect for effect in harness.effects if isinstance(effect, ef.PressCancel)]


def cancel(harness: EngineHarness, *job_ids: str) -> None:
    harness.feed(*(ev.ForJob(job_id, ev.CancelRequested()) for job_id in job_ids))


def said(harness: EngineHarness, job_id: str) -> str:
    (outcome,) = harness.engine._requests.perform(Request(1, "cancel", {"jobs": {job_id: 1}}))
    return outcome.message


def test_one_press_is_in_flight_at_a_time_and_nothing_else(harness: EngineHarness) -> None:
    jobs = [running(harness, number) for number in (1, 2)]
    harness.drop("3.txt", "cat 3\n")
    cancel(harness, *jobs)
    assert len(presses(harness)) == 0  # the third prompt's POST is on its way
    harness.accept_all()
    assert [press.job.id for press in presses(harness)] == jobs[:1]
    harness.feed(ev.ForJob(jobs[0], ev.CancelPressed(), "nonce-1"))
    assert [press.job.id for press in presses(harness)] == jobs


def test_presses_keep_the_pace_and_the_next_prompt_waits_after_them(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal, pace=Pace(max_in_flight=9, delay=4.0, jitter=0.0, max_per_day=2))
        harness.online()
        jobs = []
        for number in (1, 2):
            jobs.append(running(harness, number))
            harness.now += 4
        cancel(harness, *jobs)
        assert len(presses(harness)) == 1  # over the daily cap, too
        harness.feed(ev.ForJob(jobs[0], ev.CancelPressed(), "nonce-1"))
        assert len(presses(harness)) == 1
        harness.now += 4
        harness.feed()
        assert len(presses(harness)) == 2


def test_nothing_is_pressed_in_a_pause_and_afterwards_it_is(harness: EngineHarness) -> None:
    job_id = running(harness)
    harness.engine.service.pause_by_request(None)
    assert "paused by hand" in said(harness, job_id)
    harness.feed()
    assert presses(harness) == []
    harness.engine.service.resume()
    harness.feed()
    assert len(presses(harness)) == 1


def test_a_pause_that_comes_while_a_post_is_in_flight_delays_the_press(harness: EngineHarness) -> None:
    job_id = running(harness)
    harness.drop("2.txt", "cat 2\n")
    cancel(harness, job_id)
    harness.feed(ev.ForJob("job00002", ev.Refused(CAPTCHA, executed=False)))
    assert presses(harness) == []


def test_without_a_gateway_the_press_waits_and_the_message_says_so(harness: EngineHarness) -> None:
    job_id = running(harness)
    harness.feed(ev.GatewayDown("lost", 1.0))
    assert "as soon as Discord can be reached" in said(harness, job_id)
    harness.feed()
    assert presses(harness) == []


@pytest.mark.parametrize(
    ("name", "paused"),
    [
        ("INTERACTION_IFRAME_MODAL_CREATE", True),
        ("INTERACTION_FAILURE", False),
        ("INTERACTION_MODAL_CREATE", False),
    ],
)
def test_another_answer_to_the_press_is_reported(harness: EngineHarness, name: str, paused: bool) -> None:
    job_id = running(harness)
    cancel(harness, job_id)
    (press,) = presses(harness)
    harness.feed(ev.ForJob(job_id, ev.CancelPressed(), harness.job().nonce))
    harness.feed(ev.GatewayDispatch(name, {"id": "999", "nonce": press.nonce, "reason_code": 2}, 9))
    assert "could not be pressed" in harness.job().history[-1].event
    assert (harness.engine.paused is not None) is paused
    assert harness.job().state is State.RUNNING
    harness.engine.service.resume()
    harness.feed()
    assert len(presses(harness)) == 1 + paused


def test_a_stop_with_the_nonce_of_the_press_belongs_to_the_job(harness: EngineHarness) -> None:
    cancel(harness, running(harness))
    (press,) = presses(harness)
    message = started("601")
    text = message["content"].replace("a red cat", "cat 1").replace("Waiting to start", "Stopped")
    harness.feed(update({**message, "content": text, "nonce": press.nonce, "components": []}))
    assert harness.job().state is State.CANCELLED


@pytest.mark.parametrize("how", ["not sent", "queue full", "stopped"])
def test_a_cancelled_job_that_can_not_run_takes_no_result_from_its_duplicate(
    harness: EngineHarness, how: str
) -> None:
    harness.drop("1.txt", "a red cat\n")
    if how == "stopped":
        harness.accept_all()
        harness.feed(create(started("601", nonce="nonce-1")))
        harness.feed(ev.ForJob("job00001", ev.CancelRequested()))
        stopped = started("601")["content"].replace("Waiting to start", "Stopped")
        harness.feed(update({**started("601"), "content": stopped, "components": []}))
    else:
        harness.feed(ev.ForJob("job00001", ev.CancelRequested()))
        full = ev.Refused(Refusal(RefusalClass.RETRY, "Queue full", "wait"), executed=False)
        harness.feed(ev.ForJob("job00001", ev.NotSent("no route") if how == "not sent" else full))
    assert harness.job().state is State.CANCELLED
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/cat", failed=True)))
    harness.drop("2.txt", "a red cat\n", mtime=2000.0)
    harness.accept_all()
    harness.feed(create(started("602", nonce=harness.job("job00002").nonce)))
    effects = harness.feed(create(result("703", uuid=UUID_A)))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_nothing_else_goes_out_before_a_press_is_answered(harness: EngineHarness) -> None:
    job_id = running(harness)
    cancel(harness, job_id)
    harness.drop("2.txt", "cat 2\n")
    assert (len(presses(harness)), len(harness.submits())) == (1, 1)
    harness.feed(ev.ForJob(job_id, ev.CancelPressed("a captcha", CAPTCHA, 0.0), "nonce-1"))
    assert harness.engine.paused is not None
    assert len(harness.submits()) == 1


def test_where_only_some_jobs_may_be_sent_the_cancelling_of_others_does_not_delay_them(
    harness: EngineHarness,
) -> None:
    other, own = running(harness, 1), running(harness, 2)
    harness.engine.scheduler.only = frozenset({own})
    cancel(harness, other, own)
    assert [press.job.id for press in presses(harness)] == [own]
    harness.feed(ev.ForJob(own, ev.CancelPressed("no route", again=10.0)))
    assert harness.engine._wait() <= 10.0


@pytest.mark.parametrize("how", ["paused", "offline", "others only"])
def test_a_press_that_can_not_be_made_now_does_not_keep_the_loop_busy(
    harness: EngineHarness, how: str
) -> None:
    job_id = running(harness)
    match how:
        case "paused":
            harness.engine.service.pause_by_request(None)
        case "offline":
            harness.feed(ev.GatewayDown("lost", 1e9))
        case _:
            harness.engine.scheduler.only = frozenset({"another"})
    cancel(harness, job_id)
    harness.now += 1
    harness.feed()
    assert presses(harness) == []
    assert harness.engine._wait() > 0.5


def test_a_clock_that_is_set_back_delays_no_press_and_no_prompt(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        harness = EngineHarness(journal, pace=Pace(max_in_flight=3, delay=4.0, jitter=4.0, max_per_day=0))
        harness.online()
        job_id = running(harness)
        harness.now += 7200
        cancel(harness, job_id)
        harness.feed(ev.ForJob(job_id, ev.CancelPressed(), "nonce-1"))
        harness.now -= 3600
        harness.feed()
        harness.now += 20
        harness.drop("2.txt", "cat 2\n", mtime=1.0)
        assert (len(presses(harness)), len(harness.submits())) == (1, 2)


def test_a_late_answer_to_a_press_is_not_taken_for_a_message_of_the_job(harness: EngineHarness) -> None:
    job_id = running(harness)
    cancel(harness, job_id)
    (press,) = presses(harness)
    about = {"type": 19, "message_reference": {"channel_id": CHANNEL, "message_id": "601"}}
    harness.feed(create(message("777", "", nonce=press.nonce, flags=192, **about)))
    gone = {"type": "rich", "title": "Something went wrong", "description": "It is gone", "color": 16711680}
    harness.feed(update({**message("777", "", flags=64, **about), "embeds": [gone]}))
    assert harness.job().state is State.RUNNING
    assert "could not be pressed" in harness.job().history[-1].event
