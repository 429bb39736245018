"""The gateway thread: connects, carries messages between WebSocket and session, and reconnects."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mjwatch.discord.http import proxy_for
from mjwatch.discord.payloads import encode
from mjwatch.discord.protocol import CloseCode
from mjwatch.discord.session import RESUMABLE_CLOSE, GatewaySession, Phase
from mjwatch.discord.timing import STABLE_AFTER, GiveUp, Reconnect
from mjwatch.discord.websocket import ConnectionLostError, WebSocketClient
from mjwatch.events import GatewayReady, GatewayResumed
from mjwatch.host.log import LogOnce
from mjwatch.host.systemd import Liveness

if TYPE_CHECKING:
    from mjwatch.events import GatewayEvent

log = logging.getLogger(__name__)

LONGEST_WAIT = 15.0
"""Seconds, so that a suspend is noticed soon after its end, whatever the next deadline is."""
SUSPEND_JUMP = 60.0
"""Seconds by which a suspend that needs a new connection puts the wall clock ahead of the monotonic one."""
POLL_INTERVAL = 0.2
"""Seconds between two questions whether a new session may begin."""
STOP_TIMEOUT = 2.0
"""Seconds for the thread to close its connection before it is aborted; then as many to end."""
LONGEST_ROUND = 180.0
"""A longer round of connecting or reading counts as hung, even with slow name servers; in seconds."""


GatewayTap = Callable[[str, Mapping[str, Any]], object]
"""Gets ``sent`` or ``received`` with a payload, or ``closed`` with the ``code`` of the close frame or None.

What is sent contains the token.
"""


def _no_tap(direction: str, payload: Mapping[str, Any]) -> None:
    """Ignore what is sent and received."""


class SuspendWatch:
    """Notices that the machine was suspended: the wall clock went on, Linux's monotonic clock did not."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._offset = wall() - clock()

    def jumped(self) -> bool:
        """Return whether the clocks differ more than at the last call. Slow drift does not count."""
        before, self._offset = self._offset, self._wall() - self._clock()
        return self._offset - before > SUSPEND_JUMP


