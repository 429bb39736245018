"""The inbox: finds prompt files, waits until they are complete, hands them on, and removes what was taken.

The scan is the truth; notices of the file system only say when to look sooner, and where.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

from mjwatch.errors import ConfigError
from mjwatch.events import InboxScanned
from mjwatch.filesystem.files import identify
from mjwatch.host.systemd import Liveness
from mjwatch.inbox.in_flight import InFlightFiles
from mjwatch.inbox.pickup import FilePickup
from mjwatch.inbox.removal import remove_taken, restore_aside
from mjwatch.inbox.scanner import IgnoredFileLog, IgnoredFiles, InboxScan, InboxScanner
from mjwatch.inbox.settling import Settling
from mjwatch.inbox.watcher import ChangeHints, FolderWatcher, place_of
from mjwatch.prompts.promptfile import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mjwatch.events import FileSettled
    from mjwatch.inbox.ownership import Ownership

log = logging.getLogger("mjwatch.inbox")

BREATH, LONGEST_BREATH = 0.005, 1.0
"""Seconds between two looks: as long as the last one took, so that a burst takes half a core at most."""

POLL = 5.0
"""Seconds between full looks where notices don't come, or not of all that happens."""

REMOTE_SETTLE = 10.0
"""Seconds that a file on a network file system must be quiet for: what others write shows late."""

READ_ANEW = 600.0
"""Seconds after which every folder is read again even if its times say that nothing happened in it."""

LONGEST_LOOK = 300.0
"""Seconds that no look takes, at a large inbox on a slow network either."""

TOO_LARGE = "it is too large, and was not read whole"


