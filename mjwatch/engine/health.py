"""Whether Discord can be reached: what the gateway says of itself, and what follows for the sending.

What the inbox still holds, as the last scan told.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch import events as ev
from mjwatch.engine.pauses import pause_for
from mjwatch.errors import JournalError
from mjwatch.events import InboxScanned
from mjwatch.model import Pause, PauseKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from mjwatch.engine.pauses import Pauses
    from mjwatch.journal.writer import Journal
    from mjwatch.midjourney.channel import Channel


log = logging.getLogger("mjwatch")


@dataclass(frozen=True, slots=True)
class ConnectionTrouble:
    """Why Discord can't be used at the moment, and when it is tried again (seconds since 1970)."""

    reason: str
    next_try: float


class GatewayHealth:
    """Told of the gateway's ups and downs, which raises JournalError where it can't be remembered."""

    def __init__(self, journal: Journal, channel: Channel, pausing: Pauses) -> None:
        self._journal = journal
        self._channel = channel
        self._pausing = pausing
        self.trouble: ConnectionTrouble | None = None
        self.on_trouble: Callable[[ConnectionTrouble], None] = lambda trouble: None
        """Told of each try to use Discord that has failed, from the loop's own thread."""

    def load(self) -> None:
        """A start knows of no trouble yet, and of no connection."""
        if any(self._journal.recall(key) is not None for key in ("trouble", "connected")):
            with suppress(JournalError):  # a full disk is no reason not to start: it is waited for
                self._journal.remember({"trouble": None, "connected": None})

    def gateway(
        self, event: ev.GatewayReady | ev.GatewayResumed | ev.GatewayDown | ev.GatewayRejected, now: float
    ) -> None:
        """It let us in, or the connection is lost, or it never lets us in again."""
        match event:
            case ev.GatewayReady():
                self._channel.ready(event, now)
                self._let_in(now)
                self.remember_place()
                log.info("gateway: ready as %s", event.user_name)
                self._pausing.let_in()
                if event.required_action:
                    words = f"Discord wants something of the account: {event.required_action}"
                    self._pausing.begin(Pause(words, PauseKind.ACCOUNT))
            case ev.GatewayResumed():
                self._channel.resumed(event, now)
                self._let_in(now)
                log.info("gateway: session resumed")
                self._pausing.let_in()
            case ev.GatewayDown():
                self._channel.lost()
                self._tell(ConnectionTrouble(event.reason, now + event.retry_in))
            case ev.GatewayRejected():
                self._channel.lost()
                self._tell(ConnectionTrouble(event.reason, math.inf))
                self._pausing.refused_entry(event.reason, event.code)

    def history_unread(self, event: ev.HistoryReadFailed, now: float) -> None:
        """The channel's history could not be read."""
        if event.refusal is not None:
            self._pausing.begin(pause_for(event.refusal))
        wait = self._channel.history_unread(now)
        log.warning("the channel's history can't be read: %s; again in %.0f s", event.reason, wait)

    def remember_place(self) -> None:
        """Have the journal know from where a later start must hear."""
        place = self._channel.place()
        self._journal.remember(place)
        self._channel.kept(place)

    def _let_in(self, now: float) -> None:
        self._journal.remember({"trouble": None, "connected": now})
        self.trouble = None

    def _tell(self, trouble: ConnectionTrouble) -> None:
        self._journal.remember({"trouble": trouble.reason, "connected": None})
        self.trouble = trouble
        self.on_trouble(trouble)


class InboxBacklog:
    """Told of each scan.

    ``waiting``: prompt files that have not settled; None before the first scan. ``trouble``: why nothing is
    taken from it, if that is so.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.waiting: int | None = None
        self.trouble: str | None = None

    def scanned(self, event: InboxScanned) -> None:
        """A scan has ended; what it found is remembered for those who ask. Raises JournalError."""
        self.trouble = event.trouble
        if event.trouble is None:
            self.waiting = event.waiting + event.out
        if event.facts() != (self._journal.recall("inbox") or InboxScanned(0).facts()):
            self._journal.remember({"inbox": event.facts()})

    @property
    def ended(self) -> bool:
        """Whether no more will come out of it; not before a person acts, where it is in trouble."""
        return self.waiting == 0 or self.trouble is not None
