"""Imports from the channel: bounds, pages, kills, what a job may await, and what is made by hand."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.discord.protocol import snowflake
from mjwatch.engine.channel_import import BY_HAND, FETCHED_AT_ONCE, IMPORT, NOTHING_SHOWN, Reading
from mjwatch.errors import JournalError
from mjwatch.jobs.pacing import Pace
from mjwatch.journal.overview import import_facts
from mjwatch.journal.requests import ask
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, LimitScope, Refusal, RefusalClass, SourceKind, State
from tests.helpers.message_shapes import OTHER_USER, UUID_A, UUID_B, create, result, started
from tests.unit.engine.test_loop import READY, EngineHarness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NEWEST = "9000"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def online(journal: Journal, newest: str = NEWEST, *, by_hand: bool = False, **facts: Any) -> EngineHarness:
    harness = EngineHarness(journal, **facts)
    harness.engine.imports._collects = by_hand
    harness.engine.load()
    harness.feed(READY, ev.HistoryRead((), newest))
    return harness


def begin(harness: EngineHarness, since: str = "0", until: str | None = None) -> list[ef.Effect]:
    ask(harness.journal.path, IMPORT, {"since": since, "until": until}, harness.now)
    return harness.feed(ev.RequestsPending())


def uuid(number: int) -> str:
    return f"cccccccc-0000-4000-8000-{number % 10**12:012}"


def final(number: int, **fields: Any) -> dict[str, Any]:
    return result(str(number), f"picture {number}", uuid(number), **fields)


def page(
    *messages: Mapping[str, Any], after: str = "0", complete: bool = True, purpose: str = IMPORT
) -> ev.PageRead:
    return ev.PageRead(purpose, after, messages, complete)


def imported(journal: Journal) -> list[Job]:
    return [job for job in reversed(journal.listed(None, 1000)) if job.made_elsewhere]


def fetches(harness: EngineHarness) -> list[str]:
    return [effect.job.id for effect in harness.effects if isinstance(effect, ef.FetchResult)]


def pages(effects: list[ef.Effect]) -> list[ef.ReadPage]:
    return [effect for effect in effects if isinstance(effect, ef.ReadPage)]


def stored(journal: Journal, purpose: str = IMPORT) -> Reading:
    found = Reading.stored(journal.recall(purpose))
    assert found is not None
    return found


def test_a_picture_becomes_a_job_that_is_fetched_and_nothing_is_sent(journal: Journal) -> None:
    harness = online(journal)
    assert begin(harness) == [ef.ReadPage(IMPORT, "0")]
    made = int(snowflake(1_700_000_000_000))
    harness.engine._channel.tracker.note_newest(str(made + 9))
    harness.feed(page(final(made)))
    (job,) = imported(journal)
    assert job.state is State.COLLECTING
    assert job.source is not None
    assert job.source.kind is SourceKind.CHANNEL
    assert job.source.path == f"_channel/2023-11/picture-{made}.txt"
    assert (job.finished, job.job_uuid, job.nonces) == (1_700_000_000.0, uuid(made), ())
    assert fetches(harness) == [job.id]
    effects = harness.feed(ev.ForJob(job.id, ev.Published("_channel/2023-11/x")))
    assert harness.job(job.id).state is State.DONE
    assert effects == []  # an import is no news
    assert harness.submits() == []
    assert stored(journal).is_complete
    assert harness.engine.all_imported()


def test_a_second_import_adds_nothing_and_neither_does_a_message_with_a_known_uuid(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    shown_again = result("120", "picture 100", uuid(100))
    harness.feed(page(final(100), final(110), shown_again))
    assert [job.job_uuid for job in imported(journal)] == [uuid(100), uuid(110)]
    harness.feed(*(ev.ForJob(job.id, ev.Published("x")) for job in imported(journal)))
    assert begin(harness) == [ef.ReadPage(IMPORT, "0")]
    harness.feed(page(final(100), final(110), shown_again))
    assert len(imported(journal)) == 2
    assert stored(journal).found["known"] == 3


def test_pages_follow_each_other_at_the_pace_of_sending(journal: Journal) -> None:
    harness = online(journal, pace=Pace(delay=4.0, jitter=2.0))
    begin(harness, "50", "500")
    assert pages(harness.feed(page(final(100, who=OTHER_USER), after="50", complete=False))) == []
    harness.now += 4.9
    assert pages(harness.feed()) == []
    assert harness.engine._wait() == pytest.approx(0.1)
    harness.now += 0.2
    assert pages(harness.feed()) == [ef.ReadPage(IMPORT, "100")]
    harness.feed(page(final(400), final(600), after="100", complete=False))
    assert [job.job_uuid for job in imported(journal)] == [uuid(400)]  # 600 is past the end
    reading = stored(journal)
    assert (reading.read, reading.is_complete, reading.after) == (2, True, "400")
    assert reading.found == {"new": 1, "known": 0, "unclear": 0, "others": 1, "unproven": 0}


def test_after_a_kill_it_goes_on_where_it_was_and_fetches_what_was_found(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    harness.feed(page(final(100), final(110), complete=False))
    after_kill = online(journal)
    assert sorted(fetches(after_kill)) == sorted(job.id for job in imported(journal))
    assert pages(after_kill.effects) == [ef.ReadPage(IMPORT, "110")]
    after_kill.feed(page(final(120), after="110"))
    assert [job.job_uuid for job in imported(journal)] == [uuid(100), uuid(110), uuid(120)]
    assert stored(journal).read == 3


def test_a_page_that_could_not_be_committed_is_handled_once_more(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = online(journal)
    begin(harness)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "accept_imported", lambda *_: fail())
        with pytest.raises(JournalError):
            harness.engine._handle(page(final(100)))
    assert imported(journal) == []
    harness.feed(page(final(100)))
    assert len(imported(journal)) == 1


def fail() -> None:
    raise JournalError("the disk is full")


def test_few_pictures_are_fetched_at_once_and_the_next_page_waits_for_them(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    harness.feed(page(*(final(number) for number in range(100, 120)), complete=False))
    assert len(fetches(harness)) == FETCHED_AT_ONCE
    assert len(pages(harness.effects)) == 1
    for _ in range(20):
        harness.feed(ev.ForJob(fetches(harness)[-1], ev.Published("x")))
        waiting = [job for job in imported(journal) if job.state is State.COLLECTING]
        for job in waiting[:1]:
            harness.feed(ev.ForJob(job.id, ev.Published("x")))
    assert len(set(fetches(harness))) == 20
    assert pages(harness.effects)[-1] == ef.ReadPage(IMPORT, "119")


def test_imported_pictures_do_not_keep_prompts_from_being_sent(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    harness.feed(page(*(final(number) for number in range(100, 190)), complete=False))
    harness.drop("cat.txt", "a cat\n")
    assert len(harness.submits()) == 1


def test_the_overview_shows_an_import_while_it_reads(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    harness.feed(page(final(100), final(110), complete=False))
    harness.feed(ev.ForJob(imported(journal)[0].id, ev.Published("x")))
    assert import_facts(journal) == {"read": 2, "imported": 1, "saving": 1, "trouble": None}
    harness.feed(ev.PageReadFailed("no answer"))
    assert (import_facts(journal) or {})["trouble"] == "no answer"
    ask(journal.path, "import stop", {}, harness.now)
    harness.feed(ev.RequestsPending())
    assert import_facts(journal) is None


def test_stopped_it_reads_no_further_and_the_same_request_continues(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    ask(journal.path, "import stop", {}, harness.now)
    harness.feed(ev.RequestsPending(), page(final(100), complete=False))
    assert imported(journal) == []  # the page came after the stop, and is read again
    assert pages(begin(harness)) == [ef.ReadPage(IMPORT, "0")]
    harness.feed(page(final(100), complete=False), page(final(9000), after="100"))
    assert stored(journal).is_complete
    assert begin(harness, "5") == [ef.ReadPage(IMPORT, "5")]
    request = ask(journal.path, IMPORT, {"since": "7", "until": None}, harness.now)
    harness.feed(ev.RequestsPending())
    assert "another import is running" in (journal.answer_of(request) or "")


def test_limits_of_discord_hold_an_import_and_other_failures_are_tried_again(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    limit = Refusal(RefusalClass.RETRY, None, "slow down", retry_after=30.0, scope=LimitScope.ROUTE)
    assert pages(harness.feed(ev.PageReadFailed("slow down", limit))) == []
    harness.now += 31.0
    assert pages(harness.feed()) == [ef.ReadPage(IMPORT, "0")]
    assert pages(harness.feed(ev.PageReadFailed("no network"))) == []
    assert stored(journal).trouble == "no network"
    harness.now += 2.1
    assert pages(harness.feed()) == [ef.ReadPage(IMPORT, "0")]
    harness.feed(page(final(9000)))
    assert stored(journal).trouble is None


def test_an_empty_page_before_the_newest_message_is_not_the_end(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    harness.feed(page(final(100), complete=False), page(after="100"))
    reading = stored(journal)
    assert (reading.is_active, reading.is_complete, reading.trouble) == (False, False, NOTHING_SHOWN)
    assert pages(begin(harness)) == [ef.ReadPage(IMPORT, "100")]
    assert stored(journal).trouble is None
    harness.feed(page(final(9000), after="100"))
    assert (stored(journal).is_complete, len(imported(journal))) == (True, 2)


def test_a_command_that_reads_no_history_begins_no_import(journal: Journal) -> None:
    harness = online(journal)
    harness.engine.imports.is_enabled = False
    request = ask(journal.path, IMPORT, {"since": "0", "until": None}, harness.now)
    assert pages(harness.feed(ev.RequestsPending())) == []
    assert "import again when it has ended" in (journal.answer_of(request) or "")
    assert journal.recall(IMPORT) is None


def test_without_a_session_or_an_unread_gap_nothing_is_read(journal: Journal) -> None:
    harness = EngineHarness(journal)
    harness.engine.load()
    assert pages(begin(harness)) == []
    harness.feed(READY)
    assert pages(harness.effects) == []
    harness.feed(ev.HistoryRead((), NEWEST))
    assert pages(harness.effects) == [ef.ReadPage(IMPORT, "0")]


def test_what_a_job_in_flight_may_await_is_left_and_counted(journal: Journal) -> None:
    harness = online(journal)
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    begin(harness)
    harness.engine._channel.tracker.note_newest("9500")
    harness.feed(page(result("100", uuid=UUID_A), result("9100", uuid=UUID_B), final(9200)))
    assert [job.job_uuid for job in imported(journal)] == [UUID_A, uuid(9200)]
    assert stored(journal).found["unclear"] == 1


def test_what_the_gateway_has_not_shown_yet_is_not_judged(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    harness.feed(page(final(100), final(9001)))
    assert [job.job_uuid for job in imported(journal)] == [uuid(100)]


def test_a_follow_up_by_hand_knows_its_parent_and_our_own_follow_ups_work(journal: Journal) -> None:
    harness = online(journal)
    begin(harness)
    single = final(120, reply_to="110") | {"content": f"**picture 110** - Image #2 <@{READY.user_id}>"}
    harness.feed(page(final(110), single))
    grid, picture = imported(journal)
    assert (picture.parent, picture.prompt.action) == (grid.id, "U2")
    harness.feed(ev.ForJob(grid.id, ev.Published("x")))
    again = ev.PromptSubmitted("jobanext", replace(grid.prompt, text="", action="U3", parent=grid.id), None)
    harness.feed(again)
    harness.accept_all()
    (submit,) = harness.submits()
    assert submit.job.button_press is not None
    assert submit.job.button_press.custom_id == f"MJ::JOB::upsample::3::{uuid(110)}"


# ---- by hand, while the service runs


def by_hand_read(harness: EngineHarness, *messages: Mapping[str, Any], complete: bool = True) -> None:
    """The next page for what is made by hand is asked for, and has these messages."""
    if harness.engine.imports._awaited is None:
        harness.now += 3.0
        harness.feed()
    request = pages(harness.effects)[-1]
    assert request == harness.engine.imports._awaited
    assert request.purpose == BY_HAND
    harness.feed(ev.PageRead(BY_HAND, request.after, messages, complete))


def test_what_is_made_by_hand_is_collected_and_what_was_before_is_not(journal: Journal) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    assert pages(harness.effects)[0].after == NEWEST
    assert pages(harness.feed(create(started("9100")))) == []
    harness.feed(create(result("9101", who=OTHER_USER)))
    harness.now += 3.0
    assert pages(harness.feed()) == []  # other people's pictures cost nothing
    harness.feed(create(result("9200")))
    by_hand_read(harness, result("9101", who=OTHER_USER), result("9200"))
    (job,) = imported(journal)
    assert job.result is not None
    assert job.result.message_id == "9200"
    harness.now += 600.0
    assert pages(harness.feed()) == []  # nothing new


def test_what_is_not_wanted_is_not_collected(journal: Journal) -> None:
    harness = online(journal)
    harness.feed(create(started("9100")), create(result("9200")))
    harness.now += 60.0
    assert pages(harness.feed()) == []


def test_after_a_gap_and_a_restart_what_was_made_meanwhile_is_collected(journal: Journal) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    after_restart = online(journal, "9300", by_hand=True)
    by_hand_read(after_restart, result("9200"))
    assert len(imported(journal)) == 1
    switched_off = online(journal, "9300")
    assert journal.recall(BY_HAND) is None
    assert pages(switched_off.effects) == []


def test_equal_prompts_by_hand_and_by_file_are_not_swapped_where_ids_tell(journal: Journal) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("9100")), create(started("9101", nonce="nonce-1")))
    harness.feed(create(result("9200", uuid=UUID_B, reply_to="9100")))
    by_hand_read(harness, result("9200", uuid=UUID_B, reply_to="9100"))
    harness.feed(create(result("9201", uuid=UUID_A, reply_to="9101")))
    assert harness.job().job_uuid == UUID_A
    assert [job.job_uuid for job in imported(journal)] == [UUID_B]


@pytest.mark.parametrize("ours_first", [True, False])
def test_equal_prompts_that_no_id_tells_apart_are_left_to_a_person(
    journal: Journal, ours_first: bool
) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("9100")), create(started("9101", nonce="nonce-1")))
    first, second = result("9200", uuid=UUID_A), result("9201", uuid=UUID_B)
    ours, by_hand = (first, second) if ours_first else (second, first)
    harness.feed(create(first), create(second))
    harness.now += 3.0
    for request in pages(harness.feed()):
        harness.feed(ev.PageRead(BY_HAND, request.after, (first, second), complete=True))
    assert imported(journal) == []
    assert harness.job().result is None
    ask(journal.path, "dismiss", {"message": by_hand["id"]}, harness.now)
    harness.feed(ev.RequestsPending())
    ask(journal.path, "assign", {"jobs": {"job00001": 1}, "message": ours["id"]}, harness.now)
    harness.feed(ev.RequestsPending())
    by_hand_read(harness, first, second)
    own = harness.job().result
    assert own is not None
    assert own.message_id == ours["id"]
    found = [job.result.message_id for job in imported(journal) if job.result]
    assert found == [by_hand["id"]]


def test_what_is_unclear_is_looked_at_again_when_the_jobs_have_changed(journal: Journal) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    other = result("9150", "a blue dog", uuid=UUID_B)
    harness.feed(create(started("9101", nonce="nonce-1")), create(other))
    twin = result("9140", uuid="dddddddd-0000-4000-8000-00000000000d")
    by_hand_read(harness, twin, other)
    assert [job.job_uuid for job in imported(journal)] == [UUID_B]
    assert stored(journal, BY_HAND).after == "9139"
    harness.now += 600.0
    assert pages(harness.feed()) == []  # nothing has changed
    harness.feed(create(result("9201", uuid=UUID_A)))
    by_hand_read(harness, twin, other, result("9201", uuid=UUID_A))
    assert len(imported(journal)) == 2
    assert harness.job().job_uuid == UUID_A


def test_more_than_one_page_by_hand_is_read_to_the_end(journal: Journal) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    harness.feed(create(result("9200")))
    by_hand_read(harness, result("9200"), complete=False)
    harness.feed(ev.ForJob(imported(journal)[0].id, ev.Published("x")))
    by_hand_read(harness, complete=True)
    assert [effect.after for effect in pages(harness.effects)] == [NEWEST, NEWEST, "9200"]


def test_a_page_by_hand_that_could_not_be_read_is_read_again(journal: Journal) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    harness.feed(create(result("9200")))
    harness.now += 3.0
    assert len(pages(harness.feed())) == 1
    harness.feed(ev.PageReadFailed("no network"))
    by_hand_read(harness, result("9200"))
    assert len(imported(journal)) == 1


def test_what_is_unclear_on_an_earlier_page_is_kept_when_a_commit_fails(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = online(journal, by_hand=True)
    by_hand_read(harness)
    harness.drop("cat.txt", "a red cat\n")
    harness.accept_all()
    harness.feed(create(started("9101", nonce="nonce-1")), create(result("9300", "a blue dog", uuid=UUID_B)))
    by_hand_read(harness, result("9140", uuid=UUID_A), complete=False)
    harness.now += 3.0
    harness.feed()
    last = ev.PageRead(BY_HAND, "9140", (), complete=True)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "accept_imported", lambda *_: fail())
        with pytest.raises(JournalError):
            harness.engine._handle(last)
    harness.feed(last)
    assert stored(journal, BY_HAND).since == "9139"
