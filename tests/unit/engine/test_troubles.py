"""What is wrong is said with the same sentence everywhere, once, and its end is said, too."""

from __future__ import annotations

import errno
import json
import logging
import os
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.cli.status import status_fields
from mjwatch.errors import JournalError, OutboxError
from mjwatch.gallery.entry import status_script
from mjwatch.jobs.limits import Limits, SendingGate, Wait
from mjwatch.jobs.status_text import ServiceSummary, sentence
from mjwatch.journal.overview import overview
from mjwatch.journal.reader import JournalReader
from mjwatch.journal.writer import Journal
from mjwatch.model import LimitScope, Refusal, RefusalClass, State
from mjwatch.outbox.status_file import StatusFile, with_journal_trouble
from mjwatch.trouble import (
    Trouble,
    TroubleKind,
    download_trouble,
    inbox_trouble,
    outbox_trouble,
    trouble_facts,
    worst_first,
)
from mjwatch.workers.notifier import payload
from tests.helpers.job_factory import RESULT, made_job
from tests.unit.engine.test_loop import READY, EngineHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Act = Callable[[EngineHarness], object]

JOB = "7k3f9a2m"
CAPTCHA = Refusal(RefusalClass.ACCOUNT, None, "Discord wants a captcha solved", needs_human=True)
LIMITED = Refusal(RefusalClass.RETRY, None, "a rate limit", retry_after=600.0, scope=LimitScope.GLOBAL)
NO_JOURNAL = JournalError("the journal can't be used: database or disk is full", "make room on its disk")
OWNED = Trouble(TroubleKind.OWNER, 'the inbox /in now belongs to mjwatch on "attic"', "stop it there")
UNMOUNTED = OutboxError("the disk of the outbox, /out, is not mounted any more", "mount it again")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    """An engine that is connected, with one job whose pictures are to be saved."""
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        job = made_job(JOB, state=State.COLLECTING, result=RESULT)
        journal.accept(None, [(job, "a cat")], 1.0)
        harness = EngineHarness(journal)
        harness.engine.load()
        harness.feed(READY, ev.HistoryRead((), "500"), ev.InboxScanned(0))
        harness.effects.clear()
        yield harness


@dataclass(frozen=True)
class Case:
    """One trouble: what begins it, what ends it, and what is said."""

    kind: TroubleKind
    sentence: str
    begin: Act
    end: Act
    name: str = ""
    event: str | None = "trouble"
    level: int = logging.WARNING


def feed(*events: ev.LoopEvent, seconds: float = 0.0) -> Act:
    def act(harness: EngineHarness) -> None:
        harness.feed(*events)
        harness.now += seconds
        harness.feed(ev.InboxScanned(0, trouble=_scanned(events)))

    return act


def _scanned(events: tuple[ev.LoopEvent, ...]) -> Trouble | None:
    """Return the trouble of the last scan, so that the next one does not end it."""
    return next((event.trouble for event in events if isinstance(event, ev.InboxScanned)), None)


def not_saved(error: Exception | Trouble, seconds: float = 0.0) -> Act:
    trouble = error if isinstance(error, Trouble) else outbox_of(error)
    return feed(ev.ForJob(JOB, ev.SaveFailed("not saved", trouble=trouble)), seconds=seconds)


def outbox_of(error: Exception) -> Trouble:
    """Return the trouble as the collector finds it: with the system's error as the cause of another one."""
    if isinstance(error, OutboxError):
        return outbox_trouble(error, "/out", "/out/clients")
    try:
        raise OutboxError("cat can't be published") from error
    except OutboxError as raised:
        return outbox_trouble(raised, "/out", "/out/clients")


