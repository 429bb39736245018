"""The loop: pace, slots, duplicates, journal before effect, recovery; with a fake worker and clock."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.loop import Engine
from mjwatch.engine.queue import EventQueue
from mjwatch.errors import JournalError
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.transitions import Timeouts
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.channel import Channel
from mjwatch.model import Job, Pause, PauseKind, Prompt, Refusal, RefusalClass, State
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
class House:
    """An engine on a real journal, whose effects are kept and whose clock stands still."""

    journal: Journal
    pace: Pace = FAST
    now: float = 10_000.0
    effects: list[ef.Effect] = field(default_factory=list)
    first_nonce: int = 1
    min_fast_hours: float = 0.0

    def __post_init__(self) -> None:
        ids, nonces = itertools.count(1), itertools.count(self.first_nonce)
        self.engine = Engine(
            self.journal,
            Channel(CHANNEL, self.journal.owner_of, quiet_time=60.0),
            EventQueue(lambda: self.now),
            self.effects.append,
            pace=self.pace,
            timeouts=Timeouts(),
            max_jobs_per_file=100,
            min_fast_hours=self.min_fast_hours,
            clock=lambda: self.now,
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
        return self.effects[before:]

    def online(self) -> None:
        self.feed(READY, ev.HistoryRead((), "500"))

    def drop(self, name: str, text: str, mtime: float = 900.0) -> list[ef.Effect]:
        return self.feed(ev.FileSettled(name, text.encode(), mtime, (1, 2, 3, 4, 5)))

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
def house(tmp_path: Path) -> Iterator[House]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield House(journal)


def test_nothing_is_sent_before_the_gateway_is_up_and_the_channel_is_known(house: House) -> None:
    house.drop("cat.txt", "a cat\n")
    assert house.submits() == []
    assert house.feed(READY) == [ef.ReadHistory(None)]
    assert house.submits() == []
    house.feed(ev.HistoryRead((), "500"))
    (submit,) = house.submits()
    assert (submit.job.nonce, submit.job.session_id, submit.job.anchor) == ("nonce-1", "session-1", "500")


def test_a_file_is_removed_only_after_it_is_in_the_journal(house: House) -> None:
    (effect,) = house.drop("cat.txt", "a cat\n")
    assert effect == ef.RemoveFile("cat.txt", (1, 2, 3, 4, 5))
    file = house.journal.file_of("job00001")
    assert file is not None
    assert file.content == b"a cat\n"


def test_the_same_delivery_of_a_file_is_removed_and_not_run(house: House) -> None:
    house.drop("cat.txt", "a cat\n", mtime=900.0)
    (effect,) = house.drop("cat.txt", "a cat\n", mtime=901.5)
    assert isinstance(effect, ef.RemoveFile)
    assert house.journal.open_counts()[State.QUEUED] == 1
    house.drop("cat.txt", "a cat\n", mtime=950.0)
    assert house.journal.open_counts()[State.QUEUED] == 2


def test_one_post_is_in_flight_at_a_time_and_only_so_many_jobs(house: House) -> None:
    house.online()
    for number in range(5):
        house.drop(f"{number}.txt", f"picture {number}\n")
    assert len(house.submits()) == 1
    house.accept_all()
    assert len(house.submits()) == 2
    house.accept_all()
    house.accept_all()
    assert len(house.submits()) == 3
    house.feed(create(started("600", "picture 0", nonce="nonce-1")), create(result("700", "picture 0")))
    assert len(house.submits()) == 4


def test_a_slot_is_free_on_the_result_and_not_only_after_saving(house: House) -> None:
    house.online()
    for number in range(4):
        house.drop(f"{number}.txt", f"picture {number}\n")
        house.accept_all()
    effects = house.feed(create(result("700", "picture 0")))
    assert [type(effect) for effect in effects] == [ef.FetchResult, ef.Submit]


def test_the_pace_is_kept(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal, Pace(max_in_flight=9, delay=4.0, jitter=2.0, max_per_day=2))
        house.online()
        for number in range(3):
            house.drop(f"{number}.txt", f"picture {number}\n")
        house.accept_all()
        assert len(house.submits()) == 1
        house.now += 4.9
        house.feed()
        assert len(house.submits()) == 1
        house.now += 0.2
        house.feed()
        assert len(house.submits()) == 2
        house.accept_all()
        house.now += 3600.0
        house.feed()
        assert len(house.submits()) == 2
        house.now += 86_400.0
        house.feed()
        assert len(house.submits()) == 3


def test_a_duplicate_waits_until_the_uuid_of_the_first_job_is_known(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.drop("b.txt", "a red cat --ar 3:2\n")
    house.drop("c.txt", "a blue dog\n")
    house.accept_all()
    assert [submit.job.prompt.text for submit in house.submits()] == ["a red cat", "a blue dog"]
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")))
    assert len(house.submits()) == 2
    house.feed(update(progress("600", uuid=UUID_A)))
    assert house.submits()[-1].job.prompt.text == "a red cat --ar 3:2"


def test_duplicates_run_side_by_side_once_replies_tell_them_apart(house: House) -> None:
    house.online()
    for name in ("a", "b", "c"):
        house.drop(f"{name}.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), create(result("700", reply_to="600")))
    house.accept_all()
    assert len(house.submits()) == 2
    house.feed(create(started("701", nonce="nonce-2")))
    assert len(house.submits()) == 3


def test_duplicates_of_a_job_in_doubt_wait(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.drop("b.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("timeout")))
    assert house.job().state is State.IN_DOUBT
    assert len(house.submits()) == 1
    house.feed(ev.ForJob("job00001", ev.CancelRequested()))
    assert len(house.submits()) == 2


def test_what_an_administrator_must_know_is_a_warning(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.online()
    banned = Refusal(RefusalClass.MODERATION, "Banned prompt", "cat")
    with caplog.at_level(logging.INFO, "mjwatch"):
        outcomes: tuple[ev.JobEvent, ...] = (ev.OutcomeUnknown("timeout"), ev.Refused(banned))
        for number, outcome in enumerate(outcomes, 1):
            house.drop(f"{number}.txt", f"cat {number}\n")
            house.feed(ev.ForJob(f"job{number:05}", outcome))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line[:17] for line in warnings] == ["job00001 in doubt", "job00002 failed: "]


def test_a_final_that_is_unclear_waits_for_the_one_that_makes_it_clear(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")))
    house.feed(create(started("601", nonce="by-hand")))
    assert [e for e in house.feed(create(result("700", uuid=UUID_B))) if isinstance(e, ef.FetchResult)] == []
    effects = house.feed(update(progress("600", uuid=UUID_B)))
    (collect,) = [effect for effect in effects if isinstance(effect, ef.FetchResult)]
    assert collect.job.result is not None
    assert collect.job.result.message_id == "700"


def test_what_needs_a_person_stops_the_sending_and_keeps_the_queue(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.drop("b.txt", "a blue dog\n")
    captcha = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha", needs_human=True)
    house.feed(ev.ForJob("job00001", ev.Refused(captcha, executed=False)))
    house.now += 3600.0
    house.feed()
    assert len(house.submits()) == 1
    assert house.engine.paused == "Discord wants a captcha"
    assert house.job().state is State.QUEUED
    assert house.journal.paused() == Pause("Discord wants a captcha", PauseKind.ACCOUNT)


def test_a_result_of_a_job_that_failed_is_delivered_late(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), update(progress("600", uuid=UUID_A)))
    house.feed(ev.ForJob("job00001", ev.Refused(Refusal(RefusalClass.TRANSIENT, "Sorry", ""))))
    house.feed(ev.ForJob("job00001", ev.Published("_failed/a-job00001")))
    effects = house.feed(create(result("700", uuid=UUID_A)))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_after_a_restart_every_open_job_continues_where_it_was(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal)
        house.online()
        for number in range(3):
            house.drop(f"{number}.txt", f"picture {number}\n")
            house.accept_all()
        house.feed(create(result("700", "picture 0")))
        house.drop("3.txt", "picture 3\n")
        assert house.job("job00004").state is State.SUBMITTING
        house.engine.finish()
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal, first_nonce=100)
        house.engine.load()
        (effect,) = house.effects
        assert isinstance(effect, ef.FetchResult)
        assert effect.job.id == "job00001"
        assert house.job("job00002").state is State.SUBMITTED
        assert house.job("job00004").state is State.IN_DOUBT
        assert house.feed(ev.GatewayResumed("session-1", 9)) == [ef.ReadHistory("500")]
        house.feed(ev.HistoryRead((), None))
        assert house.submits() == []
        house.now += 60.1
        assert house.feed() == [ef.Probe()]
        house.feed(ev.GatewayAlive("session-1"))
        (submit,) = house.submits()
        assert submit.job.id == "job00004"


def test_silence_proves_nothing_until_the_gateway_has_answered(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    house.now += 3600.0
    assert house.feed() == [ef.Probe()]
    assert house.feed() == []
    assert len(house.submits()) == 1
    # What the gateway had said before its answer comes before it.
    said = ev.GatewayDispatch("INTERACTION_CREATE", {"id": "800", "nonce": "nonce-1"}, 3)
    house.feed(said, ev.GatewayAlive("session-1"))
    assert house.job().state is State.SUBMITTED
    assert len(house.submits()) == 1


def test_the_answer_of_another_session_proves_nothing(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    house.now += 61.0
    house.feed(ev.GatewayAlive("session-0"))
    assert house.job().state is State.IN_DOUBT


def test_an_outcome_of_an_attempt_that_is_over_changes_nothing(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    slow_down = Refusal(RefusalClass.RETRY, "Slow Down!", "", retry_after=0.0)
    house.feed(ev.ForJob("job00001", ev.Refused(slow_down)))
    assert [submit.job.nonce for submit in house.submits()] == ["nonce-1", "nonce-2"]
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("the first POST timed out"), "nonce-1"))
    assert house.job().state is State.SUBMITTING
    house.feed(ev.ForJob("job00001", ev.Accepted(), "nonce-2"))
    assert house.job().state is State.SUBMITTED


def test_a_long_history_is_read_in_parts_each_from_where_the_last_ended(house: House) -> None:
    house.online()
    house.feed(ev.GatewayDown("lost", 1.0), READY)
    house.feed(ev.HistoryRead((), "5000", complete=False))
    house.now += 2.1
    assert house.feed() == [ef.ReadHistory("5000")]
    house.drop("a.txt", "a red cat\n")
    assert house.submits() == []
    house.feed(ev.HistoryRead((), "6000"))
    assert len(house.submits()) == 1


def test_while_the_journal_fails_the_loop_sleeps(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(result("700")), ev.ForJob("job00001", ev.SaveFailed("the outbox is full")))
    house.now += 100_000.0

    def full(*arguments: Any, **named: Any) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(house.journal, "update", full)
    house.engine._turn_safely()
    assert 0.0 < house.engine._wait() <= 5.0


def test_an_unmatched_result_survives_a_failed_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), create(started("601", nonce="by-hand")))
    house.feed(create(result("700", uuid=UUID_B), seq=7))
    failures = [JournalError("locked")]
    update_ = house.journal.update

    def unwilling(job: Job, **named: Any) -> None:
        if job.state is State.COLLECTING and failures:
            raise failures.pop()
        update_(job, **named)

    monkeypatch.setattr(house.journal, "update", unwilling)
    monkeypatch.setattr("mjwatch.engine.service_state.JOURNAL_RETRY_DELAY", 0.0)
    house.feed(update(progress("600", uuid=UUID_B), seq=8))
    assert failures == []
    assert house.job().state is State.COLLECTING


def test_a_start_missed_in_a_gap_does_not_make_our_job_a_foreign_one(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(ev.GatewayDown("lost", 1.0), READY)
    house.feed(update(progress("600", uuid=UUID_A)), create(result("700", uuid=UUID_A)))
    effects = house.feed(ev.HistoryRead((result("700", uuid=UUID_A),), "700"))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_start_without_a_name_is_not_taken_for_a_job_that_midjourney_did_not_queue(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600")), update(progress("600", uuid=UUID_B)))
    assert house.job().job_uuid is None
    house.feed(create(started("601", nonce="nonce-1")), update(progress("601", uuid=UUID_A)))
    assert (house.job().message_id, house.job().job_uuid) == ("601", UUID_A)


def test_no_time_limit_runs_out_while_nothing_can_be_heard(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), delete("600"), ev.GatewayDown("lost", 1.0))
    house.now += 7200.0
    house.feed()
    assert house.job().state is State.RUNNING
    house.feed(ev.GatewayResumed("session-1", 9))
    assert house.job().state is State.RUNNING
    house.now += 61.0
    assert house.feed() == [ef.ReadHistory("500", ("600",))]
    assert house.job().state is State.RUNNING
    house.feed(ev.HistoryRead((), None))
    assert house.job().state is State.FAILED


def test_an_overdue_job_is_looked_up_before_it_is_given_up(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), delete("600"))
    house.now += 61.0
    house.feed()
    effects = house.feed(ev.HistoryRead((result("700", reply_to="600"),), "700"))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_an_overdue_job_does_not_wait_for_a_history_that_cannot_be_read(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.now += 901.0
    assert house.feed() == [ef.ReadHistory("500")]
    house.feed(ev.HistoryReadFailed("HTTP 500"))
    assert house.job().state is State.IN_DOUBT


def test_a_final_found_after_its_job_failed_is_delivered_by_the_start_it_replies_to(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), delete("600"))
    house.now += 61.0
    house.feed()
    house.feed(ev.HistoryRead((), None))
    house.feed(ev.ForJob("job00001", ev.Published("_failed/a-job00001", failed=True)))
    effects = house.feed(create(result("700", uuid=UUID_A, reply_to="600")))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_job_done_by_hand_does_not_block_the_same_prompt(house: House) -> None:
    house.online()
    house.feed(create(started("600", nonce="by-hand")), create(result("601", uuid=UUID_B)))
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("602", nonce="nonce-1")))
    effects = house.feed(create(result("603", uuid=UUID_A)))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_job_whose_start_was_deleted_is_in_doubt_while_an_unmatched_result_may_be_its_own(
    house: House,
) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), create(started("601", nonce="by-hand")))
    house.feed(create(result("700", uuid=UUID_A)), delete("600"))
    house.now += 61.0
    house.feed()
    house.feed(ev.HistoryRead((), None))
    assert house.job().state is State.IN_DOUBT


def test_a_drain_does_not_wait_for_the_duplicate_of_a_doubt_that_waits_for_a_person(house: House) -> None:
    house.online()
    house.feed(ev.InboxScanned(0))
    house.drop("a.txt", "a red cat\n")
    house.drop("b.txt", "a red cat --ar 3:2\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), ev.GatewayDown("lost", 1.0))
    assert not house.engine.settled()
    house.feed(dataclasses.replace(READY, session_id="session-2"), ev.HistoryRead((), None))
    assert house.engine.settled()
    assert house.engine.needs_person()


def test_a_put_back_job_whose_post_had_run_after_all_is_found_after_a_restart(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal)
        house.online()
        house.drop("a.txt", "a red cat\n")
        limited = Refusal(RefusalClass.RETRY, None, "rate limited", retry_after=500.0)
        house.feed(ev.ForJob("job00001", ev.Refused(limited, executed=False)))
        house.engine.finish()
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal, first_nonce=100)
        house.engine.load()
        house.feed(ev.GatewayDispatch("INTERACTION_CREATE", {"id": "8", "nonce": "nonce-1"}, 3))
        assert house.job().state is State.SUBMITTED


def test_a_start_of_an_earlier_attempt_does_not_count_for_the_present_one(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    slow_down = Refusal(RefusalClass.RETRY, "Slow Down!", "", retry_after=0.0)
    house.feed(ev.ForJob("job00001", ev.Refused(slow_down)))
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")))
    assert house.job().message_id is None
    house.feed(create(started("601", nonce="nonce-2")))
    assert house.job().message_id == "601"


def test_an_unexpected_error_in_one_event_does_not_end_the_loop(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(house.engine._channel.tracker, "dispatch", broken)
    house.feed(create(result("700")))
    assert "could not be handled" in caplog.text
    house.drop("a.txt", "a red cat\n")
    assert house.job().state is State.QUEUED


def test_the_silence_of_a_lost_session_proves_nothing(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), ev.GatewayDown("lost", 1.0))
    house.feed(dataclasses.replace(READY, session_id="session-2"), ev.HistoryRead((), None))
    house.now += 3600.0
    house.feed()
    assert house.job().state is State.IN_DOUBT
    assert len(house.submits()) == 1


def test_the_silence_of_an_interrupted_session_counts_from_its_replay_on(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")), ev.GatewayDown("lost", 1.0))
    house.now += 59.0
    house.feed(ev.GatewayResumed("session-1", 9))
    house.now += 59.0
    house.feed()
    assert house.job().state is State.IN_DOUBT
    house.now += 1.5
    house.feed()
    house.feed(ev.GatewayAlive("session-1"))
    assert len(house.submits()) == 2
    assert house.submits()[1].job.nonce != house.submits()[0].job.nonce


def test_a_doubtful_post_that_was_executed_is_found_by_its_nonce(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    house.feed(ev.GatewayDispatch("INTERACTION_CREATE", {"id": "800", "nonce": "nonce-1"}, 3))
    house.now += 120.0
    house.feed()
    assert house.job().state is State.SUBMITTED
    assert len(house.submits()) == 1


def test_messages_that_do_not_reach_us_are_asked_for(house: House) -> None:
    house.online()
    data = {"guild_id": "1", "updated_channels": [{"id": CHANNEL, "last_message_id": "501"}]}
    effects = house.feed(ev.GatewayDispatch("PASSIVE_UPDATE_V2", data, 3))
    assert effects == [ef.Subscribe(), ef.ReadHistory("500")]
    house.feed(ev.HistoryRead((result("501"),), "501"))
    assert house.feed(ev.GatewayDispatch("PASSIVE_UPDATE_V2", data, 4)) == []


def test_a_start_message_deleted_in_a_gap_is_noticed_if_the_history_can_be_read(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.drop("b.txt", "a blue dog\n")
    house.accept_all()
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), create(started("601", "a blue dog", nonce="nonce-2")))
    house.feed(ev.GatewayDown("lost", 1.0), READY)
    house.feed(ev.HistoryRead((), None, {"600": None, "601": None}))
    assert house.job().start_deleted_at is None
    house.feed(ev.HistoryRead((), None, {"600": None, "601": started("601", "a blue dog")}))
    assert house.job().start_deleted_at is not None
    assert house.job("job00002").start_deleted_at is None


def test_a_new_session_reads_the_history_from_the_newest_message_that_was_seen(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    house.feed(create(started("600", nonce="nonce-1")), ev.GatewayDown("lost", 1.0))
    assert house.feed(READY) == [ef.ReadHistory("500", ("600",))]
    effects = house.feed(ev.HistoryRead((result("700", uuid=UUID_A),), "700"))
    assert [type(effect) for effect in effects] == [ef.FetchResult]


def test_a_history_that_cannot_be_read_is_asked_for_again_and_nothing_is_sent_meanwhile(house: House) -> None:
    house.feed(READY, ev.HistoryReadFailed("HTTP 500"))
    house.drop("a.txt", "a red cat\n")
    assert house.submits() == []
    house.now += 2.1
    assert house.feed() == [ef.ReadHistory(None)]


def test_a_failed_commit_sends_nothing_and_the_event_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.online()
    full = [JournalError("the disk is full")] * 2
    update_ = house.journal.update

    def unwilling(*arguments: Any, **named: Any) -> None:
        if full:
            raise full.pop()
        update_(*arguments, **named)

    monkeypatch.setattr(house.journal, "update", unwilling)
    monkeypatch.setattr("mjwatch.engine.service_state.JOURNAL_RETRY_DELAY", 0.0)
    house.drop("a.txt", "a red cat\n")
    assert house.submits() == []
    house.feed()
    house.feed()
    assert len(house.submits()) == 1
    full.append(JournalError("the disk is full"))
    house.feed(ev.ForJob("job00001", ev.Accepted()))
    assert house.job().state is State.SUBMITTED


def test_a_rejected_file_is_one_answered_job(house: House) -> None:
    effects = house.drop("bad.toml", "promt = 1\n")
    assert [type(effect) for effect in effects] == [ef.PublishFailure, ef.RemoveFile]
    assert house.job().state is State.REJECTED
    house.feed(ev.ForJob("job00001", ev.Published("_failed/bad-job00001")))
    assert house.journal.live_jobs() == []


def test_a_prompt_submitted_from_python_is_accepted_once(house: House) -> None:
    given = ev.PromptSubmitted("given001", Prompt("a red cat"), "a-red-cat.txt")
    house.feed(given, given)
    assert house.journal.open_counts()[State.QUEUED] == 1
    assert house.job("given001").prompt.text == "a red cat"


def test_all_is_settled_only_when_every_job_has_its_folder(house: House) -> None:
    house.online()
    assert not house.engine.settled()
    house.feed(ev.InboxScanned(0))
    assert house.engine.settled()
    house.drop("a.txt", "a red cat\n")
    house.accept_all()
    assert not house.engine.settled()
    house.feed(create(result("700")))
    assert not house.engine.settled()
    house.feed(ev.ForJob("job00001", ev.Published("a-job00001")))
    assert house.engine.settled()
    house.feed(ev.InboxScanned(1))
    assert not house.engine.settled()


def test_all_is_not_settled_while_a_doubt_may_still_be_found_out(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(ev.InboxScanned(0), ev.ForJob("job00001", ev.OutcomeUnknown("it was reset")))
    assert house.job().state is State.IN_DOUBT
    assert not house.engine.settled()  # the session's silence will tell
    house.feed(ev.GatewayDown("cut", 1.0))
    assert not house.engine.settled()
    house.feed(dataclasses.replace(READY, session_id="session-2"))
    assert not house.engine.settled()  # the history may show it
    house.feed(ev.HistoryRead((), "500"))
    assert house.engine.settled()


def test_the_position_in_the_stream_is_stored_with_each_step(house: House) -> None:
    house.online()
    house.drop("a.txt", "a red cat\n")
    house.feed(create(started("600", nonce="nonce-1"), seq=17))
    house.feed(update(progress("600", uuid=UUID_A), seq=18))
    place = house.journal.recall("gateway")
    assert place["seq"] == 17  # 18 is remembered with the next step, or at the end
    house.engine.finish()
    assert house.journal.recall("gateway")["seq"] == 18
    assert house.journal.recall("newest") == "600"


def test_a_job_started_by_hand_is_still_known_after_a_restart(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal)
        house.online()
        house.feed(create(started("600", nonce="by-hand")))
        house.engine.finish()
    with closing(Journal(tmp_path / "j")) as journal:
        house = House(journal)
        house.engine.load()
        house.online()
        house.drop("a.txt", "a red cat\n")
        house.accept_all()
        house.feed(create(started("602", nonce="nonce-1")))
        assert house.feed(create(result("603", uuid=UUID_B))) == []
        assert house.job().state is State.RUNNING


def test_foreign_jobs_are_stored_only_when_they_have_changed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.online()
    house.feed(create(started("600", nonce="by-hand")))
    fails_for(house, monkeypatch, "newest")
    house.engine.finish()
    monkeypatch.undo()
    assert house.journal.recall("strangers") == []
    house.engine.finish()
    assert [job["message_id"] for job in house.journal.recall("strangers")] == ["600"]
    house.journal.remember({"strangers": "as it was"})
    house.engine.finish()
    assert house.journal.recall("strangers") == "as it was"


# ---- telling a person


def news(house: House) -> list[tuple[ef.Notification, str]]:
    found = [effect for effect in house.effects if isinstance(effect, ef.SendNotification)]
    return [(sent.news, sent.job.id if sent.job else sent.reason) for sent in found]


CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha solved", needs_human=True)


def test_a_person_is_notified_of_pictures_once_their_folder_exists_and_the_journal_knows_it(
    house: House,
) -> None:
    house.online()
    house.drop("cat.txt", "a cat\n")
    house.accept_all()
    house.feed(create(result("700", "a cat", nonce="nonce-1")))
    assert house.job().state is State.COLLECTING
    assert news(house) == []
    for _ in range(2):
        house.feed(ev.ForJob("job00001", ev.Published("cat-job00001")))
    assert news(house) == [(ef.Notification.DONE, "job00001")]
    sent = next(effect for effect in house.effects if isinstance(effect, ef.SendNotification))
    assert sent.job is not None
    assert (sent.at, sent.job.folder, sent.reason) == (house.now, "cat-job00001", "")


def test_a_person_is_notified_of_a_failure_with_its_reason_once_its_page_exists(house: House) -> None:
    house.drop("cat.toml", "prompt = 7\n")
    assert house.job().state is State.REJECTED
    assert news(house) == []
    house.feed(ev.ForJob("job00001", ev.Published("_failed/cat-job00001", failed=True)))
    assert news(house) == [(ef.Notification.FAILED, "job00001")]
    assert "prompt" in next(
        effect.reason for effect in house.effects if isinstance(effect, ef.SendNotification)
    )


def test_a_person_is_not_notified_of_what_they_have_cancelled(house: House) -> None:
    house.drop("cat.txt", "a cat\n")
    house.feed(ev.ForJob("job00001", ev.CancelRequested()))
    house.feed(ev.ForJob("job00001", ev.Published("_failed/cat-job00001", failed=True)))
    assert house.job().state is State.CANCELLED
    assert news(house) == []


def test_a_pause_is_notified_once_also_over_restarts_and_again_after_a_resume(house: House) -> None:
    house.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    house.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    assert news(house) == [(ef.Notification.NEEDS_PERSON, "Discord wants a captcha solved")]
    again = House(house.journal, first_nonce=9)
    again.engine.load()
    again.feed(ev.InboxScanned(0))
    assert again.engine.paused == "Discord wants a captcha solved"
    assert news(again) == []
    again.engine.service.resume()
    again.feed(ev.InboxScanned(0))
    again.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    assert news(again) == [(ef.Notification.NEEDS_PERSON, "Discord wants a captcha solved")]


def test_a_pause_that_ends_the_loop_is_notified_before_it_ends(house: House) -> None:
    house.engine.put(ev.HistoryReadFailed("refused", CAPTCHA))
    house.engine.run(lambda: house.engine.paused is not None)
    assert len(news(house)) == 1


def test_nothing_is_notified_that_the_journal_does_not_know(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.online()
    fails_for(house, monkeypatch, "told")
    house.feed(ev.HistoryReadFailed("refused", CAPTCHA))
    assert news(house) == []
    monkeypatch.undo()
    house.feed(ev.InboxScanned(0))
    assert len(news(house)) == 1


def fails_for(house: House, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    remember = house.journal.remember

    def full(meta: dict[str, Any]) -> None:
        if key in meta:
            raise JournalError("the journal can't be used: database or disk is full", "make room on its disk")
        remember(meta)

    monkeypatch.setattr(house.journal, "remember", full)


def test_a_doubt_that_waits_for_a_person_is_notified_and_one_that_settles_itself_is_not(house: House) -> None:
    house.online()
    house.drop("cat.txt", "a cat\n")
    house.feed(ev.ForJob("job00001", ev.OutcomeUnknown("it timed out")))
    assert house.job().state is State.IN_DOUBT
    assert news(house) == []  # the session will tell
    house.feed(replaced_session(), ev.HistoryRead((), "600"))
    assert news(house) == [(ef.Notification.NEEDS_PERSON, "job00001")]


def replaced_session() -> ev.GatewayReady:
    return dataclasses.replace(READY, session_id="session-2")


# ---- a journal that can't be written


def test_a_full_disk_is_logged_from_time_to_time_and_not_at_every_try(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house.online()
    house.drop("cat.txt", "a cat\n")
    house.accept_all()

    def full(*_: object, **__: object) -> None:
        raise JournalError("the journal can't be used: database or disk is full", "make room on its disk")

    monkeypatch.setattr(house.journal, "update", full)
    house.journal.accept(None, [(made_job("job00002"), "a dog")], 1.0)
    caplog.set_level("INFO")
    tries = 15 * 60 // 5
    for _ in range(tries):
        house.now += 5.0
        house.feed(ev.InboxScanned(0))
    assert len(house.submits()) == 1
    assert caplog.text.count("disk is full") == 2
    assert "nothing is sent meanwhile" in caplog.text
    monkeypatch.undo()
    house.now += 5.0
    house.feed(ev.InboxScanned(0))
    assert len(house.submits()) == 2
    assert caplog.text.count("the journal can be written again") == 1


def test_a_drain_does_not_end_while_a_file_that_was_handed_over_may_be_deferred(house: House) -> None:
    house.online()
    house.feed(ev.InboxScanned(0, in_flight=1))
    assert not house.engine.settled()
    house.feed(ev.InboxScanned(0))
    assert house.engine.settled()
