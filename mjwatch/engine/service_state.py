"""The state of the service as a whole: whether it may send, what is wrong, and what was reported of it."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.engine.notifications import PersonNotifications
from mjwatch.engine.troubles import Troubles
from mjwatch.errors import JournalError
from mjwatch.jobs.limits import Limits, probe_text
from mjwatch.jobs.status_text import clock as clock_text
from mjwatch.model import ENDED_BY_CONNECTING, Pause, PauseKind, RefusalClass, State
from mjwatch.trouble import (
    gateway_trouble,
    journal_trouble,
    limit_trouble,
    outage_trouble,
    pause_trouble,
    reading_trouble,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mjwatch.effects import SendNotification
    from mjwatch.jobs.limits import Wait
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel
    from mjwatch.model import Job, Refusal

log = logging.getLogger("mjwatch")

JOURNAL_RETRY_DELAY = 5.0
"""Seconds between two tries to commit when the journal can't be written."""

LONG_WAIT = 300.0
"""Seconds from which on a limit is a trouble."""

_PAUSE_KINDS = {RefusalClass.PLAN: PauseKind.PLAN, RefusalClass.CONFIG: PauseKind.CONFIG}
_BAD_TOKEN = 4004


@dataclass(frozen=True, slots=True)
class ConnectionTrouble:
    """Why Discord can't be used at the moment, and when it is tried again (seconds of a monotonic clock)."""

    reason: str
    next_try: float


