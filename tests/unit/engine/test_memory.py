"""The engine keeps nothing in memory of jobs that are closed, however many there were."""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.journal.writer import Journal
from mjwatch.midjourney.matching import foreign_jobs
from mjwatch.model import ButtonPress, Refusal, RefusalClass, State
from mjwatch.trouble import Trouble, TroubleKind
from tests.helpers.job_factory import RESULT
from tests.helpers.message_shapes import CHANNEL, create, message
from tests.unit.engine.test_loop import EngineHarness

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

WINDOWS, ROUNDS = 7, 20
"""What is kept of each round shows in each window; what is made once, such as a cache, in one of them."""
LEAST = ROUNDS
"""Blocks of memory that something kept of each round takes, or more: its key, its value."""
STOPPED = Refusal(RefusalClass.USER, "Job stopped", "", stopped=True)


def _round(harness: EngineHarness, number: int) -> None:
    """Let one job be done after its folder could not be written, and cancel one that runs."""
    done, cancelled = (f"job{2 * number + part:05}" for part in (1, 2))
    start, result = str(10_000 + number), replace(RESULT, message_id=str(20_000 + number), job_uuid=None)
    harness.drop(f"{done}.txt", f"cat {done}\n")
    harness.accept_all()
    harness.feed(ev.ForJob(done, ev.Started(start)), ev.ForJob(done, ev.Finished(result)))
    trouble = Trouble(TroubleKind.OUTBOX, f"mjwatch may not write to {done} in the outbox")
    harness.feed(ev.ForJob(done, ev.SaveFailed("no rights", trouble=trouble)))
    harness.now += 1_000
    harness.feed(ev.ForJob(done, ev.Published(done)))

    start = str(30_000 + number)
    harness.drop(f"{cancelled}.txt", f"cat {cancelled}\n")
    harness.accept_all()
    button = ButtonPress(start, f"MJ::CancelJob::ByJobid::aaaaaaaa-0000-4000-8000-{number:012}")
    harness.feed(ev.ForJob(cancelled, ev.Started(start)))
    harness.feed(ev.ForJob(cancelled, ev.Progressed(7, None, button)))
    harness.feed(ev.ForJob(cancelled, ev.CancelRequested()))
    request = harness.job(cancelled).cancel_request
    assert request is not None
    about = {"type": 19, "message_reference": {"channel_id": CHANNEL, "message_id": start}}
    harness.feed(create(message(str(40_000 + number), "", nonce=request.nonce, flags=192, **about)))
    harness.feed(ev.ForJob(cancelled, ev.CancelPressed(), harness.job(cancelled).nonce))
    harness.feed(ev.ForJob(cancelled, ev.Refused(STOPPED)))
    harness.feed(ev.ForJob(cancelled, ev.Published(cancelled, failed=True)))
    assert [harness.job(job).state for job in (done, cancelled)] == [State.DONE, State.CANCELLED]
    harness.effects.clear()


def _blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def test_of_closed_jobs_nothing_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "mjwatch")  # pytest keeps each record
    monkeypatch.setattr(foreign_jobs, "MAX_FOREIGN_JOBS", 10)
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        journal._db.execute("PRAGMA synchronous=OFF")
        harness = EngineHarness(journal)
        harness.online()
        kept, before = [], _blocks()
        for first in range(0, WINDOWS * ROUNDS, ROUNDS):
            for number in range(first, first + ROUNDS):
                _round(harness, number)
            kept.append(_blocks() - before)
            before = _blocks()
    assert min(kept) < LEAST, f"blocks kept of {ROUNDS} rounds each: {kept}"
