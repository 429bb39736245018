"""Messages that could be more than one job's, kept until it is clear whose they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mjwatch.midjourney.matching.evidence import FINALS, could_be_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.midjourney.parsing.parsed_message import Reading
    from mjwatch.model import Job

HELD_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Held:
    """One such message. ``seq`` is its dispatch's in the present session, None if it is of no use there."""

    reading: Reading
    seq: int | None


class Holding:
    """The held messages, oldest first; when there are too many, the oldest is given up."""

    def __init__(self) -> None:
        self._held: list[Held] = []
        self.given_up = 0

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._held))

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, reading: Reading, seq: int | None) -> None:
        """Keep it; a message that is held already is not kept twice."""
        if any(held.reading.message_id == reading.message_id for held in self._held):
            return
        self._held.append(Held(reading, seq))
        if len(self._held) > HELD_AT_MOST:
            self._held.pop(0)
            self.given_up += 1

    def release(self, held: Held) -> None:
        """It is clear whose it is, and that is committed."""
        self._held = [one for one in self._held if one is not held]

    def new_session(self) -> None:
        """Another session counts its dispatches anew."""
        self._held = [replace(held, seq=None) for held in self._held]

    def has_result_for(self, job: Job) -> bool:
        """Whether a result is held that may belong to this job."""
        results = [held.reading for held in self._held if held.reading.kind in FINALS]
        return any(could_be_about(reading, job) for reading in results)

    def safe_seq(self, seq: int) -> int:
        """The place from which a resumed session must replay so that nothing held gets lost."""
        return min([seq, *(held.seq - 1 for held in self._held if held.seq is not None)])

    def safe_newest(self, newest: str | None) -> str | None:
        """The message after which a history must be read so that nothing held gets lost."""
        ids = [int(held.reading.message_id or 0) for held in self._held]
        if newest is None or not ids:
            return newest
        return str(min(int(newest), min(ids) - 1))
