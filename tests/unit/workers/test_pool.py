"""The threads that carry out effects hold nothing while they wait."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.workers.pool import WorkerPool
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    import pytest


class _Message(dict[str, Any]):
    """A message of the history; unlike a dict it can be watched."""


class _Sender:
    """Reads one message from the history."""

    def read(self, effect: ef.ReadHistory) -> ev.HistoryRead:
        return ev.HistoryRead((_Message(id="1"),), "1")

    def stop(self) -> None: ...


def test_what_was_read_is_freed_when_the_loop_has_handled_it(request: pytest.FixtureRequest) -> None:
    is_freed, watched = threading.Event(), []

    def put(event: ev.LoopEvent) -> None:
        assert isinstance(event, ev.HistoryRead)
        watched.append(weakref.ref(event.messages[0], lambda _: is_freed.set()))

    unused: Any = None
    pool = WorkerPool(
        put,
        sender=_Sender(),  # type: ignore[arg-type]
        collector=unused,
        subscribe=unused,
        probe=unused,
        remove_file=unused,
        defer_file=unused,
        notify=unused,
    )
    pool.start()
    request.addfinalizer(lambda: pool.stop(deadline(20.0)))
    pool.perform(ef.ReadHistory("0"))
    assert is_freed.wait(deadline(20.0))
    assert len(watched) == 1