class Inbox:
    """One thread, "inbox", that looks and settles; ``put`` gets what settled and word of every look.

    ``keep``: what was taken stays in the inbox. Without an ``ownership`` nobody is asked whose it is.
    """

    def __init__(
        self,
        root: Path,
        put: Callable[[FileSettled | InboxScanned], None],
        *,
        settle: float,
        settle_incomplete: float,
        scan_interval: float,
        keep: bool = False,
        ownership: Ownership | None = None,
    ) -> None:
        self._root = root
        self._put = put
        self._interval = scan_interval
        self._keep = keep
        self._ownership = ownership
        self._listing = InboxScanner(root)
        self._settling = Settling(settle, settle_incomplete)
        self._handed = InFlightFiles()
        self._bell = ChangeHints(root)
        self._watch = FolderWatcher(root, self._bell)
        self._taking = FilePickup(root, put, settling=self._settling, handed=self._handed, bell=self._bell)
        self._teller = IgnoredFileLog()
        self._look = InboxScan()
        self._trouble: str | None = None
        self._next_look = 0.0
        self._read_anew = 0.0
        self._told: tuple[InboxScanned, int] | None = None
        self._pulse = Liveness(LONGEST_LOOK)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        """Begin to watch and look. The folder is made where it is missing.

        Raises ConfigError if it can't be made, OwnerError if it is another host's.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the inbox {self._root} can't be made: {error.strerror}") from error
        if self._ownership is not None:
            self._ownership.begin()
        restore_aside(self._root)
        self._watch.start()
        self._thread.start()

    def stop(self, patience: float = 10.0) -> None:
        """End the thread, within so many seconds, and the watch; files that have not settled stay there."""
        if self._thread.ident is None:
            return  # never started
        self._stop.set()
        self._bell.ring()
        self._thread.join(patience)
        self._watch.stop()

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def healthy(self) -> bool:
        """Whether it looks, and no look hangs; it sees to the watch itself."""
        return self.alive and not self._pulse.stalled

    def holds(self, path: str) -> bool:
        """Whether a file lies at this path, as far as is known; any thread may ask."""
        look = self._look
        spellings = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
        return any(one in look.files for one in spellings) or any(map(path.startswith, look.unreadable))

    def remove(self, path: str, identity: tuple[int, ...]) -> bool:
        """Take out an accepted file if it is still the one that was read; a newer one stays or is put back.

        False where it stays although it was taken: it is to be kept, can't be removed, or was too large to
        be read whole. Then it is remembered, and not taken again as long as it looks the same. Any thread
        may call this.
        """
        try:
            return self._remove(path, identity)
        finally:
            self._back(path)

    def leave(self, path: str, why: str | None, seconds: float) -> None:
        """Let a file that was handed on lie there for so long, told of; then it is as new. Any thread."""
        self._stay(path, why, seconds)
        self._back(path)

    def _back(self, path: str) -> None:
        """It is dealt with: others may go out, and it is no longer waited for."""
        if self._handed.back(path):
            self._bell.ring()
        else:
            self._bell.hint(path)

    def _stay(self, path: str, why: str | None, seconds: float | None = None) -> None:
        self._handed.stay(path, why, seconds)
        self._bell.hint(path)  # so that it is told of at once, not at the next full look

    def _remove(self, path: str, identity: tuple[int, ...]) -> bool:
        if identity[2] > MAX_BYTES:
            self._stay(path, TOO_LARGE)
            return False
        if self._keep:
            return False
        try:
            if remove_taken(self._root / path, identity):
                return True
        except OSError as error:
            with suppress(OSError):
                found = identify(self._root, path)
                if found is not None and found[:4] == identity[:4]:
                    self._handed.ignore(path, found)  # to be put back has changed its ctime
            self._stay(path, f"it was taken, but can't be removed: {error.strerror}")
            return False
        log.info("%s has changed since it was taken; the new one is a request of its own", path)
        self._bell.hint(path)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            with self._pulse:
                self._look_safely(self._bell.take())
            self._stop.wait(min(max(BREATH, time.monotonic() - began), LONGEST_BREATH))
            self._bell.wait(self._wait())

    def _look_safely(self, hints: set[str] | None) -> None:
        try:
            now = time.monotonic()
            if self._wants_full_look(hints, now):
                self._look_at_all(now)
            elif hints and self._trouble is None:
                self._look_at(hints, now)
            self._take_due(now)
        except OSError as error:
            self._note(f"the inbox {self._root} can't be read: {error.strerror}")
            self._next_look = time.monotonic() + min(POLL, self._interval)
        except Exception:  # a thread's top: one file that trips us must not end the watch over all others
            log.exception("the inbox could not be looked at in an unforeseen way")
            self._stop.wait(min(POLL, self._interval))
        self._report()

    def _wants_full_look(self, hints: set[str] | None, now: float) -> bool:
        """Whether to look at more than what was hinted at.

        Where the inbox itself was exchanged nothing is what it was. And kept files are known by their paths:
        before one is taken it must be clear which others are gone.
        """
        if hints is None or now >= self._next_look or place_of(self._root) != self._look.place:
            return True
        if self._trouble is None and now >= (self._handed.next_due() or math.inf):
            return True  # only a look at all makes what was left for a while new again
        return self._keep and bool(self._settling.due(now))

    def _look_at_all(self, now: float) -> None:
        anew = now >= self._read_anew or self._watch.remote is not None
        look = self._listing.look(now, anew=anew)
        if anew:
            self._read_anew = now + READ_ANEW
        self._told = None  # what was found is told even if it is what was found before
        self._note(self._ownership.trouble(look) if self._ownership is not None else None)
        self._watch.check(look.folders, now)
        self._settling.least = REMOTE_SETTLE if self._watch.remote is not None else 0.0
        if self._trouble is None:
            self._learn(look, now)
        hears = self._watch.hears and self._watch.remote is None and self._trouble is None
        self._next_look = time.monotonic() + (self._interval if hears else min(POLL, self._interval))

    def _learn(self, look: InboxScan, now: float) -> None:
        """What is there by now, and with that what is gone."""
        self._look = look
        self._settling.keep_only(look.files)
        self._handed.tidy(look.files)
        for path, identity in look.files.items():
            self._taking.notice(path, identity, now)

    def _look_at(self, hints: set[str], now: float) -> None:
        for path in hints:
            try:
                identity = self._listing.look_at(path)
            except OSError:
                self._bell.ring()  # a full look knows what to do where one folder can't be read
                continue
            if identity is None:
                self._look.files.pop(path, None)
                self._settling.taken(path)
            else:
                self._look.files[path] = identity
                self._taking.notice(path, identity, now)

    def _take_due(self, now: float) -> None:
        if self._trouble is not None:
            return
        for path, identity in self._settling.due(now):
            if self._stop.is_set() or self._handed.full:
                break
            self._taking.take(path, identity, now)
        self._taking.tidy(now)

    def _note(self, trouble: str | None) -> None:
        """What keeps us from taking anything, told when it comes and when it goes."""
        if trouble is not None and trouble != self._trouble:
            log.error("%s", trouble)
        elif trouble is None and self._trouble is not None:
            log.info("the inbox %s can be used again", self._root)
        self._trouble = trouble

    def _report(self) -> None:
        left = IgnoredFiles()
        for path, why in (*self._settling.stuck(time.monotonic()), *self._handed.staying()):
            left.add(path, why)
        left.add_all(self._look.left)
        self._teller.tell(left.first, left.counts)
        waiting = len(self._settling) + self._handed.pending()
        out = self._handed.out
        found = InboxScanned(waiting, tuple(left.first), dict(left.counts), self._trouble, out)
        if (found, out) != self._told:
            self._put(found)
        self._told = (found, out)

    def _wait(self) -> float:
        """Seconds until something is due."""
        due = [self._next_look]
        if self._trouble is None:
            due += [time for time in (self._handed.next_due(),) if time is not None]
            settled = self._settling.next_due()
            if settled is not None and not self._handed.full:
                due.append(settled)
        return max(0.0, min(due) - time.monotonic())