def system(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def journal_fails(harness: EngineHarness) -> None:
    def full(*_: object, **__: object) -> None:
        raise NO_JOURNAL

    harness.journal.remember = full  # type: ignore[method-assign]
    harness.feed(ev.GatewayResumed("session-1", 7))


def journal_works(harness: EngineHarness) -> None:
    del harness.journal.remember
    harness.now += 10.0
    harness.feed(ev.InboxScanned(0))


def outage(harness: EngineHarness) -> None:
    wait = Wait("one prompt after another fails: no answer", 60.0, harness.now + 60.0)
    harness.engine.service.keep_limits(Limits(SendingGate(wait=wait)))
    harness.feed(ev.InboxScanned(0))


def limited(harness: EngineHarness) -> None:
    harness.engine.service.refused(LIMITED)
    harness.feed(ev.InboxScanned(0))


def no_limits(harness: EngineHarness) -> None:
    harness.engine.service.keep_limits(Limits())
    harness.feed(ev.InboxScanned(0))


def paused_by_hand(harness: EngineHarness) -> None:
    harness.engine.service.pause_by_request("lunch")
    harness.feed(ev.InboxScanned(0))


def resumed(harness: EngineHarness) -> None:
    harness.engine.service.resume()
    harness.feed(ev.InboxScanned(0))


SAVED = feed(ev.ForJob(JOB, ev.Published("cat-7k3f9a2m")))
SCANNED = feed(ev.InboxScanned(0))
OUTBOX, LIMIT = TroubleKind.OUTBOX, TroubleKind.LIMIT

CASES = [
    Case(
        TroubleKind.JOURNAL,
        "the journal can't be used: database or disk is full; nothing is sent and no file is taken",
        journal_fails,
        journal_works,
        level=logging.ERROR,
    ),
    Case(
        TroubleKind.PAUSED,
        "sending is paused: Discord wants a captcha solved",
        feed(ev.HistoryReadFailed("refused", CAPTCHA)),
        resumed,
        event="needs_person",
        level=logging.ERROR,
    ),
    Case(TroubleKind.PAUSED, "paused by hand: lunch", paused_by_hand, resumed, "by hand", event=None),
    Case(
        TroubleKind.OWNER,
        OWNED.sentence,
        feed(ev.InboxScanned(0, trouble=OWNED)),
        SCANNED,
        level=logging.ERROR,
    ),
    Case(
        TroubleKind.INBOX,
        "the inbox /in can't be read, so nothing is taken: the folder is missing",
        feed(ev.InboxScanned(0, trouble=inbox_trouble("/in", system(errno.ENOENT)))),
        SCANNED,
        level=logging.ERROR,
    ),
    Case(
        OUTBOX,
        "the outbox /out can't be written: its disk has too little room left",
        not_saved(system(errno.ENOSPC)),
        SAVED,
        "full",
    ),
    Case(
        OUTBOX,
        "the outbox /out can't be written: its disk is read-only",
        not_saved(system(errno.EROFS)),
        SAVED,
        "read-only",
    ),
    Case(
        OUTBOX,
        "mjwatch may not write to /out/clients in the outbox",
        not_saved(system(errno.EACCES)),
        SAVED,
        "rights",
    ),
    Case(OUTBOX, UNMOUNTED.message, not_saved(UNMOUNTED), SAVED, "unmounted"),
    Case(
        OUTBOX,
        "the outbox /out can't be written: the folder is missing",
        feed(ev.OutboxTried("status.json", outbox_trouble(system(errno.ENOENT), "/out", "/out"))),
        feed(ev.OutboxTried("status.json")),
        "status.json",
    ),
    Case(
        TroubleKind.GATEWAY,
        "Discord can't be used: no network",
        feed(ev.GatewayDown("no network", 5.0), seconds=61.0),
        feed(READY),
    ),
    Case(
        LIMIT,
        "nothing is sent because of a limit: a rate limit",
        limited,
        feed(seconds=700.0),
        "sending",
    ),
    Case(
        LIMIT,
        "the channel's history is not read because of a limit: a rate limit",
        feed(ev.HistoryReadFailed("limited", replace(LIMITED, scope=LimitScope.ROUTE))),
        feed(seconds=700.0),
        "reading",
    ),
    Case(
        LIMIT,
        "only one prompt at a time is tried: one prompt after another fails: no answer",
        outage,
        no_limits,
        "outage",
    ),
    Case(
        TroubleKind.DOWNLOAD,
        "pictures can't be downloaded: HTTP 503",
        not_saved(download_trouble("HTTP 503"), seconds=61.0),
        SAVED,
    ),
    Case(
        TroubleKind.CLOCK,
        "this machine's clock is 2 hours ahead of Discord's",
        feed(ev.ClockCompared(7200.0)),
        feed(ev.ClockCompared(0.4)),
    ),
]


def test_every_kind_of_trouble_is_in_the_table() -> None:
    assert {case.kind for case in CASES} == set(TroubleKind)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind} {case.name}".strip())