class OutageLog:
    """Logs each outage of the gateway once for each of its causes, then its end with its duration."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._causes = LogOnce(clock)
        self._since: float | None = None
        self._up_since: float | None = None

    def down(self, reason: str, delay: float) -> None:
        """Note a loss, or a failed try to reconnect; the next try follows in ``delay`` seconds."""
        now = self._clock()
        if self._up_since is not None and now - self._up_since >= STABLE_AFTER:
            self._causes.reset()  # what fails soon after each reconnect is one outage
        self._up_since = None
        if self._causes.is_due(reason):
            self._since = now if self._since is None else self._since
            log.info("gateway: %s; reconnecting, next try in %.1f s", reason, delay)

    def up(self) -> None:
        """Note that the session is up again."""
        self._up_since = self._clock()
        if self._since is not None:
            log.info("gateway: connected again after %.0f s", self._up_since - self._since)
            self._since = None


class WebsocketConnection:
    """Keeps a gateway session connected from a thread named "gateway".

    That thread calls ``put`` with each event. ``proxy`` is an ``http://`` URL, or empty for the
    environment's; a proxy of another kind raises ConfigError. A new session begins only once
    ``may_identify()`` is true.
    """

    def __init__(
        self,
        session: GatewaySession,
        put: Callable[[GatewayEvent], None],
        *,
        proxy: str = "",
        may_identify: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        tap: GatewayTap | None = None,
    ) -> None:
        """``tap`` is called by the thread with everything that is sent and received."""
        proxy_for(session.url(), proxy)
        self._tap: GatewayTap = tap or _no_tap
        self._session = session
        self._put = put
        self._proxy = proxy
        self._may_identify = may_identify
        self._clock = clock
        self._wall = wall
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._stop_code: int = RESUMABLE_CLOSE
        self._gave_up = False
        self._outages = OutageLog(clock)
        self._liveness = Liveness(LONGEST_ROUND)
        self._websocket: WebSocketClient | None = None
        self._waker: socket.socket | None = None
        self._subscriptions: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._probing = threading.Event()
        self._cutting = threading.Event()
        self._waker_lock = threading.Lock()  # keeps stop() from using a waker that the thread closes

    def __repr__(self) -> str:
        state = "connected" if self.connected else "running" if self.alive else "stopped"
        return f"<WebsocketConnection {state}, {self._session!r}>"

    @property
    def alive(self) -> bool:
        """Whether the thread runs, connected or between two connections."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def healthy(self) -> bool:
        """Whether the thread works, or has ended because the gateway rejects this account."""
        return (self.alive or self._gave_up) and not self._liveness.stalled

    @property
    def connected(self) -> bool:
        """Whether the session is up: READY or RESUMED has arrived, and the connection is open."""
        return self.alive and self._session.phase is Phase.UP

    def start(self) -> None:
        """Start the thread; do nothing while it runs."""
        if self.alive:
            return
        self._stopping.clear()
        self._gave_up = False
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()

    def stop(self, resumable: bool) -> None:
        """End the thread within seconds; from another thread. ``resumable`` keeps the session for later."""
        self._stop_code = RESUMABLE_CLOSE if resumable else CloseCode.NORMAL
        self._stopping.set()
        self._wake()
        thread, websocket = self._thread, self._websocket
        if thread is None or thread is threading.current_thread():
            return
        thread.join(STOP_TIMEOUT)
        if thread.is_alive() and websocket is not None:
            websocket.abort()
            thread.join(STOP_TIMEOUT)

    def subscribe(self, guild_id: str, channel_id: str) -> None:
        """Ask for the channel's messages, now and after each new IDENTIFY; called by any thread."""
        self._subscriptions.put((guild_id, channel_id))
        self._wake()

    def probe(self) -> None:
        """Ask the gateway for a sign of life, which arrives as GatewayAlive; called by any thread."""
        self._probing.set()
        self._wake()

    def cut(self) -> None:
        """Drop the connection with a code that keeps the session, and resume it; called by any thread."""
        self._cutting.set()
        self._wake()

    def _wake(self) -> None:
        with self._waker_lock:
            if self._waker is not None:
                self._waker.send(b"\0")

    def _run(self) -> None:
        sleeper, waker = socket.socketpair()
        with sleeper, waker:
            self._waker = waker
            try:
                self._keep_connected(sleeper)
            finally:
                with self._waker_lock:
                    self._waker = None

    def _keep_connected(self, sleeper: socket.socket) -> None:
        while not self._stopping.is_set():
            with self._liveness:
                verdict = self._one_connection(sleeper)
            self._put_events()
            if isinstance(verdict, GiveUp):
                log.error("gateway: %s", verdict.reason)
                self._gave_up = True
                return
            if isinstance(verdict, Reconnect):
                self._outages.down(verdict.reason, verdict.delay)
                self._stopping.wait(verdict.delay)
                while self._session.resume_state is None and not self._may_identify():
                    if self._stopping.wait(POLL_INTERVAL):
                        break

    def _one_connection(self, sleeper: socket.socket) -> Reconnect | GiveUp | None:
        """Connect and serve. Return a verdict at the connection's end, None at the thread's end."""
        try:
            websocket = self._websocket = WebSocketClient(
                self._session.url(), waker=sleeper, proxy=self._proxy
            )
            try:
                self._session.connected(self._clock())
                self._serve(websocket)
            finally:
                websocket.close(self._stop_code if self._stopping.is_set() else RESUMABLE_CLOSE)
                self._websocket = None
        except ConnectionLostError as lost:
            self._tap("closed", {"code": lost.code})
            return self._session.closed(
                lost.code,
                self._clock(),
                reason=lost.reason,
                wait=lost.wait,
                is_unreadable=lost.is_unreadable,
            )
        except Exception as error:
            log.exception("gateway: internal error")
            reason = f"internal error: {type(error).__name__}"
            return self._session.closed(None, self._clock(), reason=reason, is_unreadable=True)
        return None

    def _serve(self, websocket: WebSocketClient) -> None:
        """Carry messages until the thread is to stop. Raise ConnectionLostError when the connection ends."""
        suspend = SuspendWatch(self._clock, self._wall)
        session = self._session
        while not self._stopping.is_set():
            self._liveness.beat()
            while not self._subscriptions.empty():
                session.subscribe(*self._subscriptions.get_nowait())
            if self._probing.is_set():
                self._probing.clear()
                session.probe()
            if self._cutting.is_set():
                self._cutting.clear()
                raise ConnectionLostError("the connection was cut on purpose")
            for payload in session.payloads_to_send():
                websocket.send(encode(payload))
                self._tap("sent", payload)
            self._put_events()
            if session.close_wanted:
                raise ConnectionLostError(session.close_wanted)
            timeout = self._wait_time()
            readable = websocket.wait(timeout)
            if suspend.jumped():
                raise ConnectionLostError("the machine was suspended")
            message = websocket.read(timeout) if readable else None
            if message is not None:
                self._tap("received", message)
                session.receive(message, self._clock())
            session.tick(self._clock())

    def _wait_time(self) -> float:
        deadline = self._session.next_deadline()
        if deadline is None:
            return LONGEST_WAIT
        return min(LONGEST_WAIT, max(0.0, deadline - self._clock()))

    def _put_events(self) -> None:
        for event in self._session.events_received():
            if isinstance(event, GatewayReady | GatewayResumed):
                self._outages.up()
            self._put(event)
