"""What is left alone in the inbox although a person may wonder: counted, a few by name, told once."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mjwatch.model import Left

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger("mjwatch.inbox")

SHOWN = 20
"""So many are known by name; of the others only the count."""


@dataclass(slots=True)
class Leftovers:
    """A collection of them: how many for each reason, and the first few."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[Left] = field(default_factory=list)

    def add(self, path: str, why: str) -> None:
        """One more."""
        self.counts[why] += 1
        if len(self.first) < SHOWN:
            self.first.append(Left(path, why))

    def add_all(self, others: Leftovers) -> None:
        """Those of another collection."""
        self.counts.update(others.counts)
        self.first += others.first[: SHOWN - len(self.first)]


class Teller:
    """Puts each leftover into the log when it is first seen; the many that have no name here as a number."""

    def __init__(self) -> None:
        self._told: frozenset[Left] = frozenset()
        self._most = 0

    def tell(self, first: Iterable[Left], counts: Mapping[str, int]) -> None:
        """Tell of what is new since the last time."""
        now = frozenset(first)
        for left in sorted(now - self._told, key=lambda left: left.path):
            log.warning("%s is left in the inbox: %s", left.path, left.why)
        total = sum(counts.values())
        if total > SHOWN and total > 2 * self._most:
            log.warning("%d files and folders are left in the inbox; `mjwatch status` has the reasons", total)
        self._told, self._most = now, max(self._most, total) if total > SHOWN else 0
