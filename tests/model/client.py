"""The real engine, channel and journal, without threads, sockets and clocks: effects wait for an answer."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

from mjwatch import effects as ef
from mjwatch import events as ev
from mjwatch.engine.loop import Engine
from mjwatch.engine.queue import EventQueue
from mjwatch.inbox.reading import read_settled
from mjwatch.jobs.pacing import Pace
from mjwatch.jobs.transitions import Timeouts
from mjwatch.midjourney.channel import Channel
from mjwatch.model import Job, References, State
from tests.helpers.message_shapes import CHANNEL, ME

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.journal.writer import Journal
    from tests.model.world import Session, World

PACE = Pace(max_in_flight=3, delay=0.0, jitter=0.0, max_per_day=0)
TABLES = ("meta", "attempts", "requests", "images", "jobs", "fairness_groups", "files")


class Faults(logging.Handler):
    """Collects what the loop logs instead of raising it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of an exception, and of an event that the table of states does not know."""
        if record.exc_info or "ignored" in record.msg:
            self.messages.append(self.format(record))


FAULTS = Faults()


def empty(journal: Journal) -> None:
    """Forget all, so that the next history begins with an empty journal: opening a new one takes longer."""
    for table in TABLES:
        journal._db.execute(f"DELETE FROM {table}")


class Client:
    """mjwatch beside a world: what it asks for waits in ``effects`` until the history answers it."""

    def __init__(self, journal: Journal, world: World) -> None:
        self.journal = journal
        self.world = world
        self.effects: list[ef.Effect] = []
        self.connected = False
        self.received = 0
        """The last seq that this process has received."""
        self._jobs: dict[str, Job] = {}
        self.by_hand: dict[str, Job] = {}
        """The jobs of what was made by hand, by the message with their result."""
        self.collects_after: int | None = None
        """The message after which all that is made by hand is collected."""
        self.on_by_hand: Callable[[Job], None] = lambda job: None
        self._names = itertools.count(1)
        self._sessions = itertools.count(1)
        self._mtime = itertools.count(1000)
        self.broken: str | None = None
        """What shows a fault: an event that could not be handled, or a picture at another job's prompt."""
        self.sent_in: dict[str, Session | None] = {}
        """By nonce: the session that lived when the attempt began."""
        self.reads_history = False
        """Whether a part of the history is being handled."""
        self.on_result: Callable[[Job], None] = lambda job: None
        self.start()

    def start(self) -> None:
        """Start the program, or start it again after it was killed."""
        self.effects = []
        self.connected = False
        self.channel = Channel(CHANNEL, self.journal.owner_of, quiet_time=60.0)
        self.queue = EventQueue(lambda: self.world.now)
        self.engine = Engine(
            self.journal,
            self.channel,
            self.queue,
            self._perform,
            pace=PACE,
            timeouts=Timeouts(),
            min_fast_hours=0.0,
            clock=lambda: self.world.now,
            monotonic=lambda: self.world.now,
            rng=lambda: 0.5,
            new_nonce=self.world.new_id,
            new_id=self._new_id,
            collect_by_hand=True,
        )
        self.engine.on_change = self._changed
        self.engine.load()
        state = self.channel.stream.resume_state()
        self.received = state.seq if state is not None else 0
        self.world.hears = self.hear
        self.turn()

    def _perform(self, effect: ef.Effect) -> None:
        if isinstance(effect, ef.Submit):
            self.sent_in[effect.job.nonce or ""] = self.world.session
        self.effects.append(effect)

    def _new_id(self) -> str:
        return f"job{next(self._names)}"

    def _changed(self, job: Job) -> None:
        if job.made_elsewhere and job.result is not None:
            self.by_hand[job.result.message_id] = job
            self.on_by_hand(job)
            return
        self._jobs[job.id] = job
        if job.state is State.COLLECTING:
            self.on_result(job)

    # ---- the loop

    def put(self, *events: ev.LoopEvent) -> None:
        """Let the loop handle these, with its turns before and after each."""
        for event in (*events, ev.StopRequested()):
            self.queue.put(event)
        self.engine.stopping = False
        self.engine.run()
        by_hand = self.engine.imports._by_hand
        if self.collects_after is None and by_hand is not None:
            self.collects_after = int(by_hand.since)
        if FAULTS.messages:
            self.broken, FAULTS.messages = self.broken or FAULTS.messages[0], []

    def turn(self) -> None:
        """Let the loop do what is due by now."""
        self.put()

    def next_time(self) -> float:
        """Return the seconds until the loop wants to act by itself."""
        return self.engine._wait()

    # ---- the gateway

    def hear(self) -> None:
        """Receive what the session has for us, if we are connected."""
        session = self.world.session
        while self.connected and session is not None and self.received < session.seq:
            self.received += 1
            name, data = session.log[self.received - 2]
            if name.startswith("MESSAGE_") and name != "MESSAGE_DELETE":
                self.world.note_given(data)
            if self.channel.tracker.wanted(name, data):
                self.put(ev.GatewayDispatch(name, data, self.received))

    def disconnect(self) -> None:
        self.connected = False
        self.put(ev.GatewayDown("cut", 1.0))

    def can_resume(self) -> bool:
        """Return whether the session that the journal or this process knows still lives."""
        known = self.channel.stream.resume_state()
        return (
            known is not None and self.world.session is not None and known.session_id == self.world.session.id
        )

    def resume(self) -> None:
        """Connect again to the living session: what was missed is replayed, then RESUMED comes."""
        session = self.world.session
        assert session is not None
        self.connected = True
        self.hear()
        session.log.append(("RESUMED", {}))
        self.received += 1
        self.put(ev.GatewayResumed(session.id, self.received))

    def identify(self) -> None:
        """Begin a new session; the old one is gone."""
        number = 1 if self.world.year.reuses_session_ids else next(self._sessions)
        name = f"session-{number}"
        self.world.new_session(name)
        self.connected = True
        self.received = 1
        url = "ws://127.0.0.1:1/"
        self.put(ev.GatewayReady(name, url, ME, "ada", frozenset(), frozenset(), 1))

    def history(self, read: ev.HistoryRead) -> None:
        """Handle a part of the channel's history."""
        self.reads_history = True
        self.put(read)
        self.reads_history = False

    # ---- what people do

    def drop(self, prompt: str) -> None:
        """A prompt file settles in the inbox."""
        mtime = next(self._mtime)
        data = prompt.encode()
        identity = (1, 2, len(data), mtime * 1_000_000_000, 5)
        self.put(read_settled(f"f{mtime}.txt", data, identity, References(), max_jobs=100))

    def retry(self, job: Job) -> None:
        self.put(ev.ForJob(job.id, ev.RetryRequested()))

    def cancel(self, job: Job) -> None:
        self.put(ev.ForJob(job.id, ev.CancelRequested()))

    def held(self) -> list[str]:
        """Return the messages of the results that wait for a person."""
        return [result.message_id for result in self.channel.results_for_person(self.engine._table.open)]

    def assign(self, job: Job, message_id: str) -> bool:
        """A person says whose a held result is. Return whether that was accepted."""
        done = self.engine._requests._results.assign(job, message_id, None).done
        self.turn()
        return done

    def dismiss(self, message_id: str) -> None:
        """A person says that a held result is nobody's."""
        self.engine._requests._results.dismiss(message_id)
        self.turn()

    # ---- what is asked for

    def take(self, kind: type[Any]) -> Any:
        """Take the first effect of this kind, or return None."""
        for position, effect in enumerate(self.effects):
            if isinstance(effect, kind):
                return self.effects.pop(position)
        return None

    def jobs(self) -> list[Job]:
        """Return all own jobs as they are."""
        return list(self._jobs.values())