def test_a_trouble_is_said_with_one_sentence_everywhere_and_its_end_too(
    harness: EngineHarness, tmp_path: Path, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    caplog.set_level(logging.INFO)
    case.begin(harness)
    harness.engine.service.report()  # once more, which reports nothing again
    (trouble,) = harness.engine.service.troubles.current
    assert (trouble.kind, trouble.sentence) == (case.kind, case.sentence)
    written = written_status(tmp_path, harness)
    for shown in displays(tmp_path, harness, written):
        assert case.sentence in shown
        assert trouble.remedy in shown
    logged = [record for record in caplog.records if case.sentence in record.message]
    assert [record.levelno for record in logged] == [case.level]
    assert hooks(harness) == ([] if case.event is None else [(case.event, case.sentence)])
    harness.effects.clear()
    caplog.clear()
    case.end(harness)
    assert harness.engine.service.troubles.current == ()
    logged = [record for record in caplog.records if case.sentence in record.message]
    assert [record.levelno for record in logged] == [logging.INFO]
    assert logged[0].message.startswith("resolved after ")
    assert hooks(harness) == ([] if case.event is None else [("resolved", case.sentence)])
    assert written_status(tmp_path, harness)["troubles"] == []


def summary_of(harness: EngineHarness, tmp_path: Path) -> dict[str, Any]:
    """Return what the service collects for its displays."""
    with closing(JournalReader(tmp_path / "journal.sqlite3")) as reader:
        facts = overview(reader, daemon=True, max_per_day=0, now=harness.now)
    return facts | trouble_facts(harness.engine.service.troubles.current)


def written_status(tmp_path: Path, harness: EngineHarness) -> dict[str, Any]:
    facts = summary_of(harness, tmp_path)
    file = StatusFile(tmp_path, lambda: facts, lambda: harness.now, interval=0.0)
    file.start()
    file.stop()
    found: dict[str, Any] = json.loads((tmp_path / "status.json").read_text())
    return found


def displays(tmp_path: Path, harness: EngineHarness, written: dict[str, Any]) -> Iterator[str]:
    """Yield what ``status``, the gallery's data, and systemd show, and the list in ``status.json``."""
    with closing(JournalReader(tmp_path / "journal.sqlite3")) as reader:
        facts = overview(reader, daemon=True, max_per_day=0, now=harness.now)
    facts |= with_journal_trouble(facts, written)  # `status` is another process
    more = {"died_at": None, "in_flight": 0, "max_in_flight": 3, "delay": 0, "jitter": 0, "inbox": "/in"}
    fields = status_fields(facts | more | {"waiting_in_inbox": 0, "outbox": "/out"})
    yield "\n".join(f"{name} {text}" if name == "paused" else text for name, text in fields)
    (listed,) = written["troubles"]
    assert written["trouble"] == listed["sentence"]
    yield f"{listed['sentence']}; {listed['remedy']}"
    yield status_script(written).decode().replace("\\u0027", "'").replace('\\"', '"')
    text = sentence(ServiceSummary(troubles=harness.engine.service.troubles.current))
    yield text if text.startswith("Discord") else text[0].lower() + text[1:]


def hooks(harness: EngineHarness) -> list[tuple[str, str]]:
    """Return the event and the reason of each notification about a trouble."""
    sent = [effect for effect in harness.effects if isinstance(effect, ef.SendNotification)]
    return [(payload(one)["event"], payload(one)["reason"]) for one in sent if one.trouble is not None]


# ---- once


def news(harness: EngineHarness) -> list[str]:
    return [event for event, _ in hooks(harness)]


FULL, WRITABLE = not_saved(system(errno.ENOSPC)), feed(ev.OutboxTried("status.json"))


def test_a_trouble_of_many_jobs_is_reported_once_and_ends_with_the_last(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        ids = [f"job{number:05}" for number in range(3)]
        for job_id in ids:
            journal.accept(None, [(made_job(job_id, state=State.COLLECTING, result=RESULT), job_id)], 1.0)
        harness = EngineHarness(journal)
        harness.engine.load()
        trouble = outbox_of(system(errno.ENOSPC))
        for job_id in ids * 2:
            harness.feed(ev.ForJob(job_id, ev.SaveFailed("no room", trouble=trouble)))
        assert news(harness) == ["trouble"]
        for job_id in ids[:2]:
            harness.feed(ev.ForJob(job_id, ev.Published(f"cat-{job_id}")))
        assert news(harness) == ["trouble"]
        harness.feed(ev.ForJob(ids[2], ev.Published(f"cat-{ids[2]}")))
        assert news(harness) == ["trouble", "resolved"]


def test_a_job_that_fails_for_good_leaves_no_trouble(harness: EngineHarness) -> None:
    not_saved(download_trouble("HTTP 404"))(harness)
    assert len(harness.engine.service.troubles.current) == 1
    harness.feed(ev.ForJob(JOB, ev.SaveFailed("HTTP 404", final=True, trouble=download_trouble("HTTP 404"))))
    assert list(harness.engine.service.troubles.current) == []


def test_what_passes_within_a_minute_is_shown_but_not_reported(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.feed(ev.GatewayDown("no network", 5.0))
    assert trouble_facts(harness.engine.service.troubles.current)["trouble"] is not None
    harness.now += 50.0
    harness.feed(READY)
    assert news(harness) == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_loop_wakes_up_to_report_what_has_lasted(harness: EngineHarness) -> None:
    harness.feed(ev.GatewayDown("no network", 5.0))
    assert harness.engine.service.troubles.next_time() == harness.now + 60.0
    harness.now += 60.0
    harness.feed()
    assert news(harness) == ["trouble"]


def test_another_cause_of_a_lost_connection_is_the_same_trouble(harness: EngineHarness) -> None:
    feed(ev.GatewayDown("no network", 5.0), seconds=61.0)(harness)
    harness.feed(ev.GatewayDown("the name is not known", 5.0))
    assert news(harness) == ["trouble"]
    (trouble,) = harness.engine.service.troubles.current
    assert trouble.sentence.endswith("the name is not known")
    assert trouble.since == harness.now - 61.0


def test_a_trouble_that_comes_and_goes_is_not_reported_each_time(harness: EngineHarness) -> None:
    full = feed(ev.OutboxTried("status.json", outbox_trouble(system(errno.ENOSPC), "/out", "/out")))
    for _ in range(20):
        full(harness)
        harness.now += 10.0
        WRITABLE(harness)
        harness.now += 10.0
    assert news(harness) == ["trouble", "resolved"]
    full(harness)
    harness.now += 61.0
    harness.feed()
    assert news(harness) == ["trouble", "resolved", "trouble"]


def test_after_a_restart_a_trouble_is_logged_but_not_notified_again(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    FULL(harness)
    began = harness.now
    again = EngineHarness(harness.journal, first_nonce=9, now=began + 100.0)
    again.engine.load()
    again.feed(READY)
    caplog.clear()
    FULL(again)
    (trouble,) = again.engine.service.troubles.current
    assert trouble.since == began
    assert news(again) == []
    assert caplog.text.count("its disk has too little room left") == 1
    SAVED(again)
    assert news(again) == ["resolved"]


def test_a_trouble_that_a_restart_has_ended_is_reported_as_resolved(harness: EngineHarness) -> None:
    FULL(harness)
    again = EngineHarness(harness.journal, first_nonce=9, now=harness.now + 100.0)
    again.engine.load()
    SAVED(again)
    assert news(again) == []  # it may still come
    assert again.engine.service.troubles.next_time() <= again.now + 60.0
    again.now += 60.0
    again.feed()
    assert news(again) == ["resolved"]
    again.feed()
    assert news(again) == ["resolved"]


def test_the_worst_trouble_is_the_first_and_each_is_in_the_list() -> None:
    kinds = [TroubleKind.CLOCK, TroubleKind.OUTBOX, TroubleKind.JOURNAL]
    troubles = worst_first([Trouble(kind, f"the {kind}", since=1.0) for kind in (*kinds, *kinds)])
    facts = trouble_facts(troubles)
    assert facts["trouble"] == "the journal"
    assert [trouble["kind"] for trouble in facts["troubles"]] == ["journal", "outbox", "clock"]
    assert sentence(ServiceSummary(troubles=troubles)) == "The journal; 2 more in `mjwatch status`."


def test_a_rejected_file_is_logged_with_its_name_and_the_reason(
    harness: EngineHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.drop("clients/cat.toml", "prompt = 3\n")
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "clients/cat.toml is rejected: " in record.message
