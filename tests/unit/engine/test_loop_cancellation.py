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
from tests.unit.engine.test_loop import House

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha", needs_human=True)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        house = House(journal)
        house.online()
        yield house


def running(house: House, number: int = 1) -> str:
    """A job at work that Midjourney offers to stop."""
    job_id, start = f"job{number:05}", str(600 + number)
    house.drop(f"{number}.txt", f"cat {number}\n")
    house.accept_all()
    button = ButtonPress(start, f"MJ::CancelJob::ByJobid::{UUID_A[:-2]}{number:02}")
    house.feed(ev.ForJob(job_id, ev.Started(start)), ev.ForJob(job_id, ev.Progressed(7, None, button)))
    assert house.job(job_id).state is State.RUNNING
    return job_id


def presses(house: House) -> list[ef.PressCancel]:
    return [effect for effect in house.effects if isinstance(effect, ef.PressCancel)]


def cancel(house: House, *job_ids: str) -> None:
    house.feed(*(ev.ForJob(job_id, ev.CancelRequested()) for job_id in job_ids))


def said(house: House, job_id: str) -> str:
    (outcome,) = house.engine._requests.perform(Request(1, "cancel", {"jobs": {job_id: 1}}))
    return outcome.message


def test_one_press_is_in_flight_at_a_time_and_nothing_else(house: House) -> None:
    jobs = [running(house, number) for number in (1, 2)]
    house.drop("3.txt", "cat 3\n")
    cancel(house, *jobs)
    assert len(presses(house)) == 0  # the third prompt's POST is on its way
    house.accept_all()
    assert [press.job.id for press in presses(house)] == jobs[:1]
    house.feed(ev.ForJob(jobs[0], ev.CancelPressed(), "nonce-1"))
    assert [press.job.id for press in presses(house)] == jobs


