"""What the loop sends and when: turns of folders, priorities, times, uploads, forms, follow-ups."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.http_errors import read_answer
from mjwatch.engine.scheduler import UPLOADS_KEPT
from mjwatch.errors import JournalError
from mjwatch.jobs.pacing import SAVED_AT_ONCE
from mjwatch.jobs.transitions import TRIES_OF_UPLOAD_MESSAGE
from mjwatch.journal.writer import Journal
from mjwatch.model import (
    Button,
    Job,
    Modal,
    Prompt,
    Refusal,
    RefusalClass,
    Result,
    ResultKind,
    State,
    UploadedImage,
)
from tests.helpers.job_factory import made_job
from tests.helpers.message_shapes import OTHER_USER, create, result
from tests.unit.engine.test_loop import READY, House
from tests.unit.journal.test_reader import memory_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UUID = "0b7cf2d4-51a5-4b4c-9f0d-6a8f3a2c9e11"
GRID_BUTTONS = tuple(
    Button(f"MJ::JOB::{verb}::{n}::{UUID}", f"{letter}{n}")
    for letter, verb in (("U", "upsample"), ("V", "variation"))
    for n in range(1, 5)
)
FORM = Modal(
    "900", f"MJ::OutpaintCustomZoomModal::{UUID}", (("MJ::OutpaintCustomZoomModal::prompt", "a cat"),)
)
TOO_LARGE = Refusal(RefusalClass.USER, None, "the file is too large")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield House(journal)


def give(house: House, job_id: str, prompt: Prompt, path: str | None = "given.txt") -> list[ef.Effect]:
    return house.feed(ev.PromptSubmitted(job_id, prompt, path))


def finished(house: House, job_id: str, buttons: tuple[Button, ...] = GRID_BUTTONS) -> None:
    """The bot and the outbox do their part for a job that was sent."""
    result = Result("700", "nonce", UUID, "a red cat", (), buttons)
    house.feed(ev.ForJob(job_id, ev.Accepted()), ev.ForJob(job_id, ev.Finished(result)))
    house.feed(ev.ForJob(job_id, ev.Published(f"cat-{job_id}")))


def sent(house: House) -> list[str]:
    return [submit.job.id for submit in house.submits()]


def test_nothing_is_sent_while_too_much_is_being_saved(house: House) -> None:
    for number in range(SAVED_AT_ONCE + 5):
        house.drop(f"{number}.txt", f"picture {number}\n")
    house.online()
    for _ in range(SAVED_AT_ONCE):
        (job_id,) = [job_id for job_id in sent(house) if house.job(job_id).state is State.SUBMITTING]
        rendered(house, job_id)
    *saved, under_way = sent(house)
    rendered(house, under_way)
    house.feed(ev.ForJob(saved[0], ev.Published("one")))
    assert sent(house) == [*saved, under_way]
    house.feed(ev.ForJob(saved[1], ev.Published("two")))
    assert len(sent(house)) == SAVED_AT_ONCE + 2


def test_a_job_that_can_not_be_saved_delays_no_other(house: House) -> None:
    for number in range(SAVED_AT_ONCE + 5):
        house.drop(f"{number}.txt", f"picture {number}\n")
    house.online()
    for _ in range(SAVED_AT_ONCE + 4):
        (job_id,) = [job_id for job_id in sent(house) if house.job(job_id).state is State.SUBMITTING]
        rendered(house, job_id)
        house.feed(ev.ForJob(job_id, ev.SaveFailed("the folder is read-only")))
    assert len(sent(house)) == SAVED_AT_ONCE + 5


def rendered(house: House, job_id: str) -> None:
    result = Result("700", "nonce", UUID, "a picture", (), GRID_BUTTONS)
    house.feed(ev.ForJob(job_id, ev.Accepted()), ev.ForJob(job_id, ev.Finished(result)))


# ---- turns


def test_each_top_level_folder_has_its_turn(house: House) -> None:
    for number in range(5):
        house.drop(f"ada/deep/{number}.txt", f"ada's picture {number}\n")
    house.drop("grace/one.txt", "grace's picture\n")
    house.drop("two.txt", "a picture of nobody's\n")
    house.online()
    for _ in range(5):
        (job_id,) = [job_id for job_id in sent(house) if house.job(job_id).state is State.SUBMITTING]
        finished(house, job_id)
    paths = [source.path for job_id in sent(house) if (source := house.job(job_id).source)]
    assert paths[:3] == ["ada/deep/0.txt", "grace/one.txt", "two.txt"]
    assert paths[3:] == ["ada/deep/1.txt", "ada/deep/2.txt", "ada/deep/3.txt"]


def test_a_higher_priority_goes_before_all_turns(house: House) -> None:
    give(house, "lowaaaaa", Prompt("one"))
    give(house, "lowbbbbb", Prompt("two"), "ada/two.txt")
    give(house, "highaaaa", Prompt("three", priority=3), "ada/three.txt")
    house.online()
    assert sent(house) == ["highaaaa"]


def test_a_job_with_a_time_is_not_sent_before_it(house: House) -> None:
    house.online()
    give(house, "lateaaaa", Prompt("later", not_before=house.now + 50))
    assert sent(house) == []
    house.now += 60
    house.feed()
    assert sent(house) == ["lateaaaa"]


def test_the_loop_wakes_for_jobs_with_a_time_and_asks_for_them_only_if_there_are_any(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.online()
    assert house.engine._wait() == 60.0
    asked: list[float] = []
    next_queued_due = house.journal.next_queued_due

    def counted(now: float) -> float | None:
        asked.append(now)
        return next_queued_due(now)

    monkeypatch.setattr(house.journal, "next_queued_due", counted)
    assert house.engine._wait() == 60.0
    assert asked == []
    give(house, "lateaaaa", Prompt("a cat", not_before=house.now + 30.0))
    assert house.engine._wait() == 30.0
    house.now -= 10.0  # the clock is set back
    assert house.engine._wait() == 40.0
    house.now += 40.0
    house.feed()
    (submit,) = house.submits()
    house.feed(ev.ForJob(submit.job.id, ev.NotSent("no route")))
    assert 0.0 < house.engine._wait() < 30.0


def test_a_drain_does_not_wait_for_a_prompt_with_a_later_time(house: House) -> None:
    house.online()
    house.feed(ev.InboxScanned(0))
    assert house.engine.settled()
    give(house, "lateaaaa", Prompt("later", not_before=house.now + 50))
    assert house.engine.settled()
    house.now += 60
    assert not house.engine.settled()


@given(
    paths=st.lists(st.tuples(st.sampled_from(["", "a/", "b/", "c/"]), st.integers(0, 2)), max_size=12),
)
def test_nobody_waits_while_another_folder_has_two_turns(paths: list[tuple[str, int]]) -> None:
    """At equal priority each waiting folder has a turn between two turns of any other folder."""
    with closing(memory_journal()) as journal:
        made = [
            made_job(f"job{n}", f"{group}{n}.txt", priority=priority)
            for n, (group, priority) in enumerate(paths)
        ]
        journal.accept(None, [(job, job.id) for job in made], 1.0)
        order: list[Job] = []
        for number in itertools.count():
            job = journal.next_queued(1.0, ())
            if job is None:
                break
            order.append(job)
            gone = replace(job, state=State.SUBMITTING, nonces=(f"n{number}",))
            journal.update(gone, attempt_at=1.0)
    assert len(order) == len(made)
    priorities = [job.prompt.priority for job in order]
    assert priorities == sorted(priorities, reverse=True)
    for priority in set(priorities):
        groups = [
            (job.source.path if job.source else "")[:2] for job in order if job.prompt.priority == priority
        ]
        groups = [group if group.endswith("/") else "" for group in groups]
        for first, second in itertools.combinations(range(len(groups)), 2):
            if groups[first] == groups[second] and groups[first] not in groups[first + 1 : second]:
                still_waiting = set(groups[second:]) - {groups[first]}
                assert still_waiting <= set(groups[first + 1 : second])


# ---- local images


def test_local_images_are_uploaded_before_the_prompt_is_sent_and_nothing_else_goes_meanwhile(
    house: House,
) -> None:
    house.online()
    (effect,) = give(house, "withpict", Prompt("a cat", images=("ref.png",)))
    assert isinstance(effect, ef.UploadImages)
    assert give(house, "otheraaa", Prompt("a dog")) == []
    image = UploadedImage("ref.png", "slot/ref.png", "https://cdn.example/ref.png", house.now)
    (effect,) = house.feed(ev.ForJob("withpict", ev.Uploaded((image,))))
    assert isinstance(effect, ef.Submit)
    assert (effect.job.id, effect.job.uploads) == ("withpict", (image,))


def test_an_upload_that_fails_is_tried_again_later_and_delays_no_other_job(house: House) -> None:
    house.online()
    give(house, "withpict", Prompt("a cat", images=("ref.png",)))
    give(house, "otheraaa", Prompt("a dog"))
    (effect,) = house.feed(ev.ForJob("withpict", ev.UploadFailed("no route")))
    assert isinstance(effect, ef.Submit)
    assert effect.job.id == "otheraaa"
    finished(house, "otheraaa")
    house.now += 10
    (effect,) = house.feed()
    assert isinstance(effect, ef.UploadImages)


def test_an_image_that_discord_refuses_fails_the_job_and_nothing_was_sent(house: House) -> None:
    house.online()
    give(house, "withpict", Prompt("a cat", images=("ref.png",)))
    house.feed(ev.ForJob("withpict", ev.UploadFailed("too large", refusal=TOO_LARGE)))
    assert house.job("withpict").state is State.FAILED
    assert house.submits() == []


def test_an_old_upload_is_repeated(house: House) -> None:
    house.online()
    give(house, "withpict", Prompt("a cat", images=("ref.png",)))
    image = UploadedImage("ref.png", "slot/ref.png", None, house.now)
    house.feed(ev.ForJob("withpict", ev.Uploaded((image,))))
    house.feed(ev.ForJob("withpict", ev.NotSent("no route", retry_after=UPLOADS_KEPT + 1)))
    house.now += UPLOADS_KEPT + 2
    (effect,) = house.feed()
    assert isinstance(effect, ef.UploadImages)


def test_images_are_not_uploaded_again_because_the_journal_could_not_commit_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.online()
    give(house, "withpict", Prompt("a cat", images=("ref.png",)))
    failures, update_ = [JournalError("the disk is full")] * 20, house.journal.update

    def full(job: Job, **named: Any) -> None:
        if failures:
            raise failures.pop()
        update_(job, **named)

    monkeypatch.setattr(house.journal, "update", full)
    monkeypatch.setattr("mjwatch.engine.service_state.JOURNAL_RETRY_DELAY", 0.0)
    image = UploadedImage("ref.png", "slot/ref.png", "https://cdn.example/ref.png", house.now)
    effects = house.feed(ev.ForJob("withpict", ev.Uploaded((image,))))
    assert [type(effect) for effect in effects] == [ef.Submit]


def test_images_are_not_posted_again_and_again_if_the_answer_is_not_understood(house: House) -> None:
    house.online()
    give(house, "withpict", Prompt("a cat", images=("ref.png",)))
    for _ in range(20):
        house.feed(ev.ForJob("withpict", ev.UploadFailed("an odd answer", posted=True)))
        house.now += 301
        house.feed()
    uploads = [effect for effect in house.effects if isinstance(effect, ef.UploadImages)]
    assert len(uploads) == TRIES_OF_UPLOAD_MESSAGE + 1
    assert house.job("withpict").state is State.FAILED


# ---- follow-ups


def test_the_follow_ups_of_a_job_are_made_in_the_step_that_makes_it_done(house: House) -> None:
    house.online()
    give(house, "parentaa", Prompt("a red cat", then=("U1", "V2"), label="spring", priority=4))
    finished(house, "parentaa")
    children = house.journal.children_of("parentaa")
    assert [(child.prompt.action, child.parent) for child in children] == [
        ("U1", "parentaa"),
        ("V2", "parentaa"),
    ]
    assert {(child.prompt.label, child.prompt.priority) for child in children} == {("spring", 4)}
    assert [child.source for child in children] == [house.job("parentaa").source] * 2
    assert sent(house) == ["parentaa", children[0].id]
    file = house.journal.file_of(children[0].id)
    assert file is not None


def test_a_follow_up_that_is_not_offered_is_answered_and_never_sent(house: House) -> None:
    house.online()
    give(house, "parentaa", Prompt("a red cat", then=("U1", "V2")))
    finished(house, "parentaa", GRID_BUTTONS[:1])
    first, second = (house.job(child.id) for child in house.journal.children_of("parentaa"))
    assert (first.prompt.action, first.state) == ("U1", State.SUBMITTING)
    assert (second.prompt.action, second.state) == ("V2", State.REJECTED)
    assert [effect.job.id for effect in house.effects if isinstance(effect, ef.PublishFailure)] == [second.id]


def test_a_crash_before_the_step_is_committed_makes_the_follow_ups_once(house: House) -> None:
    house.online()
    give(house, "parentaa", Prompt("a red cat", then=("U1",)))
    finished(house, "parentaa")
    again = House(house.journal, first_nonce=100)
    again.engine.load()
    again.feed(ev.ForJob("parentaa", ev.Published("cat-parentaa")))
    assert len(house.journal.children_of("parentaa")) == 1


def test_a_job_that_was_cancelled_has_no_follow_ups_even_if_its_pictures_come(house: House) -> None:
    house.online()
    give(house, "parentaa", Prompt("a red cat", then=("U1",)))
    house.feed(ev.ForJob("parentaa", ev.Accepted()), ev.ForJob("parentaa", ev.CancelRequested()))
    finished(house, "parentaa")
    assert house.job("parentaa").state is State.DONE
    assert house.journal.children_of("parentaa") == []


def test_a_follow_up_submitted_twice_under_one_id_is_accepted_once(house: House) -> None:
    house.online()
    give(house, "parentaa", Prompt("a red cat"))
    finished(house, "parentaa")
    for _ in range(2):
        give(house, "childaaa", Prompt("", action="U3", parent="parentaa"), None)
    (child,) = house.journal.children_of("parentaa")
    assert (child.id, child.prompt.text, child.button_press is None) == ("childaaa", "a red cat", False)


def test_a_follow_up_of_an_unknown_job_is_rejected_with_a_reason(house: House) -> None:
    give(house, "childaaa", Prompt("", action="U3", parent="nobody22"))
    job = house.job("childaaa")
    assert job.state is State.REJECTED
    assert job.refusal is not None
    assert "there is no job nobody22" in (job.refusal.title or "")


# ---- forms


def zooming(house: House) -> Job:
    """A custom zoom whose button was pressed."""
    house.online()
    give(house, "parentaa", Prompt("a red cat"))
    single = (Button(f"MJ::CustomZoom::{UUID}", "Custom Zoom"),)
    finished(house, "parentaa", single)
    give(house, "zoomaaaa", Prompt("", action="zoom 1.8", parent="parentaa"), None)
    assert sent(house)[-1] == "zoomaaaa"
    return house.job("zoomaaaa")


def test_a_form_is_filled_in_as_a_separate_attempt_with_a_new_nonce(house: House) -> None:
    pressed = zooming(house)
    effects = house.feed(
        ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)), ev.ForJob("zoomaaaa", ev.Accepted(), pressed.nonce)
    )
    (effect,) = effects
    assert isinstance(effect, ef.Submit)
    assert effect.job.modal == FORM
    assert effect.job.nonce != pressed.nonce
    assert len(effect.job.nonces) == 2


def test_a_form_does_not_wait_for_the_pace(house: House) -> None:
    zooming(house)
    house.engine.scheduler._throttle.sent(house.now + 500, 0.0)  # the next submission is far away
    give(house, "otheraaa", Prompt("a dog", priority=9))
    (effect,) = house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    assert isinstance(effect, ef.Submit)
    assert effect.job.id == "zoomaaaa"


@pytest.mark.parametrize(
    "silence", [ev.TimedOut(), ev.OutcomeUnknown("it timed out"), ev.InteractionFailed("no answer")]
)
def test_a_form_that_never_comes_is_asked_for_again_and_then_given_up_with_nothing_spent(
    house: House, silence: ev.JobEvent
) -> None:
    zooming(house)
    for _ in range(3):
        assert house.job("zoomaaaa").state is State.SUBMITTING
        house.feed(ev.ForJob("zoomaaaa", silence) if not isinstance(silence, ev.TimedOut) else _late(house))
        house.now += 100
        house.feed()
    job = house.job("zoomaaaa")
    assert job.state is State.FAILED
    assert job.refusal is not None
    assert "nothing was run" in job.refusal.detail


def _late(house: House) -> ev.LoopEvent:
    house.feed(ev.ForJob("zoomaaaa", ev.Accepted()))
    return ev.ForJob("zoomaaaa", ev.TimedOut())


def test_a_form_that_is_no_longer_accepted_is_opened_again(house: House) -> None:
    zooming(house)
    house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    gone = Refusal(RefusalClass.CONFIG, None, "Unknown interaction")
    house.feed(ev.ForJob("zoomaaaa", ev.Refused(gone, executed=False)))
    job = house.job("zoomaaaa")
    assert (job.state, job.modal) == (State.QUEUED, None)
    house.now += 10
    (effect,) = house.feed()
    assert isinstance(effect, ef.Submit)
    assert effect.job.modal is None


def test_a_form_that_discord_no_longer_knows_stops_nothing_else(house: House) -> None:
    zooming(house)
    house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    expired = read_answer(404, {}, {"code": 10062, "message": "Unknown interaction"})
    assert expired is not None
    house.feed(ev.ForJob("zoomaaaa", ev.Refused(expired, executed=False)))
    assert house.engine.paused is None
    job = house.job("zoomaaaa")
    assert (job.state, job.modal) == (State.QUEUED, None)


def test_a_form_is_forgotten_at_a_restart(house: House) -> None:
    zooming(house)
    house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)), ev.ForJob("zoomaaaa", ev.NotSent("no route")))
    again = House(house.journal, first_nonce=100)
    again.engine.load()
    assert again.job("zoomaaaa").modal is None


def test_a_duplicate_is_not_sent_while_a_form_waits(house: House) -> None:
    house.online()
    give(house, "parentaa", Prompt("a red cat"))
    zooms = (
        Button(f"MJ::CustomZoom::{UUID}", "Custom Zoom"),
        Button(f"MJ::Outpaint::50::1::{UUID}::SOLO", "Zoom Out 2x"),
    )
    finished(house, "parentaa", zooms)
    give(house, "zoomaaaa", Prompt("", action="zoom 1.8", parent="parentaa"), None)
    give(house, "zoombbbb", Prompt("", action="zoom 2x", parent="parentaa"), None)
    house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    house.feed(ev.ForJob("zoomaaaa", ev.NotSent("no route")))
    assert house.job("zoombbbb").state is State.QUEUED


def test_a_form_of_another_job_is_not_filled_in_where_only_some_jobs_may_be_sent(house: House) -> None:
    zooming(house)
    house.engine.scheduler.only = frozenset({"otheraaa"})
    assert house.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM))) == []


def test_a_result_in_text_is_a_result(house: House) -> None:
    house.online()
    give(house, "describe", Prompt("https://example.org/a.png", command="describe"))
    answer = Result("800", "nonce", None, None, (), kind=ResultKind.TEXT, text="1 a cat")
    (effect,) = house.feed(ev.ForJob("describe", ev.Accepted()), ev.ForJob("describe", ev.Finished(answer)))
    assert isinstance(effect, ef.FetchResult)


# ---- what a doubt costs


def test_the_history_is_searched_once_for_a_job_in_doubt_and_then_only_what_is_new_is_read(
    house: House,
) -> None:
    house.online()
    give(house, "doubtful", Prompt("a red cat"))
    house.feed(ev.ForJob("doubtful", ev.InteractionFailed("no answer in time")))
    assert house.job("doubtful").state is State.IN_DOUBT
    house.feed(create(result("900", "a heron", uuid=UUID, who=OTHER_USER)))

    def reads() -> list[ef.Effect]:
        again = replace(READY, session_id=f"session-{house.now}")
        return house.feed(ev.GatewayDown("lost", 1.0), again)

    assert reads() == [ef.ReadHistory("500", ())]
    house.feed(ev.HistoryRead((), "900"))
    assert reads() == [ef.ReadHistory("500", ())]  # an empty page may be a missing right to read
    house.feed(ev.HistoryRead((result("900", "a heron", uuid=UUID, who=OTHER_USER),), "900"))
    assert reads() == [ef.ReadHistory("900", ())]
    house.feed(ev.HistoryRead((), "900"), ev.ForJob("doubtful", ev.RetryRequested()))
    house.feed(ev.ForJob("doubtful", ev.InteractionFailed("no answer in time")))
    assert house.job("doubtful").anchor == "900"
