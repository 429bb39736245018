"""Whether a prompt file that comes again is a new request. Pure: what was taken before and the time come in.

Sync tools deliver files again, people copy and touch them, and a kept file is seen anew at every start. What
was taken is known by path and content; a path counts in NFC, for sync tools compose accents anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAME_DELIVERY = 2.0
"""Seconds by which two modification times may differ and still mean the same delivery of a file.

FAT keeps them to two seconds, and sync tools carry them over from the sender.
"""

HOUR = 3600.0
MOST_IN_AN_HOUR = 2
"""So often the same file is run within an hour; a loop that copies it again and again must not spend more."""

COPY_PATIENCE = 20.0
"""Seconds until a second copy of a kept file is one: sync tools that move a file remove the old one last."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken: ``path`` as stored, ``mtime`` its own time, ``at`` when it was taken.

    ``kept``: it stayed in the inbox. ``moved``: it lies elsewhere in it by now, as a file of its own.
    """

    number: int
    path: str
    mtime: float
    at: float
    kept: bool = False
    moved: bool = False


class Kind(StrEnum):
    """What a file that has settled is."""

    NEW = "new"
    """A request."""
    SAME = "same"
    """The same delivery once more, or a file that was kept: no request."""
    MOVED = "moved"
    """A kept file that lies at another path by now: no request."""
    COPY = "copy"
    """A second copy of a kept file; a request, unless the other one goes."""
    HELD = "held"
    """The same file too often within an hour."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it is; ``of`` are the files that it is the same as, or that it was. ``seconds`` to wait."""

    kind: Kind
    of: tuple[Taken, ...] = ()
    seconds: float = 0.0


NEW = Verdict(Kind.NEW)


def judge(
    path: str,
    mtime: float,
    earlier: Sequence[Taken],
    now: float,
    in_inbox: Callable[[str], bool] | None = None,
) -> Verdict:
    """What a file is whose content was taken ``earlier``, at this path or others.

    ``path`` as stored. ``in_inbox``: taken files are kept; says whether one still lies at a path. Without it
    they are removed.
    """
    same = tuple(taken for taken in earlier if taken.path == path)
    delivered = any(abs(mtime - taken.mtime) <= SAME_DELIVERY for taken in same)
    if delivered or any(taken.kept for taken in same):
        return Verdict(Kind.SAME, same)
    if in_inbox is not None:
        return _judge_kept(earlier, in_inbox)
    recent = sorted(taken.at for taken in same if now - taken.at < HOUR)
    if len(recent) < MOST_IN_AN_HOUR:
        return NEW
    return Verdict(Kind.HELD, same, seconds=min(HOUR, recent[-MOST_IN_AN_HOUR] + HOUR - now))


def _judge_kept(earlier: Sequence[Taken], in_inbox: Callable[[str], bool]) -> Verdict:
    kept = [taken for taken in earlier if taken.kept and not taken.moved]
    gone = tuple(taken for taken in kept if not in_inbox(taken.path))
    if gone:
        return Verdict(Kind.MOVED, gone[:1])
    return Verdict(Kind.COPY, tuple(kept), seconds=COPY_PATIENCE) if kept else NEW
