"""The state of the service as a whole: whether it may send, and what a person was notified of."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mjwatch import events as ev
from mjwatch.effects import Notification, SendNotification
from mjwatch.errors import JournalError
from mjwatch.host.log import LogOnce
from mjwatch.jobs.limits import Limits, probe_text
from mjwatch.jobs.status_text import IN_DOUBT, RESULT_HELD, resume_hint
from mjwatch.model import ENDED_BY_CONNECTING, Job, Pause, PauseKind, Refusal, RefusalClass, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mjwatch.jobs.limits import Wait
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel

log = logging.getLogger("mjwatch")

JOURNAL_RETRY_DELAY = 5.0
"""Seconds between two tries to commit when the journal can't be written."""

_WRITABLE_AGAIN = "the journal can be written again"
_PAUSE_KINDS = {RefusalClass.PLAN: PauseKind.PLAN, RefusalClass.CONFIG: PauseKind.CONFIG}
_BAD_TOKEN = 4004


@dataclass(frozen=True, slots=True)
class ConnectionTrouble:
    """Why Discord can't be used at the moment, and when it is tried again (seconds of a monotonic clock)."""

    reason: str
    next_try: float


@dataclass(frozen=True, slots=True)
class Notified:
    """What a person was notified of and still holds: why sending is paused, which attempts are in doubt.

    ``results``: the messages of results that wait for a person to say whose they are.
    """

    pause: str | None = None
    doubts: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()

    @classmethod
    def stored(cls, value: Any) -> Notified:
        """Return what ``to_store`` gave to the journal; nothing where it gave nothing."""
        if not value:
            return cls()
        return cls(value["pause"], frozenset(value["doubts"]), frozenset(value.get("results", ())))

    def to_store(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"pause": self.pause, "doubts": sorted(self.doubts), "results": sorted(self.results)}


class ServiceState:
    """The pause, the connection, the inbox's backlog, a failing journal, and the notifications.

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
        self._perform = perform
        self._clock = clock
        self._monotonic = monotonic

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
        self.inbox_trouble: str | None = None
        """Why nothing is taken from the inbox, if that is so."""
        self.inbox_done = False
        """Whether no more comes from the inbox before a person acts."""
        self._inbox_facts: dict[str, Any] | None = None

        self.failed_event: ev.LoopEvent | None = None
        """The event that waits for the journal, if it could not be handled."""
        self.turn_retry_at: float | None = None
        """When the loop's turn is tried again (``monotonic``), if it failed."""
        self._journal_error = ""
        self._log_once = LogOnce(monotonic)

        self._notified = Notified()
        self.may_notify = True
        """Whether ``notify`` may have something to do, also where no job is in doubt."""

    def load(self) -> None:
        """Start from what the journal keeps. A restart ends no pause and no limit."""
        self.is_session_stored = self._channel.stream.session_id is not None
        self.limits = Limits.load(self._journal.recall("limits"), self._monotonic(), self._clock())
        self.pause = self._journal.paused()
        if self.pause is not None:
            # A session that begins shows that the token is accepted again.
            self.needs_resume = self.pause.kind not in ENDED_BY_CONNECTING
            log.warning("still paused: %s; %s", self.pause.reason, resume_hint(self.pause))
        self._notified = Notified.stored(self._journal.recall("told"))
        # At a start there is no connection yet; clear what the last run stored.
        if any(self._journal.recall(key) is not None for key in ("trouble", "connected")):
            with suppress(JournalError):  # a full disk is no reason not to start: it is waited for
                self._journal.remember({"trouble": None, "connected": None})

    # ---- the pause

    def begin_pause(self, pause: Pause) -> None:
        """Send nothing from now on. A cause that comes on top of another does not replace it."""
        if self.pause is None:
            log.error("paused, nothing more is sent until a person has acted: %s", pause.reason)
            self._set_pause(pause)
        self.needs_resume = self.may_notify = True

    def pause_if_needed(self, refusal: Refusal | None) -> None:
        """Send nothing from now on if Discord or Midjourney refused something that only a person can fix."""
        if refusal is not None and refusal.needs_human:
            self.begin_pause(_pause_for(refusal))

    def pause_by_request(self, reason: str | None) -> Pause:
        """Return the pause that a person has asked for. It replaces the one before."""
        pause = Pause("paused by hand" + (f": {reason}" if reason else ""), PauseKind.PERSON)
        log.warning("%s; nothing more is sent until `mjwatch resume`", pause.reason)
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
        if self._rejection is None:
            log.info("resumed; it was paused: %s", self.pause.reason)
        self._set_pause(self._rejection)
        return self._rejection

    def has_queued(self) -> bool:
        """Return whether a prompt is queued that no file postpones."""
        return self._journal.any_queued(self._clock(), set())

    def _set_pause(self, pause: Pause | None) -> None:
        value = None if pause is None else {"reason": pause.reason, "kind": pause.kind}
        self._journal.remember({"paused": value})
        self.pause = pause
        self.needs_resume = pause is not None
        self.may_notify = True

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
                kind = PauseKind.TOKEN if event.code == _BAD_TOKEN else PauseKind.GATEWAY
                self._rejection = Pause(event.reason, kind)
                self.begin_pause(self._rejection)

    def _connected(self, now: float) -> None:
        self._journal.remember({"trouble": None, "connected": now})
        self.connection_trouble = None

    def _disconnected(self, trouble: ConnectionTrouble) -> None:
        self._journal.remember({"trouble": trouble.reason, "connected": None})
        self.connection_trouble = trouble
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
        self.inbox_trouble = event.trouble
        if event.trouble is None:
            self.inbox_waiting = event.waiting + event.in_flight
        self.inbox_done = self.inbox_waiting == 0 or self.inbox_trouble is not None
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

    @property
    def journal_trouble(self) -> str | None:
        """Why the journal can't be written, and what to do about it, if something waits for it."""
        return self._journal_error if self.journal_fails else None

    def journal_failed(self, error: JournalError) -> None:
        """Log it, but not every few seconds for as long as a disk is full."""
        self._journal_error = str(error)
        if self._log_once.is_due(str(error)):
            log.error(
                "%s; nothing is sent meanwhile, and it is tried every %.0f s", error, JOURNAL_RETRY_DELAY
            )

    def event_failed(self, event: ev.LoopEvent, error: JournalError) -> None:
        """Note that the event could not be handled; it is the next one again."""
        self.journal_failed(error)
        self.failed_event = event

    def event_handled(self) -> None:
        """Note that the event that had failed is handled."""
        self.failed_event = None
        self._journal_works()

    def turn_failed(self, error: JournalError) -> None:
        """Note that the loop's turn could not be finished."""
        self.journal_failed(error)
        self.turn_retry_at = self._monotonic() + JOURNAL_RETRY_DELAY

    def turn_done(self) -> None:
        """Note that the loop's turn that had failed is done."""
        self.turn_retry_at = None
        self._journal_works()

    def _journal_works(self) -> None:
        if self._log_once.is_due(_WRITABLE_AGAIN):
            log.info("%s", _WRITABLE_AGAIN)

    # ---- notifications

    def notify(self, jobs: Iterable[Job], now: float, results: Mapping[str, str]) -> None:
        """Notify a person once of each cause for which they are needed; also over restarts.

        What is sent stands in the journal before it is sent. ``results``: the links of the messages that wait
        for a person to say whose they are, by message id.
        """
        pause = self.pause if self.needs_resume else None
        notified, notifications = needs_person(
            self._notified, pause, jobs, self._channel.waits_for_person, now
        )
        news = [link for message_id, link in results.items() if message_id not in notified.results]
        notifications += [
            SendNotification(Notification.NEEDS_PERSON, now, RESULT_HELD.format(link=link)) for link in news
        ]
        notified = replace(notified, results=frozenset(results))
        if notified != self._notified:
            self._journal.remember({"told": notified.to_store()})
        self._notified = notified
        self.may_notify = bool(notified.doubts or notified.results)
        for notification in notifications:
            self._perform(notification)


