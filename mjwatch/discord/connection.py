"""The gateway's thread: connects, carries messages between the wire and the session, and connects again."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING

from mjwatch.discord.http import proxy_for
from mjwatch.discord.payloads import encode
from mjwatch.discord.protocol import CloseCode
from mjwatch.discord.session import RESUMABLE_CLOSE, GatewaySession, Phase
from mjwatch.discord.timing import GiveUp, Reconnect
from mjwatch.discord.websocket import ConnectionLostError, WebSocketClient
from mjwatch.host.systemd import Liveness

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.events import GatewayEvent

log = logging.getLogger(__name__)

LONGEST_SLEEP = 15.0
"""Seconds; so that a suspend is noticed soon after it ends, whatever the next deadline is."""
SUSPEND_JUMP = 60.0
"""Seconds that the wall clock runs ahead of the monotonic one in a suspend worth a new connection."""
STOP_PATIENCE = 2.0
"""Seconds for the thread to say goodbye before its connection is cut; then as many to end."""
LONGEST_ROUND = 180.0
"""Seconds that no connecting takes, over slow name servers and proxies either, and no round of reading."""


class SuspendWatch:
    """Notices that the machine slept: the wall clock went on, Linux's monotonic clock stood still."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._offset = wall() - clock()

    def jumped(self) -> bool:
        """Whether the clocks have come apart since the last call. Slow drift does not count."""
        before, self._offset = self._offset, self._wall() - self._clock()
        return self._offset - before > SUSPEND_JUMP


class WebsocketConnection:
    """Keeps a gateway session connected from a thread named "gateway".

    ``put`` is called from that thread with each event. ``proxy`` is an ``http://`` URL, or empty for the
    environment's; one of another kind raises ConfigError.
    """

    def __init__(
        self,
        session: GatewaySession,
        put: Callable[[GatewayEvent], None],
        *,
        proxy: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        proxy_for(session.url(), proxy)
        self._session = session
        self._put = put
        self._proxy = proxy
        self._clock = clock
        self._wall = wall
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._stop_code: int = RESUMABLE_CLOSE
        self._gave_up = False
        self._pulse = Liveness(LONGEST_ROUND)
        self._wire: WebSocketClient | None = None
        self._waker: socket.socket | None = None
        self._subscriptions: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._probing = threading.Event()
        self._waker_lock = threading.Lock()  # keeps stop() off a waker that the thread is closing

    def __repr__(self) -> str:
        state = "connected" if self.connected else "running" if self.alive else "stopped"
        return f"<WebsocketConnection {state}, {self._session!r}>"

    @property
    def alive(self) -> bool:
        """Whether the thread runs, connected or between two connections."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def healthy(self) -> bool:
        """Whether the thread goes on, or has ended because the gateway won't let this account in."""
        return (self.alive or self._gave_up) and not self._pulse.stalled

    @property
    def connected(self) -> bool:
        """Whether the session is up: READY or RESUMED has come, and the connection stands."""
        return self.alive and self._session.phase is Phase.UP

    def start(self) -> None:
        """Start the thread; does nothing while it runs."""
        if self.alive:
            return
        self._stopping.clear()
        self._gave_up = False
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()

    def stop(self, resumable: bool) -> None:
        """End the thread within seconds; call it from another. ``resumable`` keeps the session for later."""
        self._stop_code = RESUMABLE_CLOSE if resumable else CloseCode.NORMAL
        self._stopping.set()
        self._wake()
        thread, wire = self._thread, self._wire
        if thread is None or thread is threading.current_thread():
            return
        thread.join(STOP_PATIENCE)
        if thread.is_alive() and wire is not None:
            wire.abort()
            thread.join(STOP_PATIENCE)

    def subscribe(self, guild_id: str, channel_id: str) -> None:
        """Ask for the channel's messages, now and after each new IDENTIFY; from any thread."""
        self._subscriptions.put((guild_id, channel_id))
        self._wake()

    def probe(self) -> None:
        """Have the gateway show that it is there: GatewayAlive follows; from any thread."""
        self._probing.set()
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
            with self._pulse:
                verdict = self._one_connection(sleeper)
            self._hand_over()
            if isinstance(verdict, GiveUp):
                log.error("gateway: %s", verdict.reason)
                self._gave_up = True
                return
            if isinstance(verdict, Reconnect):
                log.warning("gateway: %s; next try in %.1f s", verdict.reason, verdict.delay)
                self._stopping.wait(verdict.delay)

    def _one_connection(self, sleeper: socket.socket) -> Reconnect | GiveUp | None:
        """Connect and serve until the connection ends (a verdict) or we are to stop (None)."""
        try:
            wire = self._wire = WebSocketClient(self._session.url(), waker=sleeper, proxy=self._proxy)
            try:
                self._session.connected(self._clock())
                self._serve(wire)
            finally:
                wire.close(self._stop_code if self._stopping.is_set() else RESUMABLE_CLOSE)
                self._wire = None
        except ConnectionLostError as lost:
            return self._session.closed(lost.code, self._clock(), reason=lost.reason, wait=lost.wait)
        except Exception as error:
            log.exception("gateway: internal error")
            return self._session.closed(None, self._clock(), reason=f"internal error: {type(error).__name__}")
        return None

    def _serve(self, wire: WebSocketClient) -> None:
        """Carry messages until we are to stop. Raises LostError when the connection ends or has to."""
        suspend = SuspendWatch(self._clock, self._wall)
        session = self._session
        while not self._stopping.is_set():
            self._pulse.beat()
            while not self._subscriptions.empty():
                session.subscribe(*self._subscriptions.get_nowait())
            if self._probing.is_set():
                self._probing.clear()
                session.probe()
            for payload in session.payloads_to_send():
                wire.send(encode(payload))
            self._hand_over()
            if session.close_wanted:
                raise ConnectionLostError(session.close_wanted)
            patience = self._sleep_time()
            readable = wire.wait(patience)
            if suspend.jumped():
                raise ConnectionLostError("the machine was asleep")
            message = wire.read(patience) if readable else None
            if message is not None:
                session.receive(message, self._clock())
            session.tick(self._clock())

    def _sleep_time(self) -> float:
        deadline = self._session.next_deadline()
        if deadline is None:
            return LONGEST_SLEEP
        return min(LONGEST_SLEEP, max(0.0, deadline - self._clock()))

    def _hand_over(self) -> None:
        for event in self._session.events_received():
            self._put(event)
