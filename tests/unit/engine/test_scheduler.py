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
from mjwatch.engine.scheduler import UPLOAD_LIFETIME
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
from tests.unit.engine.test_loop import READY, EngineHarness
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
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield EngineHarness(journal)


def give(
    harness: EngineHarness, job_id: str, prompt: Prompt, path: str | None = "given.txt"
) -> list[ef.Effect]:
    return harness.feed(ev.PromptSubmitted(job_id, prompt, path))


def finished(harness: EngineHarness, job_id: str, buttons: tuple[Button, ...] = GRID_BUTTONS) -> None:
    """The bot and the outbox do their part for a job that was sent."""
    result = Result("700", "nonce", UUID, "a red cat", (), buttons)
    harness.feed(ev.ForJob(job_id, ev.Accepted()), ev.ForJob(job_id, ev.Finished(result)))
    harness.feed(ev.ForJob(job_id, ev.Published(f"cat-{job_id}")))


def sent(harness: EngineHarness) -> list[str]:
    return [submit.job.id for submit in harness.submits()]


def test_nothing_is_sent_while_too_much_is_being_saved(harness: EngineHarness) -> None:
    for number in range(SAVED_AT_ONCE + 5):
        harness.drop(f"{number}.txt", f"picture {number}\n")
    harness.online()
    for _ in range(SAVED_AT_ONCE):
        (job_id,) = [job_id for job_id in sent(harness) if harness.job(job_id).state is State.SUBMITTING]
        rendered(harness, job_id)
    *saved, under_way = sent(harness)
    rendered(harness, under_way)
    harness.feed(ev.ForJob(saved[0], ev.Published("one")))
    assert sent(harness) == [*saved, under_way]
    harness.feed(ev.ForJob(saved[1], ev.Published("two")))
    assert len(sent(harness)) == SAVED_AT_ONCE + 2


def test_a_job_that_can_not_be_saved_delays_no_other(harness: EngineHarness) -> None:
    for number in range(SAVED_AT_ONCE + 5):
        harness.drop(f"{number}.txt", f"picture {number}\n")
    harness.online()
    for _ in range(SAVED_AT_ONCE + 4):
        (job_id,) = [job_id for job_id in sent(harness) if harness.job(job_id).state is State.SUBMITTING]
        rendered(harness, job_id)
        harness.feed(ev.ForJob(job_id, ev.SaveFailed("the folder is read-only")))
    assert len(sent(harness)) == SAVED_AT_ONCE + 5


def rendered(harness: EngineHarness, job_id: str) -> None:
    result = Result("700", "nonce", UUID, "a picture", (), GRID_BUTTONS)
    harness.feed(ev.ForJob(job_id, ev.Accepted()), ev.ForJob(job_id, ev.Finished(result)))


# ---- turns


def test_each_top_level_folder_has_its_turn(harness: EngineHarness) -> None:
    for number in range(5):
        harness.drop(f"ada/deep/{number}.txt", f"ada's picture {number}\n")
    harness.drop("grace/one.txt", "grace's picture\n")
    harness.drop("two.txt", "a picture of nobody's\n")
    harness.online()
    for _ in range(5):
        (job_id,) = [job_id for job_id in sent(harness) if harness.job(job_id).state is State.SUBMITTING]
        finished(harness, job_id)
    paths = [source.path for job_id in sent(harness) if (source := harness.job(job_id).source)]
    assert paths[:3] == ["ada/deep/0.txt", "grace/one.txt", "two.txt"]
    assert paths[3:] == ["ada/deep/1.txt", "ada/deep/2.txt", "ada/deep/3.txt"]


def test_a_higher_priority_goes_before_all_turns(harness: EngineHarness) -> None:
    give(harness, "lowaaaaa", Prompt("one"))
    give(harness, "lowbbbbb", Prompt("two"), "ada/two.txt")
    give(harness, "highaaaa", Prompt("three", priority=3), "ada/three.txt")
    harness.online()
    assert sent(harness) == ["highaaaa"]


def test_a_job_with_a_time_is_not_sent_before_it(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "lateaaaa", Prompt("later", not_before=harness.now + 50))
    assert sent(harness) == []
    harness.now += 60
    harness.feed()
    assert sent(harness) == ["lateaaaa"]