class ServiceState:
    """The pause, the limits, the connection, the inbox's backlog, a failing journal, and all troubles.

    Plain attributes say what holds now; methods change it, and raise JournalError where the journal can't
    keep the change. Only the loop's thread calls them.
    """

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        perform: Callable[[SendNotification], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._channel = channel
        self._clock = clock
        self._monotonic = monotonic

        self.troubles = Troubles(journal, perform, clock, monotonic)
        """What is wrong; who finds something else than this class notes it there, too."""
        self.notifications = PersonNotifications(journal, channel, perform)

        self.pause: Pause | None = None
        """Why nothing is sent, if that is so: kept in the journal."""
        self.needs_resume = False
        """Whether the pause lasts until a person acts; after a start the gateway may show that it is over."""
        self._rejection: Pause | None = None

        self.limits = Limits()
        """How rate limits and failures in a row limit what is sent and read: kept in the journal."""
        self.on_sending_wait: Callable[[Wait], None] = lambda wait: None
        """Called at the beginning of each wait that holds all prompts."""

        self.is_session_stored = False
        """Whether a later start may resume a session. No new one begins before the loss of the last one is
        stored: it may have the same id, and a resumed session's silence proves that a POST did not run."""
        self.connection_trouble: ConnectionTrouble | None = None
        self.on_connection_trouble: Callable[[ConnectionTrouble], None] = lambda trouble: None
        """Called at each failed try to use Discord."""

        self.inbox_waiting: int | None = None
        """Prompt files that have not settled, or are not dealt with yet; None before the first scan."""
        self.inbox_is_closed = False
        """Whether nothing is taken from the inbox."""
        self.inbox_done = False
        """Whether no more comes from the inbox before a person acts."""
        self._inbox_facts: dict[str, Any] | None = None

        self.failed_event: ev.LoopEvent | None = None
        """The event that waits for the journal, if it could not be handled."""
        self.turn_retry_at: float | None = None
        """When the loop's turn is tried again (``monotonic``), if it failed."""

    def load(self) -> None:
        """Start from what the journal keeps. A restart ends no pause and no limit."""
        self.is_session_stored = self._channel.stream.session_id is not None
        self.limits = Limits.load(self._journal.recall("limits"), self._monotonic(), self._clock())
        self.troubles.load()
        self.notifications.load()
        self.pause = self._journal.paused()
        if self.pause is not None:
            # A session that begins shows that the token is accepted again.
            self.needs_resume = self.pause.kind not in ENDED_BY_CONNECTING
            self.troubles.note("pause", pause_trouble(self.pause))
        # At a start there is no connection yet; clear what the last run stored.
        if any(self._journal.recall(key) is not None for key in ("trouble", "connected")):
            with suppress(JournalError):  # a full disk is no reason not to start: it is waited for
                self._journal.remember({"trouble": None, "connected": None})

    # ---- the pause

    def begin_pause(self, pause: Pause) -> None:
        """Send nothing from now on. A cause that comes on top of another does not replace it."""
        if self.pause is None:
            self._set_pause(pause)
        self.needs_resume = self.notifications.may_notify = True

    def pause_if_needed(self, refusal: Refusal | None) -> None:
        """Send nothing from now on if Discord or Midjourney refused something that only a person can fix."""
        if refusal is not None and refusal.needs_human:
            self.begin_pause(_pause_for(refusal))

    def pause_by_request(self, reason: str | None) -> Pause:
        """Return the pause that a person has asked for. It replaces the one before."""
        pause = Pause("paused by hand" + (f": {reason}" if reason else ""), PauseKind.PERSON)
        self._set_pause(pause)
        return pause

    def resume(self) -> Pause | None:
        """End the pause because a person says that its cause is fixed.

        Return what prevents that: where the gateway has rejected the account, only a new start can help.
        Prompts that fail one after another are tried again at once.
        """
        if self.limits.sending.is_open:
            sending = self.limits.sending.probed_now(self._monotonic())
            self.keep_limits(replace(self.limits, sending=sending))
        if self.pause is None:
            return None
        self._set_pause(self._rejection)
        return self._rejection

    def has_queued(self) -> bool:
        """Return whether a prompt is queued that no file postpones."""
        return self._journal.any_queued(self._clock(), set())

    def _set_pause(self, pause: Pause | None) -> None:
        value = None if pause is None else {"reason": pause.reason, "kind": pause.kind}
        self._journal.remember({"paused": value})
        self.pause = pause
        self.troubles.note("pause", None if pause is None else pause_trouble(pause))
        self.needs_resume = pause is not None
        self.notifications.may_notify = True

    # ---- limits: they belong to the account, and end by themselves

    def refused(self, refusal: Refusal) -> None:
        """Note a refusal of the bot that is about no known job."""
        self.pause_if_needed(refusal)
        if refusal.scope is not None:
            sending = self.limits.sending.limited(refusal, self._monotonic())
            self.keep_limits(replace(self.limits, sending=sending))

    def limits_to_store(self, limits: Limits) -> dict[str, Any]:
        """Return for the journal these limits, if they are new; call ``set_limits`` once it has them."""
        return {} if limits == self.limits else {"limits": limits.to_store(self._monotonic(), self._clock())}

    def set_limits(self, limits: Limits) -> None:
        """Take over limits that the journal has, and log where a wait begins or ends."""
        _log_wait("sending", self.limits.sending.wait, limits.sending.wait)
        _log_wait("reading the channel", self.limits.reading, limits.reading)
        wait = limits.sending.wait
        if wait is not None and wait != self.limits.sending.wait:
            self.on_sending_wait(wait)
        probe = limits.sending.probe
        if probe is not None and probe != self.limits.sending.probe:
            log.info("%s", probe_text(probe), extra={"job": probe})
        self.limits = limits

    def _note_long_waits(self) -> None:
        """Note the waits that keep jobs waiting for long; shorter ones are a part of normal work."""
        sending, reading, now = self.limits.sending, self.limits.reading, self._monotonic()
        for source, wait, trouble_of in (
            ("sending", sending.wait, outage_trouble if sending.is_open else limit_trouble),
            ("reading", reading, reading_trouble),
        ):
            is_long = wait is not None and (
                wait.scope is None or (wait.seconds >= LONG_WAIT and wait.until > now)
            )
            self.troubles.note(
                source, trouble_of(wait.reason, self._end_of(wait)) if wait and is_long else None
            )

    def _end_of(self, wait: Wait) -> str:
        now = self._clock()
        return clock_text(now + wait.until - self._monotonic(), now)

    def keep_limits(self, limits: Limits) -> None:
        """Take over limits that come without a step of a job, and store them."""
        if facts := self.limits_to_store(limits):
            self._journal.remember(facts)
        self.set_limits(limits)

    def store_limits(self) -> None:
        """Store the limits once more: the clock was set, and they are stored with their ends on it."""
        self._journal.remember({"limits": self.limits.to_store(self._monotonic(), self._clock())})

    def sending_wait(self) -> float:
        """Return for how many seconds no prompt may be sent."""
        wait = self.limits.sending.wait
        return 0.0 if wait is None else max(0.0, wait.until - self._monotonic())

    def reading_wait(self) -> float:
        """Return for how many seconds nothing may be read from Discord's API; any thread may call this."""
        wait = self.limits.reading
        return 0.0 if wait is None else max(0.0, wait.until - self._monotonic())

    # ---- the connection

    def connection_changed(
        self, event: ev.GatewayReady | ev.GatewayResumed | ev.GatewayDown | ev.GatewayRejected, now: float
    ) -> None:
        """Note that the session is up, that the connection is lost, or that the account is rejected."""
        match event:
            case ev.GatewayReady():
                self._channel.ready(event, self._monotonic())
                self.is_session_stored = True
                self._connected(now)
                self.store_position()
                log.info("gateway: ready as %s", event.user_name)
                self._end_pause_by_connecting()
                if event.required_action:
                    reason = f"Discord wants something of the account: {event.required_action}"
                    self.begin_pause(Pause(reason, PauseKind.ACCOUNT))
            case ev.GatewayResumed():
                self._channel.stream.resumed(event, self._monotonic())
                self._connected(now)
                log.info("gateway: session resumed")
                self._end_pause_by_connecting()
            case ev.GatewayDown():
                self._channel.lost(session_lost=event.session_lost)
                if event.session_lost:
                    self.store_position()  # the next session may have the same id: no start may resume it
                self._disconnected(ConnectionTrouble(event.reason, self._monotonic() + event.retry_in))
            case ev.GatewayRejected():
                self._channel.lost()
                self._disconnected(ConnectionTrouble(event.reason, math.inf))
                self.troubles.note("gateway", None)  # the pause says it
                kind = PauseKind.TOKEN if event.code == _BAD_TOKEN else PauseKind.GATEWAY
                self._rejection = Pause(event.reason, kind)
                self.begin_pause(self._rejection)

    def _connected(self, now: float) -> None:
        self._journal.remember({"trouble": None, "connected": now})
        self.connection_trouble = None
        self.troubles.note("gateway", None)

    def _disconnected(self, trouble: ConnectionTrouble) -> None:
        self._journal.remember({"trouble": trouble.reason, "connected": None})
        self.connection_trouble = trouble
        self.troubles.note("gateway", gateway_trouble(trouble.reason))
        self.on_connection_trouble(trouble)

    def _end_pause_by_connecting(self) -> None:
        """End a pause whose cause was that the gateway did not accept the token."""
        self._rejection = None
        if self.pause is not None and self.pause.kind in ENDED_BY_CONNECTING:
            log.info("resumed: Discord accepts the token again; it was paused: %s", self.pause.reason)
            self._set_pause(None)

    def history_failed(self, event: ev.HistoryReadFailed) -> None:
        """Note that the channel's history could not be read."""
        self.pause_if_needed(event.refusal)
        monotonic = self._monotonic()
        if event.refusal is not None and event.refusal.scope is not None:
            self.keep_limits(self.limits.reading_limited(event.refusal, monotonic))
            self._channel.stream.history_postponed(monotonic)
            return
        wait = self._channel.history_failed(monotonic)
        log.warning("the channel's history can't be read: %s; again in %.0f s", event.reason, wait)

    def store_position(self) -> None:
        """Have the journal know from where a later start must read."""
        self._journal.remember(self._channel.position())
        self._channel.position_stored()
        self.is_session_stored = self._channel.stream.session_id is not None

    # ---- the inbox

    def inbox_scanned(self, event: ev.InboxScanned) -> None:
        """Note what a scan has found; the journal keeps it for those who ask."""
        self.troubles.note("inbox", event.trouble)
        self.inbox_is_closed = event.trouble is not None
        if event.trouble is None:
            self.inbox_waiting = event.waiting + event.in_flight
        self.inbox_done = self.inbox_waiting == 0 or self.inbox_is_closed
        if self._inbox_facts is None:
            self._inbox_facts = self._journal.recall("inbox") or _inbox_facts(ev.InboxScanned(0))
        facts = _inbox_facts(event)
        if facts != self._inbox_facts:
            self._journal.remember({"inbox": facts})
            self._inbox_facts = facts

    # ---- a journal that can't commit, as on a full disk: what failed is done once more after a while

    @property
    def journal_fails(self) -> bool:
        """Whether something waits until the journal can be written."""
        return self.failed_event is not None or self.turn_retry_at is not None

    def journal_failed(self, error: JournalError) -> None:
        """Note that the journal could not be read or written."""
        self.troubles.note("journal", journal_trouble(error))

    def event_failed(self, event: ev.LoopEvent, error: JournalError) -> None:
        """Note that the event could not be handled; it is the next one again."""
        self.journal_failed(error)
        self.failed_event = event

    def event_handled(self) -> None:
        """Note that the event that had failed is handled."""
        self.failed_event = None

    def turn_failed(self, error: JournalError) -> None:
        """Note that the loop's turn could not be finished."""
        self.journal_failed(error)
        self.turn_retry_at = self._monotonic() + JOURNAL_RETRY_DELAY

    def turn_done(self) -> None:
        """Note that the loop's turn that had failed is done."""
        self.turn_retry_at = None

    # ---- what is said of all this

    def notify_person(self, jobs: Mapping[str, Job]) -> None:
        """Notify a person of what they are needed for; ``jobs``: the open jobs."""
        doubtful = [job for job in jobs.values() if job.state is State.IN_DOUBT]
        held = self._channel.results_for_person(jobs)
        if not doubtful and not held and not self.notifications.may_notify:
            return
        pause = self.pause if self.needs_resume else None
        links = {result.message_id: result.link for result in held}
        try:
            self.notifications.notify(pause, doubtful, links, self._clock())
        except JournalError as error:
            self.journal_failed(error)

    def report(self) -> None:
        """Report the troubles that have begun or ended: log, hooks, journal."""
        self._note_long_waits()
        self.troubles.report(journal_fails=self.journal_fails)


def _log_wait(what: str, before: Wait | None, wait: Wait | None) -> None:
    if wait is not None and wait != before:
        log.info("%s waits %.0f s: %s", what, wait.seconds, wait.reason)
    elif wait is None and before is not None:
        log.info("%s continues; it waited: %s", what, before.reason)


def _pause_for(refusal: Refusal) -> Pause:
    kind = PauseKind.ACCOUNT if refusal.kind is None else _PAUSE_KINDS.get(refusal.kind, PauseKind.ACCOUNT)
    return Pause(refusal.title or refusal.detail, PauseKind.TOKEN if refusal.token else kind)


def _inbox_facts(event: ev.InboxScanned) -> dict[str, Any]:
    """Return what the journal keeps of a scan: all but the number that changes with each file."""
    ignored = [{"path": _printable(file.path), "why": file.why} for file in event.ignored]
    return {"counts": dict(event.counts), "some": ignored}


def _printable(path: str) -> str:
    """Return the path with bytes that are no UTF-8 written out."""
    return path.encode("utf-8", "backslashreplace").decode()