def needs_person(
    notified: Notified, pause: Pause | None, jobs: Iterable[Job], waits: Callable[[Job], bool], now: float
) -> tuple[Notified, list[SendNotification]]:
    """Return the updated record of notifications, and those to send now.

    ``pause`` is one that lasts until a person acts; ``waits`` says whether a job in doubt does so too. A
    cause that has gone and comes again is a new one; a pause that a person asked for is no news to them.
    """
    notifications = []
    if pause is not None and pause.kind is not PauseKind.PERSON and pause.reason != notified.pause:
        notifications.append(SendNotification(Notification.NEEDS_PERSON, now, pause.reason))
    doubtful = {f"{job.id} {job.nonce}": job for job in jobs if job.state is State.IN_DOUBT}
    waiting = {attempt: job for attempt, job in doubtful.items() if waits(job)}
    for attempt, job in waiting.items():
        if attempt not in notified.doubts:
            notifications.append(SendNotification(Notification.NEEDS_PERSON, now, IN_DOUBT, job))
    # Don't notify again about a doubt that has not ended, also when it may settle itself for a while.
    doubts = frozenset(waiting) | (notified.doubts & frozenset(doubtful))
    reason = None if pause is None else pause.reason
    return replace(notified, pause=reason, doubts=doubts), notifications


def _log_wait(what: str, before: Wait | None, wait: Wait | None) -> None:
    if wait is not None and wait != before:
        log.warning("%s waits %.0f s: %s", what, wait.seconds, wait.reason)
    elif wait is None and before is not None:
        log.info("%s continues; it waited: %s", what, before.reason)


def _pause_for(refusal: Refusal) -> Pause:
    kind = PauseKind.ACCOUNT if refusal.kind is None else _PAUSE_KINDS.get(refusal.kind, PauseKind.ACCOUNT)
    return Pause(refusal.title or refusal.detail, PauseKind.TOKEN if refusal.token else kind)


def _inbox_facts(event: ev.InboxScanned) -> dict[str, Any]:
    """Return what the journal keeps of a scan: all but the number that changes with each file."""
    ignored = [{"path": _printable(file.path), "why": file.why} for file in event.ignored]
    return {"trouble": event.trouble, "counts": dict(event.counts), "some": ignored}


def _printable(path: str) -> str:
    """Return the path with bytes that are no UTF-8 written out."""
    return path.encode("utf-8", "backslashreplace").decode()