def test_the_loop_wakes_for_jobs_with_a_time_and_asks_for_them_only_if_there_are_any(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    assert harness.engine._wait() == 60.0
    asked: list[float] = []
    next_queued_due = harness.journal.next_queued_due

    def counted(now: float) -> float | None:
        asked.append(now)
        return next_queued_due(now)

    monkeypatch.setattr(harness.journal, "next_queued_due", counted)
    assert harness.engine._wait() == 60.0
    assert asked == []
    give(harness, "lateaaaa", Prompt("a cat", not_before=harness.now + 30.0))
    assert harness.engine._wait() == 30.0
    harness.now -= 10.0  # the clock is set back
    assert harness.engine._wait() == 40.0
    harness.now += 40.0
    harness.feed()
    (submit,) = harness.submits()
    harness.feed(ev.ForJob(submit.job.id, ev.NotSent("no route")))
    assert 0.0 < harness.engine._wait() < 30.0


def test_a_drain_does_not_wait_for_a_prompt_with_a_later_time(harness: EngineHarness) -> None:
    harness.online()
    harness.feed(ev.InboxScanned(0))
    assert harness.engine.settled()
    give(harness, "lateaaaa", Prompt("later", not_before=harness.now + 50))
    assert harness.engine.settled()
    harness.now += 60
    assert not harness.engine.settled()


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
    harness: EngineHarness,
) -> None:
    harness.online()
    (effect,) = give(harness, "withpict", Prompt("a cat", images=("ref.png",)))
    assert isinstance(effect, ef.UploadImages)
    assert give(harness, "otheraaa", Prompt("a dog")) == []
    image = UploadedImage("ref.png", "slot/ref.png", "https://cdn.example/ref.png", harness.now)
    (effect,) = harness.feed(ev.ForJob("withpict", ev.Uploaded((image,))))
    assert isinstance(effect, ef.Submit)
    assert (effect.job.id, effect.job.uploads) == ("withpict", (image,))


def test_an_upload_that_fails_is_tried_again_later_and_delays_no_other_job(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "withpict", Prompt("a cat", images=("ref.png",)))
    give(harness, "otheraaa", Prompt("a dog"))
    (effect,) = harness.feed(ev.ForJob("withpict", ev.UploadFailed("no route")))
    assert isinstance(effect, ef.Submit)
    assert effect.job.id == "otheraaa"
    finished(harness, "otheraaa")
    harness.now += 10
    (effect,) = harness.feed()
    assert isinstance(effect, ef.UploadImages)


def test_an_image_that_discord_refuses_fails_the_job_and_nothing_was_sent(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "withpict", Prompt("a cat", images=("ref.png",)))
    harness.feed(ev.ForJob("withpict", ev.UploadFailed("too large", refusal=TOO_LARGE)))
    assert harness.job("withpict").state is State.FAILED
    assert harness.submits() == []


def test_an_old_upload_is_repeated(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "withpict", Prompt("a cat", images=("ref.png",)))
    image = UploadedImage("ref.png", "slot/ref.png", None, harness.now)
    harness.feed(ev.ForJob("withpict", ev.Uploaded((image,))))
    harness.feed(ev.ForJob("withpict", ev.NotSent("no route", retry_after=UPLOAD_LIFETIME + 1)))
    harness.now += UPLOAD_LIFETIME + 2
    (effect,) = harness.feed()
    assert isinstance(effect, ef.UploadImages)


