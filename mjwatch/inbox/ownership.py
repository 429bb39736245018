"""Make sure that one host and one journal take prompt files out of an inbox: a marker file names them.

The marker travels with a synced inbox, so that a daemon on another machine sees it. It never expires: only a
person knows whether the other machine is gone for good. It also tells an inbox from the empty folder that is
left where its disk is not mounted.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from mjwatch.errors import OwnerError
from mjwatch.filesystem.files import folder_identity, read_file
from mjwatch.filesystem.folder import open_folder
from mjwatch.inbox.filenames import OWNER_FILE
from mjwatch.trouble import Trouble, TroubleKind

if TYPE_CHECKING:
    from pathlib import Path

    from mjwatch.inbox.scanner import InboxScan

log = logging.getLogger("mjwatch.inbox")

_TEMPORARY = ".~mjwatch-owner.tmp"
_LARGEST_MARKER = 4096

NOT_MOUNTED = Trouble(
    TroubleKind.INBOX,
    "the inbox {root} is empty and is not the same folder as before: is its disk mounted? Nothing is taken",
    "mount it, or put a file into the new folder",
)
OTHER_HOST = Trouble(
    TroubleKind.OWNER,
    "the inbox {root} now belongs to mjwatch on {host}; nothing is taken here",
    "stop mjwatch there for good, then start it here with `mjwatch run --take-over`",
)
ANOTHER_JOURNAL = Trouble(
    TroubleKind.OWNER,
    "the inbox {root} now belongs to another mjwatch on this machine, with another state folder; nothing is"
    " taken here",
    "stop one of the two, then start the other again",
)
UNKNOWN_FILES = Trouble(
    TroubleKind.INBOX,
    "the inbox {root} keeps prompt files that this journal does not know, so nothing is taken",
    "remove the files that have their pictures already, then stop mjwatch and start it with"
    " `mjwatch run --accept-existing`",
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
    """What is known about the inbox beforehand, and what a person has decided at the start.

    ``known``: this journal has owned it before. ``has_files``: the journal knows of taken files. ``keep``:
    taken files stay in it.
    """

    known: bool = False
    has_files: bool = False
    keep: bool = False
    take_over: bool = False
    accept_existing: bool = False


def owner_of(root: Path) -> Owner | None:
    """Return the owner that the inbox's marker names; None if there is no marker.

    A marker that can't be read names an unknown owner.
    """
    try:
        found = json.loads(read_file(root, OWNER_FILE, _LARGEST_MARKER))
        return Owner(*(str(found[key])[:200] for key in ("host", "machine", "journal")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Owner("", "", "")


class Ownership:
    """The ownership of one inbox by this process."""

    def __init__(self, root: Path, owner: Owner, facts: OwnershipFacts) -> None:
        self._root = root
        self._owner = owner
        self._facts = facts
        self._folder: tuple[int, int] | None = None
        self._marked: tuple[int, int] | None = None
        self._is_known = not facts.keep or facts.accept_existing
        self._has_complained = False

    def claim(self) -> None:
        """Raise OwnerError, with the owner's name, if the inbox belongs to another host."""
        found = owner_of(self._root)
        if found is None or self._is_ours(found):
            return
        if self._facts.take_over:
            log.warning("mjwatch takes over the inbox %s from %s", self._root, _name_of(found))
            self._write(self._owner if self._is_known else _without_journal(self._owner))
            return
        raise OwnerError(
            f"the inbox {self._root} belongs to mjwatch on {_name_of(found)}, which takes its prompt files",
            "stop it there for good, then `mjwatch run --take-over` here",
        )

    def check(self, scan: InboxScan) -> Trouble | None:
        """Return why nothing may be taken now, after a full scan of the inbox; None if all is in order."""
        found = owner_of(self._root)
        folder = folder_identity(self._root)
        if found is not None and not self._is_ours(found):
            return self._trouble(OTHER_HOST, _name_of(found))
        if found is not None and folder == self._marked and found.journal not in ("", self._owner.journal):
            return self._trouble(ANOTHER_JOURNAL)  # writing our marker over it would begin a fight
        if found is None and scan.is_empty and (self._facts.known or self._folder) and folder != self._folder:
            return self._trouble(NOT_MOUNTED)
        self._folder = folder
        if not self._is_known and not self._knows_files(found, scan):
            if found is None:
                self._write(_without_journal(self._owner))
            return self._trouble(UNKNOWN_FILES)
        self._is_known = True
        if found == self._owner or self._write(self._owner):
            self._marked = folder
        return None

    def _trouble(self, trouble: Trouble, host: str = "") -> Trouble:
        return replace(trouble, sentence=trouble.sentence.format(root=self._root, host=host))

    def _knows_files(self, found: Owner | None, scan: InboxScan) -> bool:
        """Return whether this journal knows the files that are kept in the inbox, or there are none."""
        if not scan.files or (found is not None and found.journal == self._owner.journal):
            return True
        return found is None and self._facts.has_files

    def _is_ours(self, found: Owner) -> bool:
        return found.machine == self._owner.machine

    def _write(self, owner: Owner) -> bool:
        """Write the marker; return whether that succeeded."""
        note = {"note": "the one mjwatch that takes prompt files from this folder"}
        text = json.dumps(note | asdict(owner), indent=1)
        try:
            with open_folder(self._root) as folder:
                folder.replace(OWNER_FILE, f"{text}\n".encode(), _TEMPORARY)
        except OSError as error:
            if not self._has_complained:
                log.warning("mjwatch can't mark the inbox %s as its own: %s", self._root, error.strerror)
            self._has_complained = True
            return False
        return True


def _without_journal(owner: Owner) -> Owner:
    return Owner(owner.host, owner.machine, "")


def _name_of(owner: Owner) -> str:
    return f'"{owner.host}"' if owner.host else f"an unknown host ({OWNER_FILE} can't be read)"