def test_presses_keep_the_pace_and_the_next_prompt_waits_after_them(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        house = House(journal, pace=Pace(max_in_flight=9, delay=4.0, jitter=0.0, max_per_day=2))
        house.online()
        jobs = []
        for number in (1, 2):
            jobs.append(running(house, number))
            house.now += 4
        cancel(house, *jobs)
        assert len(presses(house)) == 1  # over the daily cap, too
        house.feed(ev.ForJob(jobs[0], ev.CancelPressed(), "nonce-1"))
        assert len(presses(house)) == 1
        house.now += 4
        house.feed()
        assert len(presses(house)) == 2


def test_nothing_is_pressed_in_a_pause_and_afterwards_it_is(house: House) -> None:
    job_id = running(house)
    house.engine.service.pause_by_request(None)
    assert "paused by hand" in said(house, job_id)
    house.feed()
    assert presses(house) == []
    house.engine.service.resume()
    house.feed()
    assert len(presses(house)) == 1


def test_a_pause_that_comes_while_a_post_is_in_flight_delays_the_press(house: House) -> None:
    job_id = running(house)
    house.drop("2.txt", "cat 2\n")
    cancel(house, job_id)
    house.feed(ev.ForJob("job00002", ev.Refused(CAPTCHA, executed=False)))
    assert presses(house) == []


def test_without_a_gateway_the_press_waits_and_the_message_says_so(house: House) -> None:
    job_id = running(house)
    house.feed(ev.GatewayDown("lost", 1.0))
    assert "as soon as Discord can be reached" in said(house, job_id)
    house.feed()
    assert presses(house) == []


@pytest.mark.parametrize(
    ("name", "paused"),
    [
        ("INTERACTION_IFRAME_MODAL_CREATE", True),
        ("INTERACTION_FAILURE", False),
        ("INTERACTION_MODAL_CREATE", False),
    ],
)
def test_another_answer_to_the_press_is_reported(house: House, name: str, paused: bool) -> None:
    job_id = running(house)
    cancel(house, job_id)
    (press,) = presses(house)
    house.feed(ev.ForJob(job_id, ev.CancelPressed(), house.job().nonce))
    house.feed(ev.GatewayDispatch(name, {"id": "999", "nonce": press.nonce, "reason_code": 2}, 9))
    assert "could not be pressed" in house.job().history[-1].event
    assert (house.engine.paused is not None) is paused
    assert house.job().state is State.RUNNING
    house.engine.service.resume()
    house.feed()
    assert len(presses(house)) == 1 + paused


def test_a_stop_with_the_nonce_of_the_press_belongs_to_the_job(house: House) -> None:
    cancel(house, running(house))
    (press,) = presses(house)
    message = started("601")
    text = message["content"].replace("a red cat", "cat 1").replace("Waiting to start", "Stopped")
    house.feed(update({**message, "content": text, "nonce": press.nonce, "components": []}))
    assert house.job().state is State.CANCELLED


@pytest.mark.parametrize("how", ["not sent", "queue full", "stopped"])
def test_a_cancelled_job_that_can_not_run_takes_no_result_from_its_duplicate(house: House, how: str) -> None:
    house.drop("1.txt", "a red cat\n")
    if how == "stopped":
        house.accept_all()
        house.feed(create(started("601", nonce="nonce-1")))
        house.feed(ev.ForJob("job00001", ev.CancelRequested()))
        stopped = started("601")["content"].replace("Waiting to start", "Stopped")
        house.feed(update({**started("601"), "content": stopped, "components": []}))
    else:
        house.feed(ev.ForJob("job00001", ev.CancelRequested()))
        full = ev.Refused(Refusal(RefusalClass.RETRY, "Queue full", "wait"), executed=False)
        house.feed(ev.ForJob("job00001", ev.NotSent("no route") if how == "not sent" else full))
    assert house.job().state is State.CANCELLED
    house.feed(ev.ForJob("job00001", ev.Published("_failed/cat", failed=True)))
    house.drop("2.txt", "a red cat\n", mtime=2000.0)
    house.accept_all()
    house.feed(create(started("602", nonce=house.job("job00002").nonce)))
    effects = house.feed(create(result("703", uuid=UUID_A)))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_nothing_else_goes_out_before_a_press_is_answered(house: House) -> None:
    job_id = running(house)
    cancel(house, job_id)
    house.drop("2.txt", "cat 2\n")
    assert (len(presses(house)), len(house.submits())) == (1, 1)
    house.feed(ev.ForJob(job_id, ev.CancelPressed("a captcha", CAPTCHA, 0.0), "nonce-1"))
    assert house.engine.paused is not None
    assert len(house.submits()) == 1


def test_where_only_some_jobs_may_be_sent_the_cancelling_of_others_does_not_delay_them(house: House) -> None:
    other, own = running(house, 1), running(house, 2)
    house.engine.scheduler.only = frozenset({own})
    cancel(house, other, own)
    assert [press.job.id for press in presses(house)] == [own]
    house.feed(ev.ForJob(own, ev.CancelPressed("no route", again=10.0)))
    assert house.engine._wait() <= 10.0


@pytest.mark.parametrize("how", ["paused", "offline", "others only"])
def test_a_press_that_can_not_be_made_now_does_not_keep_the_loop_busy(house: House, how: str) -> None:
    job_id = running(house)
    match how:
        case "paused":
            house.engine.service.pause_by_request(None)
        case "offline":
            house.feed(ev.GatewayDown("lost", 1e9))
        case _:
            house.engine.scheduler.only = frozenset({"another"})
    cancel(house, job_id)
    house.now += 1
    house.feed()
    assert presses(house) == []
    assert house.engine._wait() > 0.5


def test_a_clock_that_is_set_back_delays_no_press_and_no_prompt(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        house = House(journal, pace=Pace(max_in_flight=3, delay=4.0, jitter=4.0, max_per_day=0))
        house.online()
        job_id = running(house)
        house.now += 7200
        cancel(house, job_id)
        house.feed(ev.ForJob(job_id, ev.CancelPressed(), "nonce-1"))
        house.now -= 3600
        house.feed()
        house.now += 20
        house.drop("2.txt", "cat 2\n", mtime=1.0)
        assert (len(presses(house)), len(house.submits())) == (1, 2)


def test_a_late_answer_to_a_press_is_not_taken_for_a_message_of_the_job(house: House) -> None:
    job_id = running(house)
    cancel(house, job_id)
    (press,) = presses(house)
    about = {"type": 19, "message_reference": {"channel_id": CHANNEL, "message_id": "601"}}
    house.feed(create(message("777", "", nonce=press.nonce, flags=192, **about)))
    gone = {"type": "rich", "title": "Something went wrong", "description": "It is gone", "color": 16711680}
    house.feed(update({**message("777", "", flags=64, **about), "embeds": [gone]}))
    assert house.job().state is State.RUNNING
    assert "could not be pressed" in house.job().history[-1].event