def test_images_are_not_uploaded_again_because_the_journal_could_not_commit_it(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    give(harness, "withpict", Prompt("a cat", images=("ref.png",)))
    failures, update_ = [JournalError("the disk is full")] * 20, harness.journal.update

    def full(job: Job, **named: Any) -> None:
        if failures:
            raise failures.pop()
        update_(job, **named)

    monkeypatch.setattr(harness.journal, "update", full)
    monkeypatch.setattr("mjwatch.engine.service_state.JOURNAL_RETRY_DELAY", 0.0)
    image = UploadedImage("ref.png", "slot/ref.png", "https://cdn.example/ref.png", harness.now)
    effects = harness.feed(ev.ForJob("withpict", ev.Uploaded((image,))))
    sent = [type(effect) for effect in effects if not isinstance(effect, ef.SendNotification)]
    assert sent == [ef.Submit]


def test_images_are_not_posted_again_and_again_if_the_answer_is_not_understood(
    harness: EngineHarness,
) -> None:
    harness.online()
    give(harness, "withpict", Prompt("a cat", images=("ref.png",)))
    for _ in range(20):
        harness.feed(ev.ForJob("withpict", ev.UploadFailed("an odd answer", posted=True)))
        harness.now += 301
        harness.feed()
    uploads = [effect for effect in harness.effects if isinstance(effect, ef.UploadImages)]
    assert len(uploads) == TRIES_OF_UPLOAD_MESSAGE + 1
    assert harness.job("withpict").state is State.FAILED


# ---- follow-ups


def test_the_follow_ups_of_a_job_are_made_in_the_step_that_makes_it_done(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "parentaa", Prompt("a red cat", then=("U1", "V2"), label="spring", priority=4))
    finished(harness, "parentaa")
    children = harness.journal.children_of("parentaa")
    assert [(child.prompt.action, child.parent) for child in children] == [
        ("U1", "parentaa"),
        ("V2", "parentaa"),
    ]
    assert {(child.prompt.label, child.prompt.priority) for child in children} == {("spring", 4)}
    assert [child.source for child in children] == [harness.job("parentaa").source] * 2
    assert sent(harness) == ["parentaa", children[0].id]
    file = harness.journal.file_of(children[0].id)
    assert file is not None


def test_a_follow_up_that_is_not_offered_is_answered_and_never_sent(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "parentaa", Prompt("a red cat", then=("U1", "V2")))
    finished(harness, "parentaa", GRID_BUTTONS[:1])
    first, second = (harness.job(child.id) for child in harness.journal.children_of("parentaa"))
    assert (first.prompt.action, first.state) == ("U1", State.SUBMITTING)
    assert (second.prompt.action, second.state) == ("V2", State.REJECTED)
    assert [effect.job.id for effect in harness.effects if isinstance(effect, ef.PublishFailure)] == [
        second.id
    ]


def test_a_crash_before_the_step_is_committed_makes_the_follow_ups_once(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "parentaa", Prompt("a red cat", then=("U1",)))
    finished(harness, "parentaa")
    again = EngineHarness(harness.journal, first_nonce=100)
    again.engine.load()
    again.feed(ev.ForJob("parentaa", ev.Published("cat-parentaa")))
    assert len(harness.journal.children_of("parentaa")) == 1


def test_a_job_that_was_cancelled_has_no_follow_ups_even_if_its_pictures_come(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "parentaa", Prompt("a red cat", then=("U1",)))
    harness.feed(ev.ForJob("parentaa", ev.Accepted()), ev.ForJob("parentaa", ev.CancelRequested()))
    finished(harness, "parentaa")
    assert harness.job("parentaa").state is State.DONE
    assert harness.journal.children_of("parentaa") == []


def test_a_follow_up_submitted_twice_under_one_id_is_accepted_once(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "parentaa", Prompt("a red cat"))
    finished(harness, "parentaa")
    for _ in range(2):
        give(harness, "childaaa", Prompt("", action="U3", parent="parentaa"), None)
    (child,) = harness.journal.children_of("parentaa")
    assert (child.id, child.prompt.text, child.button_press is None) == ("childaaa", "a red cat", False)


def test_a_follow_up_of_an_unknown_job_is_rejected_with_a_reason(harness: EngineHarness) -> None:
    give(harness, "childaaa", Prompt("", action="U3", parent="nobody22"))
    job = harness.job("childaaa")
    assert job.state is State.REJECTED
    assert job.refusal is not None
    assert "there is no job nobody22" in (job.refusal.title or "")


# ---- forms


def zooming(harness: EngineHarness) -> Job:
    """A custom zoom whose button was pressed."""
    harness.online()
    give(harness, "parentaa", Prompt("a red cat"))
    single = (Button(f"MJ::CustomZoom::{UUID}", "Custom Zoom"),)
    finished(harness, "parentaa", single)
    give(harness, "zoomaaaa", Prompt("", action="zoom 1.8", parent="parentaa"), None)
    assert sent(harness)[-1] == "zoomaaaa"
    return harness.job("zoomaaaa")


def test_a_form_is_filled_in_as_a_separate_attempt_with_a_new_nonce(harness: EngineHarness) -> None:
    pressed = zooming(harness)
    effects = harness.feed(
        ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)), ev.ForJob("zoomaaaa", ev.Accepted(), pressed.nonce)
    )
    (effect,) = effects
    assert isinstance(effect, ef.Submit)
    assert effect.job.modal == FORM
    assert effect.job.nonce != pressed.nonce
    assert len(effect.job.nonces) == 2


def test_a_form_does_not_wait_for_the_pace(harness: EngineHarness) -> None:
    zooming(harness)
    harness.engine.scheduler._throttle.sent(harness.now + 500, 0.0)  # the next submission is far away
    give(harness, "otheraaa", Prompt("a dog", priority=9))
    (effect,) = harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    assert isinstance(effect, ef.Submit)
    assert effect.job.id == "zoomaaaa"


@pytest.mark.parametrize(
    "silence", [ev.TimedOut(), ev.OutcomeUnknown("it timed out"), ev.InteractionFailed("no answer")]
)
def test_a_form_that_never_comes_is_asked_for_again_and_then_given_up_with_nothing_spent(
    harness: EngineHarness, silence: ev.JobEvent
) -> None:
    zooming(harness)
    for _ in range(3):
        assert harness.job("zoomaaaa").state is State.SUBMITTING
        harness.feed(
            ev.ForJob("zoomaaaa", silence) if not isinstance(silence, ev.TimedOut) else _late(harness)
        )
        harness.now += 100
        harness.feed()
    job = harness.job("zoomaaaa")
    assert job.state is State.FAILED
    assert job.refusal is not None
    assert "nothing was run" in job.refusal.detail


