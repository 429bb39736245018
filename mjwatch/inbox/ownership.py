"""Who takes prompt files out of an inbox: the one host and journal that a marker in the inbox names.

The marker travels with a synced inbox, so that a daemon on another machine sees it. It never expires: only a
person knows whether the other machine is gone for good. It also tells an inbox from the empty folder that is
left where its disk is not mounted.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mjwatch.errors import OwnerError
from mjwatch.filesystem.files import durable_copy, fsync_folder
from mjwatch.inbox.filenames import MARKER
from mjwatch.inbox.watcher import place_of

if TYPE_CHECKING:
    from pathlib import Path

    from mjwatch.inbox.scanner import InboxScan

log = logging.getLogger("mjwatch.inbox")

_TEMPORARY = ".~mjwatch-owner.tmp"
_LONGEST = 4096

NOT_MOUNTED = (
    "the inbox {root} is empty and is not the folder that it was: is its disk mounted?"
    " Nothing is taken until it is back, or something lies in it"
)
ANOTHER_JOURNAL = (
    "the inbox {root} now belongs to another mjwatch on this machine, with another state folder; nothing is"
    " taken here. Stop one of the two, then start the other again"
)
UNKNOWN = (
    "the inbox {root} keeps prompt files of which this journal knows nothing, so nothing is taken. Take away"
    " what has its pictures already, then stop mjwatch and start it with `mjwatch run --accept-existing`"
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns an inbox. ``machine`` tells machines apart, ``host`` is its name for people.

    ``journal`` is the id of the journal that knows what was taken; empty as long as none does.
    """

    host: str
    machine: str
    journal: str


@dataclass(frozen=True, slots=True)
class OwnershipFacts:
    """What is known of the inbox beforehand, and what a person has said at the start.

    ``known``: this journal has owned it before. ``has_files``: the journal knows of taken files. ``keep``:
    taken files stay in it.
    """

    known: bool = False
    has_files: bool = False
    keep: bool = False
    take_over: bool = False
    accept_existing: bool = False


def owner_of(root: Path) -> Owner | None:
    """The owner in the inbox's marker; None where there is none. One that can't be read is a stranger's."""
    try:
        found = json.loads(_read(root / MARKER))
        return Owner(*(str(found[key])[:200] for key in ("host", "machine", "journal")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return Owner("", "", "")


class Ownership:
    """Of one inbox, by this process."""

    def __init__(self, root: Path, owner: Owner, claims: OwnershipFacts) -> None:
        self._root = root
        self._owner = owner
        self._claims = claims
        self._place: tuple[int, int] | None = None
        self._marked: tuple[int, int] | None = None
        self._in_order = not claims.keep or claims.accept_existing
        self._complained = False

    def begin(self) -> None:
        """Refuse an inbox that is somebody else's: raises OwnerError with who that is."""
        found = owner_of(self._root)
        if found is None or self._is_ours(found):
            return
        if self._claims.take_over:
            log.warning("the inbox %s is taken over from %s", self._root, _name_of(found))
            self._write(self._owner if self._in_order else _without_journal(self._owner))
            return
        raise OwnerError(
            f"the inbox {self._root} belongs to mjwatch on {_name_of(found)}, which takes its prompt files",
            "stop it there for good, then `mjwatch run --take-over` here",
        )

    def trouble(self, look: InboxScan) -> str | None:
        """Why nothing may be taken now, after a full look at the inbox; None where all is in order."""
        found = owner_of(self._root)
        place = place_of(self._root)
        if found is not None and not self._is_ours(found):
            return (
                f"the inbox {self._root} now belongs to mjwatch on {_name_of(found)}; nothing is taken here"
            )
        if found is not None and place == self._marked and found.journal not in ("", self._owner.journal):
            return ANOTHER_JOURNAL.format(root=self._root)  # to write ours over it would begin a quarrel
        if found is None and look.empty and (self._claims.known or self._place) and place != self._place:
            return NOT_MOUNTED.format(root=self._root)
        self._place = place
        if not self._in_order and not self._knows(found, look):
            if found is None:
                self._write(_without_journal(self._owner))
            return UNKNOWN.format(root=self._root)
        self._in_order = True
        if found == self._owner or self._write(self._owner):
            self._marked = place
        return None

    def _knows(self, found: Owner | None, look: InboxScan) -> bool:
        """Whether what is kept in the inbox is known to this journal, or nothing is."""
        if not look.files or (found is not None and found.journal == self._owner.journal):
            return True
        return found is None and self._claims.has_files

    def _is_ours(self, found: Owner) -> bool:
        return found.machine == self._owner.machine

    def _write(self, owner: Owner) -> bool:
        """Mark the inbox; whether that could be done."""
        note = {"note": "the one mjwatch that takes prompt files from this folder"}
        text = json.dumps(note | asdict(owner), indent=1)
        temporary = self._root / _TEMPORARY
        try:
            temporary.unlink(missing_ok=True)
            durable_copy(temporary, f"{text}\n".encode())
            temporary.replace(self._root / MARKER)
            fsync_folder(self._root)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if not self._complained:
                log.warning("the inbox %s can't be marked as ours: %s", self._root, error.strerror)
            self._complained = True
            return False
        return True


def _read(marker: Path) -> bytes:
    """The beginning of a regular file; a pipe is not waited for, and a link not followed. Raises OSError."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(marker, flags)
    try:
        return os.read(descriptor, _LONGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _without_journal(owner: Owner) -> Owner:
    return Owner(owner.host, owner.machine, "")


def _name_of(owner: Owner) -> str:
    return f'"{owner.host}"' if owner.host else f"an unknown host ({MARKER} can't be read)"
