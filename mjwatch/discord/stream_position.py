"""Shows that a POST was not executed: its session's silence about it, from a gateway that is there.

Time alone proves nothing: a dead connection is silent too, and what was said may still wait to be handled. So
when a session has been silent long enough, the gateway is probed; only its answer, which comes behind all
that it had said before, completes the proof. Pure; times are seconds of one monotonic clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Silence:
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
