"""Shows that a POST was not executed: its session's silence about it, from a gateway that is there.

Time alone proves nothing: a dead connection is silent too, and what was said may still wait to be handled. So
when a session has been silent long enough, the gateway is probed; only its answer, which comes behind all
that it had said before, completes the proof. Pure; times are seconds of one monotonic clock.

Where the service stands in Discord's stream: the session's place, and whether the channel is known.

Pure: time comes in, in seconds since 1970, as it is kept over a restart of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mjwatch.discord.payloads import ResumeState
from mjwatch.discord.timing import backoff

if TYPE_CHECKING:
    from collections.abc import Collection

    from mjwatch.events import GatewayReady, GatewayResumed


class SilenceProof:
    """Watches the doubtful jobs of the present session."""

    def __init__(self, quiet_time: float) -> None:
        self._quiet_time = quiet_time
        self._since: dict[str, float] = {}
        self._probed = False

    def watch(self, job_ids: Collection[str], now: float) -> None:
        """These jobs' POSTs are in doubt, and nothing that is said to their session can be missed now."""
        self._since = {job_id: self._since.get(job_id, now) for job_id in job_ids}

    def interrupted(self) -> None:
        """The connection was lost: the silence begins anew after it has been resumed."""
        self._since.clear()
        self._probed = False

    def wants_probe(self, now: float) -> bool:
        """Whether some silence is long enough and the gateway must show that it is there; true once."""
        if self._probed or not self._long_enough(now):
            return False
        self._probed = True
        return True

    def proven(self, now: float) -> list[str]:
        """The gateway has answered: the jobs of which it is now shown that they were not executed."""
        self._probed = False
        return self._long_enough(now)

    def _long_enough(self, now: float) -> list[str]:
        return [job_id for job_id, since in self._since.items() if now - since >= self._quiet_time]

    def next_time(self) -> float | None:
        """When the next silence is long enough; None while a probe is out."""
        if self._probed:
            return None
        return min((since + self._quiet_time for since in self._since.values()), default=None)


PAUSE_BETWEEN_STRETCHES = 2.0

ASK_AGAIN_AT_MOST = 60.0
"""Seconds between two readings of the history because a passive update showed a message that never came."""


@dataclass(frozen=True, slots=True)
class _StoredPosition:
    session_id: str
    resume_gateway_url: str
    seq: int
    user_id: str


class StreamPosition:
    """Told of the gateway's ups and downs; says when prompts may be sent and when to read the history."""

    def __init__(self, remembered: Any = None) -> None:
        """``remembered`` is what ``place`` gave to the journal before the last stop."""
        self._place = _StoredPosition(**remembered) if isinstance(remembered, dict) else None
        self._up = False
        self._caught_up = False
        self._open_since = 0.0
        self._cursor: str | None = None
        self._ask_at: float | None = None
        self._asking = False
        self._tries = 0
        self._asked_for_missing = float("-inf")

    @property
    def session_id(self) -> str | None:
        """The session that interactions are to be answered to."""
        return self._place.session_id if self._place else None

    @property
    def user_id(self) -> str | None:
        """The account, as far as a session ever told."""
        return (self._place.user_id or None) if self._place else None

    @property
    def open(self) -> bool:
        """Whether a prompt may be sent: the session is up, and nothing before it is unread."""
        return self._up and self._caught_up

    @property
    def open_since(self) -> float:
        """Since when it is open, if it is."""
        return self._open_since

    @property
    def cursor(self) -> str | None:
        """Where an incomplete reading of the history goes on."""
        return self._cursor

    def ready(self, event: GatewayReady, now: float) -> None:
        """A new session: what happened before it is in the history only."""
        user_id = event.user_id or self.user_id or ""
        self._place = _StoredPosition(event.session_id, event.resume_gateway_url, event.seq, user_id)
        self._up = True
        self._caught_up = False
        self._cursor = None
        self._ask(now)

    def resumed(self, event: GatewayResumed, now: float) -> None:
        """The session goes on, and the replay has ended; the first time after a start all is read even so."""
        self.saw(event.seq)
        self._up = True
        self._open_since = now
        if not self._caught_up:
            self._ask(now)

    def lost(self) -> None:
        """The connection is gone."""
        self._up = False
        self._asking = False

    def forget(self) -> None:
        """The session was ended for good."""
        self._place = None

    def saw(self, seq: int) -> None:
        """All dispatches up to this one were handled."""
        if self._place is not None:
            place = self._place
            self._place = _StoredPosition(place.session_id, place.resume_gateway_url, seq, place.user_id)

    def missed_something(self, now: float) -> None:
        """The channel has a newer message than any that came: the history must tell what it is."""
        if now < self._asked_for_missing:
            return  # it is to be asked soon
        self._asked_for_missing = max(now, self._asked_for_missing + ASK_AGAIN_AT_MOST)
        self._ask(self._asked_for_missing)

    def look(self, now: float) -> None:
        """A job is overdue: the history may have what the gateway did not bring."""
        if not self._asking:
            self._ask(now)

    def _ask(self, at: float) -> None:
        self._asking = False
        self._ask_at = at

    def wants_history(self, now: float) -> bool:
        """Whether to read the history now; true once, then it is being read."""
        due = self._up and self._ask_at is not None and self._ask_at <= now
        if not due or self._asking:
            return False
        self._asking = True
        self._ask_at = None
        return True

    def history_read(self, now: float, *, upto: str | None, complete: bool) -> None:
        """A stretch of the history, up to this message, was handled; an incomplete one goes on from there."""
        self._asking = False
        self._tries = 0
        self._cursor = None if complete else upto
        if not complete:
            self._ask(now + PAUSE_BETWEEN_STRETCHES)
        elif not self._caught_up:
            self._caught_up = True
            self._open_since = now

    def history_unread(self, now: float) -> float:
        """It could not be read: the seconds until the next try."""
        wait = backoff(self._tries)
        self._tries += 1
        self._asking = False
        self._ask_at = now + wait
        return wait

    def hears(self, session_id: str | None) -> bool:
        """Whether all that is said to this session reaches us; what was said before was replayed."""
        return self._up and session_id is not None and session_id == self.session_id

    def next_time(self) -> float | None:
        """When to ask for the history next."""
        return None if self._asking or not self._up else self._ask_at

    def place(self) -> dict[str, Any] | None:
        """For the journal: what a later start needs to resume."""
        place = self._place
        if place is None:
            return None
        return {
            "session_id": place.session_id,
            "resume_gateway_url": place.resume_gateway_url,
            "seq": place.seq,
            "user_id": place.user_id,
        }

    def resume_state(self) -> ResumeState | None:
        """For the gateway: where to resume."""
        place = self._place
        return ResumeState(place.session_id, place.seq, place.resume_gateway_url) if place else None
