"""Where the service stands in Discord's stream of events, and what its silence proves.

Pure: time comes in as an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.discord.payloads import ResumeState
from mjwatch.discord.timing import backoff

if TYPE_CHECKING:
    from collections.abc import Collection

    from mjwatch.events import GatewayReady, GatewayResumed

PAUSE_BETWEEN_PAGES = 2.0
"""Seconds between two stretches of the history."""

REPEAT_AFTER = 60.0
"""Seconds between two readings of the history because a passive update showed a message that never came."""


class StreamPosition:
    """The session and its position, and whether all that is said in the channel is heard and known.

    Times (``now``) are seconds of one monotonic clock: setting the wall clock must put no reading off.
    """

    def __init__(self) -> None:
        self.session_id: str | None = None
        """The session that interactions are sent with; None where there is none to resume."""
        self.generation = 0
        """The number of sessions so far. Each READY begins one: its id may be that of an earlier session."""
        self.user_id: str | None = None
        """The account, once a session has named it."""
        self.is_open = False
        """Whether a prompt may be sent: the session is up, and nothing before it is unread."""
        self.open_since = 0.0
        """Since when it is open, if it is."""
        self.history_due: float | None = None
        """When the history is to be read, if the session is up; None: it need not be, or is being read."""
        self.is_reading = False
        """Whether the history is being read."""
        self.cursor: str | None = None
        """The message from which an incomplete reading of the history continues."""
        self._resume_gateway_url = ""
        self._seq = 0
        self._is_up = False
        self._is_caught_up = False
        self._failed_reads = 0
        self._asked_for_missing = float("-inf")

    def load(self, stored: Any) -> None:
        """Start from what ``stored`` gave to the journal before the last stop."""
        if isinstance(stored, dict):
            self.session_id, self.user_id = stored["session_id"], stored["user_id"] or None
            self._resume_gateway_url, self._seq = stored["resume_gateway_url"], stored["seq"]
            self.generation = stored.get("generation", 0)

    def stored(self) -> dict[str, Any] | None:
        """Return what a later start needs to resume the session, for the journal."""
        if self.session_id is None and self.generation == 0:
            return None
        return {
            "session_id": self.session_id,
            "resume_gateway_url": self._resume_gateway_url,
            "seq": self._seq,
            "generation": self.generation,
            "user_id": self.user_id or "",
        }

    def resume_state(self) -> ResumeState | None:
        """Return where the gateway can resume the session, or None."""
        if self.session_id is None:
            return None
        return ResumeState(self.session_id, self._seq, self._resume_gateway_url)

    # ---- the session

    def ready(self, event: GatewayReady, now: float) -> None:
        """Begin a new session: what happened before it is in the history only."""
        self.generation += 1
        self.session_id, self.user_id = event.session_id, event.user_id or self.user_id
        self._resume_gateway_url, self._seq = event.resume_gateway_url, event.seq
        self._is_up = True
        self._is_caught_up = self.is_open = False
        self.cursor = None
        self._schedule_history(now)

    def resumed(self, event: GatewayResumed, now: float) -> None:
        """Continue the session after its replay; after a program start the history is read anyway."""
        self.handled(event.seq)
        self._is_up = True
        self.open_since = now
        self.is_open = self._is_caught_up
        if not self._is_caught_up:
            self._schedule_history(now)

    def lost(self) -> None:
        """Note that the connection is gone."""
        self._is_up = self.is_open = False
        self.is_reading = False

    def forget_session(self) -> None:
        """Note that the session is gone, so that no later start tries to resume it."""
        self.session_id = None

    def handled(self, seq: int) -> None:
        """Note that all dispatches up to this one were handled."""
        self._seq = seq

    def is_live(self, session_id: str | None, generation: int) -> bool:
        """Return whether this is the live session and none of its events are missing."""
        return self._is_up and self.is_present(session_id, generation)

    def is_present(self, session_id: str | None, generation: int) -> bool:
        """Return whether this is the session that is live, or that is resumed next."""
        return session_id is not None and (session_id, generation) == (self.session_id, self.generation)

    # ---- the history

    def missed_something(self, now: float) -> None:
        """Have the history read: the channel has a newer message than any that came."""
        if now < self._asked_for_missing:
            return  # the next reading is scheduled already
        self._asked_for_missing = max(now, self._asked_for_missing + REPEAT_AFTER)
        self._schedule_history(self._asked_for_missing)

    def job_overdue(self, now: float) -> None:
        """Have the history read: it may have what the gateway did not bring."""
        if not self.is_reading:
            self._schedule_history(now)

    def _schedule_history(self, at: float) -> None:
        self.is_reading = False
        self.history_due = at

    def begin_history(self, now: float) -> bool:
        """Return whether the history is to be read now; True once, then it is being read."""
        if not self._is_up or self.history_due is None or self.history_due > now:
            return False
        self.is_reading = True
        self.history_due = None
        return True

    def history_read(self, now: float, *, upto: str | None, complete: bool) -> None:
        """Note that the history is handled up to this message; an incomplete reading continues from there."""
        self.is_reading = False
        self._failed_reads = 0
        self.cursor = None if complete else upto
        if not complete:
            self._schedule_history(now + PAUSE_BETWEEN_PAGES)
        elif not self._is_caught_up:
            self._is_caught_up = True
            self.is_open = self._is_up
            self.open_since = now

    def history_failed(self, now: float) -> float:
        """Schedule the next try to read the history; return the seconds until then."""
        wait = backoff(self._failed_reads)
        self._failed_reads += 1
        self._schedule_history(now + wait)
        return wait

    def history_postponed(self, now: float) -> None:
        """Note that the history was not read because of a limit: it is due as soon as that has ended."""
        self._schedule_history(now)

    def next_time(self) -> float:
        """Return when the next reading is scheduled; infinity if none is."""
        return self.history_due if self._is_up and self.history_due is not None else float("inf")


class SilenceProof:
    """Proves of doubtful jobs of the present session that their POST was not executed: by its silence.

    Time alone proves nothing: a dead connection is silent too, and what was said may still wait to be
    handled. So when a session has been silent long enough, the gateway is probed; only its answer, which
    comes behind all that it had said before, completes the proof. Times are seconds of one monotonic clock.
    """

    def __init__(self, quiet_time: float) -> None:
        """``quiet_time``: the seconds of silence that count."""
        self._quiet_time = quiet_time
        self._is_probing = False
        self.silent_since: dict[str, float] = {}
        """The jobs that are watched, with the time from which on their session was silent about them."""

    def watch(self, job_ids: Collection[str], now: float) -> None:
        """Watch these jobs: their POSTs are in doubt, and nothing that is said to their session is missed."""
        self.silent_since = {job_id: self.silent_since.get(job_id, now) for job_id in job_ids}

    def interrupted(self) -> None:
        """Note that the connection was lost: the silence begins again after the session has been resumed."""
        self.silent_since.clear()
        self._is_probing = False

    def begin_probe(self, now: float) -> bool:
        """Return whether a silence is long enough for the gateway to be probed; True once."""
        if self._is_probing or not self._long_enough(now):
            return False
        self._is_probing = True
        return True

    def proven(self, now: float) -> list[str]:
        """Return the jobs that were not executed, now that the gateway has answered the probe."""
        self._is_probing = False
        return self._long_enough(now)

    def _long_enough(self, now: float) -> list[str]:
        return [job_id for job_id, since in self.silent_since.items() if now - since >= self._quiet_time]

    def next_time(self) -> float:
        """Return when the next silence is long enough; infinity: none is watched, or a probe is out."""
        if self._is_probing or not self.silent_since:
            return float("inf")
        return min(self.silent_since.values()) + self._quiet_time
