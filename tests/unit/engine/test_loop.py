"""The loop: pace, slots, duplicates, journal before effect, recovery; with a fake worker and clock."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.loop import Engine
from mjwatch.engine.queue import EventQueue
from mjwatch.errors import JournalError
from mjwatch.inbox.reading import read_settled
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.transitions import Timeouts
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.channel import Channel
from mjwatch.model import Job, Pause, PauseKind, Prompt, References, Refusal, RefusalClass, State
from tests.helpers.job_factory import made_job
from tests.helpers.message_shapes import (
    CHANNEL,
    ME,
    UUID_A,
    UUID_B,
    create,
    delete,
    progress,
    result,
    started,
    update,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY = ev.GatewayReady("session-1", "ws://127.0.0.1:1/resume", ME, "ada", frozenset(), frozenset(), 1)
FAST = Pace(max_in_flight=3, delay=0.0, jitter=0.0, max_per_day=0)


@dataclass
class EngineHarness:
    """An engine on a real journal, whose effects are kept and whose clock stands still."""

    journal: Journal
    pace: Pace = FAST
    now: float = 10_000.0
    effects: list[ef.Effect] = field(default_factory=list)
    first_nonce: int = 1
    min_fast_hours: float = 0.0
    clock_set_by: float = 0.0
    """The seconds by which the wall clock was set since the start."""

    def __post_init__(self) -> None:
        ids, nonces = itertools.count(1), itertools.count(self.first_nonce)
        self.engine = Engine(
            self.journal,
            Channel(CHANNEL, self.journal.owner_of, quiet_time=60.0),
            EventQueue(lambda: self.now),
            lambda effect: self.effects.append(effect),
            pace=self.pace,
            timeouts=Timeouts(),
            min_fast_hours=self.min_fast_hours,
            clock=lambda: self.now + self.clock_set_by,
            monotonic=lambda: self.now,
            rng=lambda: 0.5,
            new_nonce=lambda: f"nonce-{next(nonces)}",
            new_id=lambda: f"job{next(ids):05}",
        )

    def feed(self, *events: ev.LoopEvent) -> list[ef.Effect]:
        """Let the loop handle these; the effects that it handed out."""
        before = len(self.effects)
        for event in (*events, ev.StopRequested()):
            self.engine.put(event)
        self.engine.stopping = False
        self.engine.run()
        self.engine._turn_safely()  # what time brings after the last event
        self.engine.service.report()
        return self.effects[before:]

    def online(self) -> None:
        self.feed(READY, ev.HistoryRead((), "500"))

    def drop(self, name: str, text: str, mtime: float = 900.0) -> list[ef.Effect]:
        return self.feed(
            replace(read_settled(name, text.encode(), (1, 2, 3, 4, 5), References(), 100), mtime=mtime)
        )

    def submits(self) -> list[ef.Submit]:
        return [effect for effect in self.effects if isinstance(effect, ef.Submit)]

    def job(self, job_id: str = "job00001") -> Job:
        found = self.engine.job(job_id)
        assert found is not None
        return found

    def accept_all(self) -> None:
        """The worker says that each POST was answered with 204."""
        for submit in self.submits():
            if self.job(submit.job.id).state is State.SUBMITTING:
                self.feed(ev.ForJob(submit.job.id, ev.Accepted()))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield EngineHarness(journal)


def test_nothing_is_sent_before_the_gateway_is_up_and_the_channel_is_known(harness: EngineHarness) -> None:
    harness.drop("cat.txt", "a cat\n")
    assert harness.submits() == []
    assert harness.feed(READY) == [ef.ReadHistory(None)]
    assert harness.submits() == []
    harness.feed(ev.HistoryRead((), "500"))
    (submit,) = harness.submits()
    assert (submit.job.nonce, submit.job.session_id, submit.job.anchor) == ("nonce-1", "session-1", "500")


def test_a_file_is_removed_only_after_it_is_in_the_journal(harness: EngineHarness) -> None:
    (effect,) = harness.drop("cat.txt", "a cat\n")
    assert effect == ef.RemoveFile("cat.txt", (1, 2, 3, 4, 5))
    file = harness.journal.file_of("job00001")
    assert file is not None
    assert file.content == b"a cat\n"


def test_the_same_delivery_of_a_file_is_removed_and_not_run(harness: EngineHarness) -> None:
    harness.drop("cat.txt", "a cat\n", mtime=900.0)
    (effect,) = harness.drop("cat.txt", "a cat\n", mtime=901.5)
    assert isinstance(effect, ef.RemoveFile)
    assert harness.journal.open_counts()[State.QUEUED] == 1
    harness.drop("cat.txt", "a cat\n", mtime=950.0)
    assert harness.journal.open_counts()[State.QUEUED] == 2


def test_one_post_is_in_flight_at_a_time_and_only_so_many_jobs(harness: EngineHarness) -> None:
    harness.online()
    for number in range(5):
        harness.drop(f"{number}.txt", f"picture {number}\n")
    assert len(harness.submits()) == 1
    harness.accept_all()
    assert len(harness.submits()) == 2
    harness.accept_all()
    harness.accept_all()
    assert len(harness.submits()) == 3
    harness.feed(create(started("600", "picture 0", nonce="nonce-1")), create(result("700", "picture 0")))
    assert len(harness.submits()) == 4


def test_a_slot_is_free_on_the_result_and_not_only_after_saving(harness: EngineHarness) -> None:
    harness.online()
    for number in range(4):
        harness.drop(f"{number}.txt", f"picture {number}\n")
        harness.accept_all()
    effects = harness.feed(create(result("700", "picture 0")))
    assert [type(effect) for effect in effects] == [ef.FetchResult, ef.Submit]


def test_the_pace_is_kept(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal, Pace(max_in_flight=9, delay=4.0, jitter=2.0, max_per_day=2))
        harness.online()
        for number in range(3):
            harness.drop(f"{number}.txt", f"picture {number}\n")
        harness.accept_all()
        assert len(harness.submits()) == 1
        harness.now += 4.9
        harness.feed()
        assert len(harness.submits()) == 1
        harness.now += 0.2
        harness.feed()
        assert len(harness.submits()) == 2
        harness.accept_all()
        harness.now += 3600.0
        harness.feed()
        assert len(harness.submits()) == 2
        harness.now += 86_400.0
        harness.feed()
        assert len(harness.submits()) == 3


def test_a_duplicate_waits_until_the_uuid_of_the_first_job_is_known(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.drop("b.txt", "a red cat --ar 3:2\n")
    harness.drop("c.txt", "a blue dog\n")
    harness.accept_all()
    assert [submit.job.prompt.text for submit in harness.submits()] == ["a red cat", "a blue dog"]
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")))
    assert len(harness.submits()) == 2
    harness.feed(update(progress("600", uuid=UUID_A)))
    assert harness.submits()[-1].job.prompt.text == "a red cat --ar 3:2"


def test_duplicates_run_side_by_side_once_replies_tell_them_apart(harness: EngineHarness) -> None:
    harness.online()
    for name in ("a", "b", "c"):
        harness.drop(f"{name}.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), create(result("700", reply_to="600")))
    harness.accept_all()
    assert len(harness.submits()) == 2
    harness.feed(create(started("701", nonce="nonce-2")))
    assert len(harness.submits()) == 3


def test_duplicates_of_a_job_in_doubt_wait(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.drop("b.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("timeout")))
    assert harness.job().state is State.IN_DOUBT
    assert len(harness.submits()) == 1
    harness.feed(ev.ForJob("job00001", ev.CancelRequested()))
    assert len(harness.submits()) == 2


def test_what_an_administrator_must_know_is_a_warning(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.online()
    banned = Refusal(RefusalClass.MODERATION, "Banned prompt", "cat")
    with caplog.at_level(logging.INFO, "mjwatch"):
        outcomes: tuple[ev.JobEvent, ...] = (ev.OutcomeUnknown("timeout"), ev.Refused(banned))
        for number, outcome in enumerate(outcomes, 1):
            harness.drop(f"{number}.txt", f"cat {number}\n")
            harness.feed(ev.ForJob(f"job{number:05}", outcome))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line[:17] for line in warnings] == ["job00001 in doubt", "job00002 failed: "]


def test_a_final_that_is_unclear_waits_for_the_one_that_makes_it_clear(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")))
    harness.feed(create(started("601", nonce="by-hand")))
    assert [
        e for e in harness.feed(create(result("700", uuid=UUID_B))) if isinstance(e, ef.FetchResult)
    ] == []
    effects = harness.feed(update(progress("600", uuid=UUID_B)))
    (collect,) = [effect for effect in effects if isinstance(effect, ef.FetchResult)]
    assert collect.job.result is not None
    assert collect.job.result.message_id == "700"


def test_what_needs_a_person_stops_the_sending_and_keeps_the_queue(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.drop("b.txt", "a blue dog\n")
    captcha = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha", needs_human=True)
    harness.feed(ev.ForJob("job00001", ev.Refused(captcha, executed=False)))
    harness.now += 3600.0
    harness.feed()
    assert len(harness.submits()) == 1
    assert harness.engine.paused == "Discord wants a captcha"
    assert harness.job().state is State.QUEUED
    assert harness.journal.paused() == Pause("Discord wants a captcha", PauseKind.ACCOUNT)


def test_a_result_of_a_job_that_failed_is_delivered_late(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), update(progress("600", uuid=UUID_A)))
    harness.feed(ev.ForJob("job00001", ev.Refused(Refusal(RefusalClass.TRANSIENT, "Sorry", ""))))
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/a-job00001")))
    effects = harness.feed(create(result("700", uuid=UUID_A)))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_after_a_restart_every_open_job_continues_where_it_was(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        for number in range(3):
            harness.drop(f"{number}.txt", f"picture {number}\n")
            harness.accept_all()
        harness.feed(create(result("700", "picture 0")))
        harness.drop("3.txt", "picture 3\n")
        assert harness.job("job00004").state is State.SUBMITTING
        harness.engine.finish()
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal, first_nonce=100)
        harness.engine.load()
        (effect,) = harness.effects
        assert isinstance(effect, ef.FetchResult)
        assert effect.job.id == "job00001"
        assert harness.job("job00002").state is State.SUBMITTED
        assert harness.job("job00004").state is State.IN_DOUBT
        assert harness.feed(ev.GatewayResumed("session-1", 9)) == [ef.ReadHistory("500")]
        harness.feed(ev.HistoryRead((), None))
        assert harness.submits() == []
        harness.now += 60.1
        assert harness.feed() == [ef.Probe()]
        harness.feed(ev.GatewayAlive("session-1"))
        (submit,) = harness.submits()
        assert submit.job.id == "job00004"


def test_silence_proves_nothing_until_the_gateway_has_answered(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    harness.now += 3600.0
    assert harness.feed() == [ef.Probe()]
    assert harness.feed() == []
    assert len(harness.submits()) == 1
    # What the gateway had said before its answer comes before it.
    said = ev.GatewayDispatch("INTERACTION_CREATE", {"id": "550", "nonce": "nonce-1"}, 3)
    harness.feed(said, ev.GatewayAlive("session-1"))
    assert harness.job().state is State.SUBMITTED
    assert len(harness.submits()) == 1


def test_the_answer_of_another_session_proves_nothing(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    harness.now += 61.0
    harness.feed(ev.GatewayAlive("session-0"))
    assert harness.job().state is State.IN_DOUBT


def test_a_probe_that_was_lost_with_its_connection_is_sent_again_after_the_quiet_time(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    harness.now += 61.0
    assert harness.feed() == [ef.Probe()]
    harness.feed(ev.GatewayDown("cut", 0.0), ev.GatewayResumed("session-1", 9))
    harness.now += 59.0
    assert harness.feed() == []
    harness.now += 2.0
    assert harness.feed() == [ef.Probe()]


def in_doubt_then_identified_again(harness: EngineHarness, *events: ev.LoopEvent) -> None:
    """A POST gets no answer, then the session is lost, and the new one has the same id."""
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), *events)


def silent_for_an_hour(harness: EngineHarness) -> None:
    harness.now += 3600.0
    harness.feed()
    harness.feed(ev.GatewayAlive("session-1"))


@pytest.mark.parametrize("lost", [(), (ev.GatewayDown("op 9", 1.0),), (ev.GatewayDown("op 9", 1.0, True),)])
def test_a_ready_is_never_the_old_session_whatever_its_id(
    harness: EngineHarness, lost: tuple[ev.GatewayDown, ...]
) -> None:
    in_doubt_then_identified_again(harness, *lost)
    assert ef.ReadHistory("500") in harness.feed(READY)
    harness.feed(ev.HistoryRead((), "500"))
    silent_for_an_hour(harness)
    assert len(harness.submits()) == 1
    assert harness.job().state is State.IN_DOUBT
    assert harness.engine.needs_person()


def test_after_a_restart_too_a_ready_is_never_the_old_session(harness: EngineHarness) -> None:
    in_doubt_then_identified_again(harness)
    harness.engine.finish()
    again = EngineHarness(harness.journal, first_nonce=100, now=harness.now)
    again.engine._acceptance._new_id = lambda: "otherjob"
    again.engine.load()
    again.online()
    silent_for_an_hour(again)
    assert again.submits() == []
    # What is sent in the new session can be proven in it, also after the next restart.
    again.drop("b.txt", "a blue cat\n", mtime=5000.0)
    (submit,) = again.submits()
    again.feed(ev.ForJob(submit.job.id, ev.OutcomeUnknown("it timed out")))
    last = EngineHarness(harness.journal, first_nonce=200, now=again.now)
    last.engine.load()
    last.feed(ev.GatewayResumed("session-1", 9), ev.HistoryRead((), "500"))
    silent_for_an_hour(last)
    assert [one.job.id for one in last.submits()] == [submit.job.id]


def test_a_lost_session_is_forgotten_before_the_next_one_begins(harness: EngineHarness) -> None:
    in_doubt_then_identified_again(harness, ev.GatewayDown("op 9", 1.0, session_lost=True))
    again = EngineHarness(harness.journal)
    again.engine.load()
    assert again.engine._channel.stream.resume_state() is None
    assert again.engine._channel.stream.user_id == ME


def test_a_session_counts_as_stored_until_its_loss_is_committed(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_stored() -> bool:
        return harness.engine.service.is_session_stored

    assert not is_stored()
    harness.online()
    lost = ev.GatewayDown("op 9", 1.0, session_lost=True)
    with monkeypatch.context() as broken:
        broken.setattr(harness.journal, "remember", raise_journal_error)
        with pytest.raises(JournalError):
            harness.engine._handle(lost)
    assert is_stored()
    harness.engine._handle(lost)
    assert not is_stored()


def raise_journal_error(*_: object) -> None:
    raise JournalError("the disk is full")


def test_an_outcome_of_an_attempt_that_is_over_changes_nothing(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    slow_down = Refusal(RefusalClass.RETRY, "Slow Down!", "", retry_after=0.0)
    harness.feed(ev.ForJob("job00001", ev.Refused(slow_down)))
    assert [submit.job.nonce for submit in harness.submits()] == ["nonce-1", "nonce-2"]
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("the first POST timed out"), "nonce-1"))
    assert harness.job().state is State.SUBMITTING
    harness.feed(ev.ForJob("job00001", ev.Accepted(), "nonce-2"))
    assert harness.job().state is State.SUBMITTED


def test_a_long_history_is_read_in_parts_each_from_where_the_last_ended(harness: EngineHarness) -> None:
    harness.online()
    harness.feed(ev.GatewayDown("lost", 1.0), READY)
    harness.feed(ev.HistoryRead((), "5000", complete=False))
    harness.now += 2.1
    assert harness.feed() == [ef.ReadHistory("5000")]
    harness.drop("a.txt", "a red cat\n")
    assert harness.submits() == []
    harness.feed(ev.HistoryRead((), "6000"))
    assert len(harness.submits()) == 1


def test_while_the_journal_fails_the_loop_sleeps(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(result("700")), ev.ForJob("job00001", ev.SaveFailed("the outbox is full")))
    harness.now += 100_000.0

    def full(*arguments: Any, **named: Any) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(harness.journal, "update", full)
    harness.engine._turn_safely()
    assert 0.0 < harness.engine._wait() <= 5.0


def test_an_unmatched_result_survives_a_failed_commit(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), create(started("601", nonce="by-hand")))
    harness.feed(create(result("700", uuid=UUID_B), seq=7))
    failures = [JournalError("locked")]
    update_ = harness.journal.update

    def unwilling(job: Job, **named: Any) -> None:
        if job.state is State.COLLECTING and failures:
            raise failures.pop()
        update_(job, **named)

    monkeypatch.setattr(harness.journal, "update", unwilling)
    monkeypatch.setattr("mjwatch.engine.service_state.JOURNAL_RETRY_DELAY", 0.0)
    harness.feed(update(progress("600", uuid=UUID_B), seq=8))
    assert failures == []
    assert harness.job().state is State.COLLECTING


def test_a_start_missed_in_a_gap_does_not_make_our_job_a_foreign_one(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(ev.GatewayDown("lost", 1.0), READY)
    harness.feed(update(progress("600", uuid=UUID_A)), create(result("700", uuid=UUID_A)))
    effects = harness.feed(ev.HistoryRead((result("700", uuid=UUID_A),), "700"))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_start_without_a_name_is_not_taken_for_a_job_that_midjourney_did_not_queue(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600")), update(progress("600", uuid=UUID_B)))
    assert harness.job().job_uuid is None
    harness.feed(create(started("601", nonce="nonce-1")), update(progress("601", uuid=UUID_A)))
    assert (harness.job().message_id, harness.job().job_uuid) == ("601", UUID_A)


def test_no_time_limit_runs_out_while_nothing_can_be_heard(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), delete("600"), ev.GatewayDown("lost", 1.0))
    harness.now += 7200.0
    harness.feed()
    assert harness.job().state is State.RUNNING
    harness.feed(ev.GatewayResumed("session-1", 9))
    assert harness.job().state is State.RUNNING
    harness.now += 61.0
    assert harness.feed() == [ef.ReadHistory("500", ("600",))]
    assert harness.job().state is State.RUNNING
    harness.feed(ev.HistoryRead((), None))
    assert harness.job().state is State.FAILED


def test_an_overdue_job_is_looked_up_before_it_is_given_up(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), delete("600"))
    harness.now += 61.0
    harness.feed()
    effects = harness.feed(ev.HistoryRead((result("700", reply_to="600"),), "700"))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_an_overdue_job_does_not_wait_for_a_history_that_cannot_be_read(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.now += 901.0
    assert harness.feed() == [ef.ReadHistory("500")]
    harness.feed(ev.HistoryReadFailed("HTTP 500"))
    assert harness.job().state is State.IN_DOUBT


def test_a_final_found_after_its_job_failed_is_delivered_by_the_start_it_replies_to(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), delete("600"))
    harness.now += 61.0
    harness.feed()
    harness.feed(ev.HistoryRead((), None))
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/a-job00001", failed=True)))
    effects = harness.feed(create(result("700", uuid=UUID_A, reply_to="600")))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_job_done_by_hand_does_not_block_the_same_prompt(harness: EngineHarness) -> None:
    harness.online()
    harness.feed(create(started("600", nonce="by-hand")), create(result("601", uuid=UUID_B)))
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("602", nonce="nonce-1")))
    effects = harness.feed(create(result("603", uuid=UUID_A)))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_job_whose_start_was_deleted_is_in_doubt_while_an_unmatched_result_may_be_its_own(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), create(started("601", nonce="by-hand")))
    harness.feed(create(result("700", uuid=UUID_A)), delete("600"))
    harness.now += 61.0
    harness.feed()
    harness.feed(ev.HistoryRead((), None))
    assert harness.job().state is State.IN_DOUBT


def test_a_drain_does_not_wait_for_the_duplicate_of_a_doubt_that_waits_for_a_person(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.feed(ev.InboxScanned(0))
    harness.drop("a.txt", "a red cat\n")
    harness.drop("b.txt", "a red cat --ar 3:2\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), ev.GatewayDown("lost", 1.0))
    assert not harness.engine.settled()
    harness.feed(dataclasses.replace(READY, session_id="session-2"), ev.HistoryRead((), None))
    assert harness.engine.settled()
    assert harness.engine.needs_person()


def test_a_put_back_job_whose_post_had_run_after_all_is_found_after_a_restart(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        harness.drop("a.txt", "a red cat\n")
        limited = Refusal(RefusalClass.RETRY, None, "rate limited", retry_after=500.0)
        harness.feed(ev.ForJob("job00001", ev.Refused(limited, executed=False)))
        harness.engine.finish()
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal, first_nonce=100)
        harness.engine.load()
        harness.feed(ev.GatewayDispatch("INTERACTION_CREATE", {"id": "8", "nonce": "nonce-1"}, 3))
        assert harness.job().state is State.SUBMITTED


def test_a_start_of_an_earlier_attempt_does_not_count_for_the_present_one(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    slow_down = Refusal(RefusalClass.RETRY, "Slow Down!", "", retry_after=0.0)
    harness.feed(ev.ForJob("job00001", ev.Refused(slow_down)))
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")))
    assert harness.job().message_id is None
    harness.feed(create(started("601", nonce="nonce-2")))
    assert harness.job().message_id == "601"


def test_an_unexpected_error_in_one_event_does_not_end_the_loop(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(harness.engine._channel.tracker, "dispatch", broken)
    harness.feed(create(result("700")))
    assert "could not be handled" in caplog.text
    harness.drop("a.txt", "a red cat\n")
    assert harness.job().state is State.QUEUED


def test_the_silence_of_a_lost_session_proves_nothing(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), ev.GatewayDown("lost", 1.0))
    harness.feed(dataclasses.replace(READY, session_id="session-2"), ev.HistoryRead((), None))
    harness.now += 3600.0
    harness.feed()
    assert harness.job().state is State.IN_DOUBT
    assert len(harness.submits()) == 1


def test_the_silence_of_an_interrupted_session_counts_from_its_replay_on(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), ev.GatewayDown("lost", 1.0))
    harness.now += 59.0
    harness.feed(ev.GatewayResumed("session-1", 9))
    harness.now += 59.0
    harness.feed()
    assert harness.job().state is State.IN_DOUBT
    harness.now += 1.5
    harness.feed()
    harness.feed(ev.GatewayAlive("session-1"))
    assert len(harness.submits()) == 2
    assert harness.submits()[1].job.nonce != harness.submits()[0].job.nonce


def test_a_doubtful_post_that_was_executed_is_found_by_its_nonce(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    harness.feed(ev.GatewayDispatch("INTERACTION_CREATE", {"id": "550", "nonce": "nonce-1"}, 3))
    harness.now += 120.0
    harness.feed()
    assert harness.job().state is State.SUBMITTED
    assert len(harness.submits()) == 1


def test_messages_that_do_not_reach_us_are_asked_for(harness: EngineHarness) -> None:
    harness.online()
    data = {"guild_id": "1", "updated_channels": [{"id": CHANNEL, "last_message_id": "501"}]}
    effects = harness.feed(ev.GatewayDispatch("PASSIVE_UPDATE_V2", data, 3))
    assert effects == [ef.Subscribe(), ef.ReadHistory("500")]
    harness.feed(ev.HistoryRead((result("501"),), "501"))
    assert harness.feed(ev.GatewayDispatch("PASSIVE_UPDATE_V2", data, 4)) == []


def test_a_start_message_deleted_in_a_gap_is_noticed_if_the_history_can_be_read(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.drop("b.txt", "a blue dog\n")
    harness.accept_all()
    harness.accept_all()
    harness.feed(
        create(started("600", nonce="nonce-1")), create(started("601", "a blue dog", nonce="nonce-2"))
    )
    harness.feed(ev.GatewayDown("lost", 1.0), READY)
    harness.feed(ev.HistoryRead((), None, {"600": None, "601": None}))
    assert harness.job().start_deleted_at is None
    harness.feed(ev.HistoryRead((), None, {"600": None, "601": started("601", "a blue dog")}))
    assert harness.job().start_deleted_at is not None
    assert harness.job("job00002").start_deleted_at is None


def test_a_new_session_reads_the_history_from_the_newest_message_that_was_seen(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("600", nonce="nonce-1")), ev.GatewayDown("lost", 1.0))
    assert harness.feed(READY) == [ef.ReadHistory("500", ("600",))]
    effects = harness.feed(ev.HistoryRead((result("700", uuid=UUID_A),), "700"))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_history_that_cannot_be_read_is_asked_for_again_and_nothing_is_sent_meanwhile(
    harness: EngineHarness,
) -> None:
    harness.feed(READY, ev.HistoryReadFailed("HTTP 500"))
    harness.drop("a.txt", "a red cat\n")
    assert harness.submits() == []
    harness.now += 2.1
    assert harness.feed() == [ef.ReadHistory(None)]


def test_a_failed_commit_sends_nothing_and_the_event_is_tried_again(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    full = [JournalError("the disk is full")] * 2
    update_ = harness.journal.update

    def unwilling(*arguments: Any, **named: Any) -> None:
        if full:
            raise full.pop()
        update_(*arguments, **named)

    monkeypatch.setattr(harness.journal, "update", unwilling)
    monkeypatch.setattr("mjwatch.engine.service_state.JOURNAL_RETRY_DELAY", 0.0)
    harness.drop("a.txt", "a red cat\n")
    assert harness.submits() == []
    harness.feed()
    harness.feed()
    assert len(harness.submits()) == 1
    full.append(JournalError("the disk is full"))
    harness.feed(ev.ForJob("job00001", ev.Accepted()))
    assert harness.job().state is State.SUBMITTED


def test_a_rejected_file_is_one_answered_job(harness: EngineHarness) -> None:
    effects = harness.drop("bad.toml", "promt = 1\n")
    assert [type(effect) for effect in effects] == [ef.PublishFailure, ef.RemoveFile]
    assert harness.job().state is State.REJECTED
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/bad-job00001")))
    assert harness.journal.live_jobs() == []


def test_a_prompt_submitted_from_python_is_accepted_once(harness: EngineHarness) -> None:
    given = ev.PromptSubmitted("given001", Prompt("a red cat"), "a-red-cat.txt")
    harness.feed(given, given)
    assert harness.journal.open_counts()[State.QUEUED] == 1
    assert harness.job("given001").prompt.text == "a red cat"


def test_all_is_settled_only_when_every_job_has_its_folder(harness: EngineHarness) -> None:
    harness.online()
    assert not harness.engine.settled()
    harness.feed(ev.InboxScanned(0))
    assert harness.engine.settled()
    harness.drop("a.txt", "a red cat\n")
    harness.accept_all()
    assert not harness.engine.settled()
    harness.feed(create(result("700")))
    assert not harness.engine.settled()
    harness.feed(ev.ForJob("job00001", ev.Published("a-job00001")))
    assert harness.engine.settled()
    harness.feed(ev.InboxScanned(1))
    assert not harness.engine.settled()


def test_all_is_not_settled_while_a_doubt_may_still_be_found_out(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(ev.InboxScanned(0), ev.ForJob("job00001", ev.OutcomeUnknown("it was reset")))
    assert harness.job().state is State.IN_DOUBT
    assert not harness.engine.settled()  # the session's silence will tell
    harness.feed(ev.GatewayDown("cut", 1.0))
    assert not harness.engine.settled()
    harness.feed(dataclasses.replace(READY, session_id="session-2"))
    assert not harness.engine.settled()  # the history may show it
    harness.feed(ev.HistoryRead((), "500"))
    assert harness.engine.settled()


def test_the_position_in_the_stream_is_stored_with_each_step(harness: EngineHarness) -> None:
    harness.online()
    harness.drop("a.txt", "a red cat\n")
    harness.feed(create(started("600", nonce="nonce-1"), seq=17))
    harness.feed(update(progress("600", uuid=UUID_A), seq=18))
    place = harness.journal.recall("gateway")
    assert place["seq"] == 17  # 18 is remembered with the next step, or at the end
    harness.engine.finish()
    assert harness.journal.recall("gateway")["seq"] == 18
    assert harness.journal.recall("newest") == "600"


def test_a_job_started_by_hand_is_still_known_after_a_restart(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal)
        harness.online()
        harness.feed(create(started("600", nonce="by-hand")))
        harness.engine.finish()
    with closing(Journal(tmp_path / "j")) as journal:
        harness = EngineHarness(journal)
        harness.engine.load()
        harness.online()
        harness.drop("a.txt", "a red cat\n")
        harness.accept_all()
        harness.feed(create(started("602", nonce="nonce-1")))
        assert harness.feed(create(result("603", uuid=UUID_B))) == []
        assert harness.job().state is State.RUNNING


def test_foreign_jobs_are_stored_at_once_and_only_when_they_have_changed(harness: EngineHarness) -> None:
    harness.online()
    harness.feed(create(started("600", nonce="by-hand")))
    assert [job["message_id"] for job in harness.journal.recall("strangers")] == ["600"]
    harness.journal.remember({"strangers": "as it was"})
    harness.engine.finish()
    assert harness.journal.recall("strangers") == "as it was"


# ---- telling a person


def news(harness: EngineHarness) -> list[tuple[ef.Notification, str]]:
    found = [effect for effect in harness.effects if isinstance(effect, ef.SendNotification)]
    return [(sent.news, sent.job.id if sent.job else sent.reason) for sent in found]


CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha solved", needs_human=True)


def test_a_person_is_notified_of_pictures_once_their_folder_exists_and_the_journal_knows_it(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("cat.txt", "a cat\n")
    harness.accept_all()
    harness.feed(create(result("700", "a cat", nonce="nonce-1")))
    assert harness.job().state is State.COLLECTING
    assert news(harness) == []
    for _ in range(2):
        harness.feed(ev.ForJob("job00001", ev.Published("cat-job00001")))
    assert news(harness) == [(ef.Notification.DONE, "job00001")]
    sent = next(effect for effect in harness.effects if isinstance(effect, ef.SendNotification))
    assert sent.job is not None
    assert (sent.at, sent.job.folder, sent.reason) == (harness.now, "cat-job00001", "")


def test_a_person_is_notified_of_a_failure_with_its_reason_once_its_page_exists(
    harness: EngineHarness,
) -> None:
    harness.drop("cat.toml", "prompt = 7\n")
    assert harness.job().state is State.REJECTED
    assert news(harness) == []
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/cat-job00001", failed=True)))
    assert news(harness) == [(ef.Notification.FAILED, "job00001")]
    assert "prompt" in next(
        effect.reason for effect in harness.effects if isinstance(effect, ef.SendNotification)
    )


def test_a_person_is_not_notified_of_what_they_have_cancelled(harness: EngineHarness) -> None:
    harness.drop("cat.txt", "a cat\n")
    harness.feed(ev.ForJob("job00001", ev.CancelRequested()))
    harness.feed(ev.ForJob("job00001", ev.Published("_failed/cat-job00001", failed=True)))
    assert harness.job().state is State.CANCELLED
    assert news(harness) == []


def test_a_pause_is_notified_once_also_over_restarts_and_again_after_a_resume(harness: EngineHarness) -> None:
    harness.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    harness.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    sentence = "sending is paused: Discord wants a captcha solved"
    assert news(harness) == [(ef.Notification.NEEDS_PERSON, sentence)]
    again = EngineHarness(harness.journal, first_nonce=9)
    again.engine.load()
    again.feed(ev.InboxScanned(0))
    assert again.engine.paused == "Discord wants a captcha solved"
    assert news(again) == []
    again.engine.service.resume()
    again.feed(ev.InboxScanned(0))
    again.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    assert news(again) == [(ef.Notification.RESOLVED, sentence), (ef.Notification.NEEDS_PERSON, sentence)]


def test_a_pause_that_ends_the_loop_is_notified_before_it_ends(harness: EngineHarness) -> None:
    harness.engine.put(ev.HistoryReadFailed("refused", CAPTCHA))
    harness.engine.run(lambda: harness.engine.paused is not None)
    assert len(news(harness)) == 1


def test_nothing_is_notified_that_the_journal_does_not_know(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.online()
    fails_for(harness, monkeypatch, "told")
    harness.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    kinds = [kind for kind, _ in news(harness)]
    assert kinds == [
        ef.Notification.TROUBLE,
        ef.Notification.RESOLVED,
    ]  # of the journal, which can store the rest
    monkeypatch.undo()
    harness.feed(ev.InboxScanned(0))
    assert [kind for kind, _ in news(harness)][2:] == [ef.Notification.NEEDS_PERSON]


def fails_for(harness: EngineHarness, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    remember = harness.journal.remember

    def full(meta: dict[str, Any]) -> None:
        if key in meta:
            raise JournalError("the journal can't be used: database or disk is full", "make room on its disk")
        remember(meta)

    monkeypatch.setattr(harness.journal, "remember", full)


def test_a_doubt_that_waits_for_a_person_is_notified_and_one_that_settles_itself_is_not(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.drop("cat.txt", "a cat\n")
    harness.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    assert harness.job().state is State.IN_DOUBT
    assert news(harness) == []  # the session will tell
    harness.feed(replaced_session(), ev.HistoryRead((), "600"))
    assert news(harness) == [(ef.Notification.NEEDS_PERSON, "job00001")]


def replaced_session() -> ev.GatewayReady:
    return dataclasses.replace(READY, session_id="session-2")


# ---- a journal that can't be written


def test_a_full_disk_is_logged_from_time_to_time_and_not_at_every_try(
    harness: EngineHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harness.online()
    harness.drop("cat.txt", "a cat\n")
    harness.accept_all()

    def full(*_: object, **__: object) -> None:
        raise JournalError("the journal can't be used: database or disk is full", "make room on its disk")

    monkeypatch.setattr(harness.journal, "update", full)
    harness.journal.accept(None, [(made_job("job00002"), "a dog")], 1.0)
    caplog.set_level("INFO")
    tries = 15 * 60 // 5
    for _ in range(tries):
        harness.now += 5.0
        harness.feed(ev.InboxScanned(0))
    assert len(harness.submits()) == 1
    sentence = "the journal can't be used: database or disk is full; nothing is sent and no file is taken"
    assert caplog.text.count(sentence) == 1
    monkeypatch.undo()
    harness.now += 5.0
    harness.feed(ev.InboxScanned(0))
    assert len(harness.submits()) == 2
    assert caplog.text.count(f"resolved after 900 s: {sentence}") == 1


def test_a_drain_does_not_end_while_a_file_that_was_handed_over_may_be_deferred(
    harness: EngineHarness,
) -> None:
    harness.online()
    harness.feed(ev.InboxScanned(0, in_flight=1))
    assert not harness.engine.settled()
    harness.feed(ev.InboxScanned(0))
    assert harness.engine.settled()