def _late(harness: EngineHarness) -> ev.LoopEvent:
    harness.feed(ev.ForJob("zoomaaaa", ev.Accepted()))
    return ev.ForJob("zoomaaaa", ev.TimedOut())


def test_a_form_that_is_no_longer_accepted_is_opened_again(harness: EngineHarness) -> None:
    zooming(harness)
    harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    gone = Refusal(RefusalClass.CONFIG, None, "Unknown interaction")
    harness.feed(ev.ForJob("zoomaaaa", ev.Refused(gone, executed=False)))
    job = harness.job("zoomaaaa")
    assert (job.state, job.modal) == (State.QUEUED, None)
    harness.now += 10
    (effect,) = harness.feed()
    assert isinstance(effect, ef.Submit)
    assert effect.job.modal is None


def test_a_form_that_discord_no_longer_knows_stops_nothing_else(harness: EngineHarness) -> None:
    zooming(harness)
    harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    expired = read_answer(404, {}, {"code": 10062, "message": "Unknown interaction"})
    assert expired is not None
    harness.feed(ev.ForJob("zoomaaaa", ev.Refused(expired, executed=False)))
    assert harness.engine.paused is None
    job = harness.job("zoomaaaa")
    assert (job.state, job.modal) == (State.QUEUED, None)


def test_a_form_is_forgotten_at_a_restart(harness: EngineHarness) -> None:
    zooming(harness)
    harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)), ev.ForJob("zoomaaaa", ev.NotSent("no route")))
    again = EngineHarness(harness.journal, first_nonce=100)
    again.engine.load()
    assert again.job("zoomaaaa").modal is None


def test_a_duplicate_is_not_sent_while_a_form_waits(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "parentaa", Prompt("a red cat"))
    zooms = (
        Button(f"MJ::CustomZoom::{UUID}", "Custom Zoom"),
        Button(f"MJ::Outpaint::50::1::{UUID}::SOLO", "Zoom Out 2x"),
    )
    finished(harness, "parentaa", zooms)
    give(harness, "zoomaaaa", Prompt("", action="zoom 1.8", parent="parentaa"), None)
    give(harness, "zoombbbb", Prompt("", action="zoom 2x", parent="parentaa"), None)
    harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM)))
    harness.feed(ev.ForJob("zoomaaaa", ev.NotSent("no route")))
    assert harness.job("zoombbbb").state is State.QUEUED


def test_a_form_of_another_job_is_not_filled_in_where_only_some_jobs_may_be_sent(
    harness: EngineHarness,
) -> None:
    zooming(harness)
    harness.engine.scheduler.only = frozenset({"otheraaa"})
    assert harness.feed(ev.ForJob("zoomaaaa", ev.ModalOpened(FORM))) == []


def test_a_result_in_text_is_a_result(harness: EngineHarness) -> None:
    harness.online()
    give(harness, "describe", Prompt("https://example.org/a.png", command="describe"))
    answer = Result("800", "nonce", None, None, (), kind=ResultKind.TEXT, text="1 a cat")
    (effect,) = harness.feed(ev.ForJob("describe", ev.Accepted()), ev.ForJob("describe", ev.Finished(answer)))
    assert isinstance(effect, ef.FetchResult)


# ---- what a doubt costs


def test_the_history_is_searched_once_for_a_job_in_doubt_and_then_only_what_is_new_is_read(
    harness: EngineHarness,
) -> None:
    harness.online()
    give(harness, "doubtful", Prompt("a red cat"))
    harness.feed(ev.ForJob("doubtful", ev.InteractionFailed("no answer in time")))
    assert harness.job("doubtful").state is State.IN_DOUBT
    harness.feed(create(result("900", "a heron", uuid=UUID, who=OTHER_USER)))

    def reads() -> list[ef.Effect]:
        again = replace(READY, session_id=f"session-{harness.now}")
        return harness.feed(ev.GatewayDown("lost", 1.0), again)

    assert reads() == [ef.ReadHistory("500", ())]
    harness.feed(ev.HistoryRead((), "900"))
    assert reads() == [ef.ReadHistory("500", ())]  # an empty page may be a missing right to read
    harness.feed(ev.HistoryRead((result("900", "a heron", uuid=UUID, who=OTHER_USER),), "900"))
    assert reads() == [ef.ReadHistory("900", ())]
    harness.feed(ev.HistoryRead((), "900"), ev.ForJob("doubtful", ev.RetryRequested()))
    harness.feed(ev.ForJob("doubtful", ev.InteractionFailed("no answer in time")))
    assert harness.job("doubtful").anchor == "900"
