"""The gateway protocol of a user session: what to answer, when, and what a close means.

It has no I/O: no socket, no thread, no clock. A connection reports to the session and asks it what to do::

    connected(now)                   a WebSocket to url() is open
    receive(payload, now)            a gateway message has arrived
    tick(now)                        next_deadline() has passed (more calls do no harm)
    closed(code, now)                the connection ended; returns when to reconnect, or why not
    -> events_received()             events for the rest of the program
    -> payloads_to_send()            what to send now
    -> close_wanted                  why to close this connection, with a code that keeps the session

Sources: discord-api-docs "Gateway" for the life of a connection, discord-userdoccers for user sessions.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from mjwatch.discord import payloads
from mjwatch.discord.allowed_hosts import host_of, token_may_go_to
from mjwatch.discord.payloads import Payload, ResumeState
from mjwatch.discord.protocol import (
    API_VERSION,
    CloseCode,
    CloseVerdict,
    Opcode,
    close_verdict,
    describe_close,
)
from mjwatch.discord.timing import LEAST_WAIT, Backoff, GiveUp, Heartbeat, Reconnect, SendBudget
from mjwatch.errors import ConfigError
from mjwatch.events import (
    GatewayAlive,
    GatewayDispatch,
    GatewayDown,
    GatewayEvent,
    GatewayReady,
    GatewayRejected,
    GatewayResumed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GATEWAY_URL = "wss://gateway.discord.gg"

RESUMABLE_CLOSE: Final = CloseCode.UNKNOWN_ERROR
"""4000, the code for our own closes: after a 1000 or 1001 from the client the session is gone."""

BEGIN_TIMEOUT = 60.0
"""Seconds for HELLO, and then for each step up to READY or RESUMED."""
IDENTIFY_INTERVAL = 5.0
"""Seconds between two IDENTIFYs; an earlier one is answered by op 9 (discord-api-docs, max_concurrency)."""
LARGEST_SEQ = 2**53
"""No session has so many dispatches; a longer number would not fit into our payloads."""
CLOSES_FOR_HINT = 3
BAD_TOKEN_HINT = (
    "the gateway closes each new session with 4000; the token is a likely cause, check it with"
    " `mjwatch check`"
)
TRIES_AT_RESUME_URL = 3
"""Connections that end before HELLO, after which the base URL is used: the named node may be gone."""

TRIES_AT_MESSAGE = 3
"""Connections that end at the same message, after which the session is given up: first it may be the wire."""


class Phase(Enum):
    """The state of a connection."""

    OFFLINE = "offline"
    AWAITING_HELLO = "awaiting hello"
    IDENTIFYING = "identifying"
    RESUMING = "resuming"
    UP = "up"


class GatewaySession:
    """One user session over any number of connections. It is not thread-safe; one thread uses it.

    ``wanted(name, data)`` selects the dispatches that become events; the others are only counted.
    ``allowed(url)`` returns whether the token may be sent to a URL that the gateway names. ``random()``
    returns numbers in [0, 1). All times are seconds of one monotonic clock. Raise ConfigError if
    ``gateway_url`` itself is not allowed.
    """

    def __init__(
        self,
        token: str,
        *,
        random: Callable[[], float],
        gateway_url: str = GATEWAY_URL,
        properties: Mapping[str, str] | None = None,
        resume: ResumeState | None = None,
        wanted: Callable[[str, Mapping[str, Any]], bool] = lambda _name, _data: True,
        allowed: Callable[[str], bool] = token_may_go_to,
    ) -> None:
        if not allowed(gateway_url):
            raise ConfigError(
                f"the token may not be sent to {host_of(gateway_url)}",
                "add the host to [discord] allow_hosts if it is really yours",
            )
        self._token = token
        self._random = random
        self._gateway_url = gateway_url
        self._properties = payloads.client_properties() if properties is None else dict(properties)
        self._wanted = wanted
        self._allowed = allowed
        self._subscriptions: dict[str, str] = {}

        self._resume = resume
        self._seq = resume.seq if resume else None
        self._backoff = Backoff(random)
        self._identified_at: float | None = None
        self._wait_at_least = 0.0
        self._losses_before_hello = 0
        self._closed_identifies = 0
        self._unreadable: tuple[int | None, int] = None, 0  # after which dispatch, and how many times
        self.ignored = 0
        """The number of unwanted dispatches."""

        self._events: list[GatewayEvent] = []
        self._reset_connection()

    def __repr__(self) -> str:
        """Return a status line without the token."""
        state = self._resume
        about = f"{state.session_id} seq {state.seq}" if state else "no session"
        return f"<GatewaySession {self.phase.value}, {about}>"

    def _reset_connection(self) -> None:
        """Reset everything that belongs to one connection only."""
        self.phase = Phase.OFFLINE
        self.close_wanted: str | None = None
        self._heartbeat: Heartbeat | None = None
        self._budget = SendBudget()
        self._outgoing: deque[Payload] = deque()
        self._begin_deadline: float | None = None
        self._up_since: float | None = None
        self._now = 0.0

    @property
    def resume_state(self) -> ResumeState | None:
        """What resumes this session. Its ``seq`` counts every received dispatch, handled or not."""
        return self._resume

    def url(self) -> str:
        """Return the URL to connect to next: that of the session's node, or the configured gateway."""
        base = self._gateway_url
        state = self._resume
        if (
            state
            and self._losses_before_hello < TRIES_AT_RESUME_URL
            and self._allowed(state.resume_gateway_url)
        ):
            base = state.resume_gateway_url
        return f"{base.partition('?')[0].rstrip('/')}/?v={API_VERSION}&encoding=json&compress=zlib-stream"

    def subscribe(self, guild_id: str, channel_id: str) -> None:
        """Ask for the messages of this channel, now if the session is up, and after each new IDENTIFY."""
        payloads.encode(payloads.guild_subscription(guild_id, channel_id))
        self._subscriptions[guild_id] = channel_id
        if self.phase is Phase.UP:
            self._outgoing.append(payloads.guild_subscription(guild_id, channel_id))

    def probe(self) -> None:
        """Ask for a sign of life now. GatewayAlive arrives after everything that the gateway sent before."""
        if self.phase is Phase.UP and self._heartbeat:
            self._heartbeat.probe()

    def connected(self, now: float) -> None:
        """Note that a WebSocket is open; HELLO comes next."""
        self._reset_connection()
        self._now = now
        self.phase = Phase.AWAITING_HELLO
        self._begin_deadline = now + BEGIN_TIMEOUT

    def receive(self, payload: Mapping[str, Any], now: float) -> None:
        """Handle one decoded gateway message. Unknown ops and names are ignored."""
        self._now = now
        op, data = payload.get("op"), payload.get("d")
        if op == Opcode.DISPATCH:
            self._on_dispatch(payload.get("t"), data, payload.get("s"))
        elif op == Opcode.HELLO:
            self._on_hello(data)
        elif op in (Opcode.HEARTBEAT, Opcode.HEARTBEAT_ACK):
            self._on_heartbeat(op)
        elif op == Opcode.RECONNECT:
            self.close_wanted = "the gateway asks to reconnect"
        elif op == Opcode.INVALID_SESSION:
            self._on_invalid_session(resumable=data is True)

    def tick(self, now: float) -> None:
        """Note that time has passed, and notice a silent gateway."""
        self._now = now
        if self._begin_deadline is not None and now >= self._begin_deadline:
            missing = "send HELLO" if self.phase is Phase.AWAITING_HELLO else "begin the session"
            self.close_wanted = f"the gateway did not {missing}"
        elif self._heartbeat and self._heartbeat.is_dead(now):
            self.close_wanted = "the gateway no longer answers heartbeats"

    def next_deadline(self) -> float | None:
        """Return when ``tick`` and ``payloads_to_send`` must be called next; None: when something arrives."""
        deadlines = []
        if self._begin_deadline is not None:
            deadlines.append(self._begin_deadline)
        if self._heartbeat:
            may_beat = self._budget.allows(self._now, heartbeat=True)
            deadlines.append(
                self._heartbeat.due if may_beat else max(self._heartbeat.due, self._budget.free_at())
            )
        if self._outgoing and not self._budget.allows(self._now):
            deadlines.append(self._budget.free_at())
        return min(deadlines, default=None)

    def events_received(self) -> list[GatewayEvent]:
        """Return the events since the last call, in order."""
        events, self._events = self._events, []
        return events

    def payloads_to_send(self) -> list[Payload]:
        """Return what to send at the time of the last call: a due heartbeat, then what the budget allows."""
        if self.close_wanted or self.phase is Phase.OFFLINE:
            return []
        ready = self._due_heartbeat()
        while self._outgoing and self._budget.allows(self._now):
            self._budget.spend(self._now)
            ready.append(self._outgoing.popleft())
        return ready

    def closed(
        self,
        code: int | None,
        now: float,
        *,
        reason: str = "",
        wait: float = 0.0,
        is_unreadable: bool = False,
    ) -> Reconnect | GiveUp:
        """Note that the connection ended or failed. Return what to do; an event says the same.

        ``code`` is that of the gateway's close frame, or None if there was none. ``reason`` replaces the
        description of the code. ``wait`` is the least delay in seconds. ``is_unreadable``: we ended it, for a
        message that can't be read; a resumed session may bring that message again.
        """
        reason = reason or self._repeated_close(code) or self.close_wanted or describe_close(code)
        verdict = CloseVerdict.RESUME if self.close_wanted else close_verdict(code)
        if is_unreadable and self.phase in {Phase.RESUMING, Phase.UP} and self._is_stuck():
            verdict = CloseVerdict.IDENTIFY
        reached = self._note_loss(now)
        if verdict is CloseVerdict.STOP:
            self._events.append(GatewayRejected(reason, code))
            return GiveUp(reason, code)
        if verdict in (CloseVerdict.IDENTIFY, CloseVerdict.WAIT_AND_IDENTIFY):
            self._forget_session()
        delay = max(
            self._backoff.next_delay(reached=reached), wait, self._wait_at_least, LEAST_WAIT.get(verdict, 0.0)
        )
        delay = max(delay, self._until_identify_allowed(now))
        self._wait_at_least = 0.0
        self._events.append(GatewayDown(reason, delay, session_lost=self._resume is None))
        return Reconnect(delay, reason)

    def _is_stuck(self) -> bool:
        """Return whether several connections in a row ended here, so that to resume leads nowhere."""
        seq, losses = self._unreadable
        self._unreadable = self._seq, losses + 1 if seq == self._seq else 1
        return self._unreadable[1] >= TRIES_AT_MESSAGE

    def _repeated_close(self, code: int | None) -> str | None:
        """Return what several closes right after IDENTIFY mean; None for another close, or for a few."""
        if code != CloseCode.UNKNOWN_ERROR or self.phase is not Phase.IDENTIFYING:
            return None
        self._closed_identifies += 1
        return BAD_TOKEN_HINT if self._closed_identifies >= CLOSES_FOR_HINT else None

    def _note_loss(self, now: float) -> bool:
        """Keep what the next connection needs to know; return whether HELLO had arrived."""
        if self._up_since is not None:
            self._backoff.was_up_for(now - self._up_since)
        had_hello = self._heartbeat is not None
        self._losses_before_hello = 0 if had_hello else self._losses_before_hello + 1
        self._reset_connection()
        return had_hello

    def _until_identify_allowed(self, now: float) -> float:
        if self._resume is not None or self._identified_at is None:
            return 0.0
        return self._identified_at + IDENTIFY_INTERVAL - now

    def _on_hello(self, data: object) -> None:
        interval = data.get("heartbeat_interval") if isinstance(data, dict) else None
        self._heartbeat = Heartbeat(interval, self._now, self._random())
        if self.phase is not Phase.AWAITING_HELLO:
            return
        self._begin_deadline = self._now + BEGIN_TIMEOUT
        if self._resume:
            self.phase = Phase.RESUMING
            self._outgoing.append(payloads.resume(self._token, self._resume))
        else:
            self.phase = Phase.IDENTIFYING
            self._identified_at = self._now
            self._outgoing.append(payloads.identify(self._token, self._properties))

    def _on_heartbeat(self, op: object) -> None:
        beat = self._heartbeat
        if beat is None:
            return
        if op == Opcode.HEARTBEAT:
            beat.is_requested = True
        elif beat.acknowledged() and self._resume and self.phase is Phase.UP:
            self._events.append(GatewayAlive(self._resume.session_id))

    def _on_invalid_session(self, *, resumable: bool) -> None:
        """Handle op 9. Other clients wait 1-5 s before the next try; after IDENTIFY it means "too fast"."""
        self._wait_at_least = 1.0 + 4.0 * self._random()
        if self.phase is Phase.IDENTIFYING:
            self._wait_at_least += IDENTIFY_INTERVAL
        if not resumable:
            self._forget_session()
        self.close_wanted = "the gateway says that the session is " + (
            "interrupted" if resumable else "invalid"
        )

    def _on_dispatch(self, name: object, data: object, seq: object) -> None:
        self._note_seq(seq)
        if self._begin_deadline is not None:
            self._begin_deadline = self._now + BEGIN_TIMEOUT
        if name == "READY":
            self._on_ready(data if isinstance(data, dict) else {}, seq)
        elif name == "RESUMED":
            self._on_resumed()
        elif isinstance(name, str) and isinstance(data, dict) and self._wanted(name, data):
            self._events.append(GatewayDispatch(name, data, self._seq or 0))
        else:
            self.ignored += 1

    def _note_seq(self, seq: object) -> None:
        if not isinstance(seq, int) or isinstance(seq, bool) or not (self._seq or 0) < seq <= LARGEST_SEQ:
            return
        self._seq = seq
        if self._resume:
            self._resume = ResumeState(self._resume.session_id, seq, self._resume.resume_gateway_url)

    def _on_ready(self, data: Mapping[str, Any], seq: object) -> None:
        """Begin a new session, whatever its id says: its dispatches are counted from this one."""
        self._forget_session()
        self._note_seq(seq)
        ready = payloads.read_ready(data)
        if ready is None:
            self.close_wanted = "the gateway's READY has no session id"
            return
        self._resume = ResumeState(ready.session_id, self._seq or 0, ready.resume_gateway_url)
        self._come_up()
        for guild_id, channel_id in self._subscriptions.items():
            self._outgoing.append(payloads.guild_subscription(guild_id, channel_id))
        self._events.append(
            GatewayReady(
                session_id=ready.session_id,
                resume_gateway_url=ready.resume_gateway_url,
                user_id=ready.user_id,
                user_name=ready.user_name,
                guild_ids=ready.guild_ids,
                private_channel_ids=ready.private_channel_ids,
                seq=self._resume.seq,
                required_action=ready.required_action,
            )
        )

    def _on_resumed(self) -> None:
        if self._resume is None or self.phase is not Phase.RESUMING:
            return
        self._come_up()
        self._events.append(GatewayResumed(self._resume.session_id, self._resume.seq))

    def _come_up(self) -> None:
        self.phase = Phase.UP
        self._closed_identifies = 0
        self._begin_deadline = None
        self._up_since = self._now

    def _forget_session(self) -> None:
        self._resume = None
        self._seq = None

    def _due_heartbeat(self) -> list[Payload]:
        """Return the heartbeat that is due or that op 1 asked for, if the budget allows it; at most one."""
        beat = self._heartbeat
        if beat is None or not (beat.is_requested or self._now >= beat.due):
            return []
        if not self._budget.allows(self._now, heartbeat=True):
            return []
        beat.sent(self._now)
        self._budget.spend(self._now)
        return [payloads.heartbeat(self._seq)]
