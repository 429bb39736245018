"""The inbox thread: find prompt files, wait until they are complete, hand them over, remove accepted ones.

The scan is the truth; the file system's events only say when to look sooner, and where.
"""

from __future__ import annotations

import logging
import threading
import time
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

from mjwatch.errors import ConfigError
from mjwatch.events import InboxScanned
from mjwatch.filesystem.files import folder_identity, identify
from mjwatch.filesystem.folder import durable_folder
from mjwatch.filesystem.permissions import removal_hint
from mjwatch.host.systemd import Liveness
from mjwatch.inbox.pickup import FilePickup, InFlightFiles
from mjwatch.inbox.reading import ReadingGuard
from mjwatch.inbox.removal import remove_taken, restore_aside
from mjwatch.inbox.scanner import IgnoredFileLog, IgnoredFiles, InboxScan, InboxScanner
from mjwatch.inbox.settling import Settling
from mjwatch.inbox.watcher import ChangeHints, FolderWatcher
from mjwatch.prompts.promptfile import MAX_BYTES
from mjwatch.trouble import inbox_trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mjwatch.events import FileSettled
    from mjwatch.inbox.ownership import Ownership
    from mjwatch.inbox.pickup import InFlightStatus
    from mjwatch.inbox.settling import SettlingStatus
    from mjwatch.trouble import Trouble

log = logging.getLogger("mjwatch.inbox")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 1.0
"""Seconds between two turns: as long as the last one took, so that a burst takes half a core at most."""

SCAN_INTERVAL = 5.0
"""Seconds between full scans where events don't arrive, or not for all changes."""

REMOTE_SETTLE = 10.0
"""Seconds that a file on a network file system must be quiet: changes by other machines show late."""

FULL_SCAN_INTERVAL = 600.0
"""Seconds after which every folder is read again even if its times say that nothing happened in it."""

LONGEST_TURN = 300.0
"""A longer turn counts as hung, even with a large inbox on a slow network; in seconds."""

TOO_LARGE = "it is too large, and was not read whole"


class Inbox:
    """One thread, "inbox", that scans and settles; ``emit`` gets every settled file and the result of scans.

    ``keep``: accepted files stay in the inbox. Without an ``ownership`` nothing checks whose inbox it is.
    """

    def __init__(
        self,
        root: Path,
        emit: Callable[[FileSettled | InboxScanned], None],
        *,
        settle: float,
        settle_incomplete: float,
        scan_interval: float,
        keep: bool = False,
        ownership: Ownership | None = None,
        max_jobs: int = 100,
        reading_note: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``max_jobs``: the most jobs of one file. ``reading_note``: where to note what is being read."""
        self._root = root
        self._emit = emit
        self._interval = scan_interval
        self._keep = keep
        self._ownership = ownership
        self._monotonic = monotonic
        self._scanner = InboxScanner(root)
        self._settling = Settling(settle, settle_incomplete)
        self._in_flight = InFlightFiles(monotonic)
        self._hints = ChangeHints(root)
        self._watcher = FolderWatcher(root, self._hints)
        self._guard = ReadingGuard()
        self._reading_note = reading_note
        self._pickup = FilePickup(
            root,
            emit,
            settling=self._settling,
            in_flight=self._in_flight,
            hints=self._hints,
            guard=self._guard,
            max_jobs=max_jobs,
        )
        self._ignored_log = IgnoredFileLog()
        self._ignored = IgnoredFiles()
        self._scan = InboxScan()
        self._trouble: Trouble | None = None
        self._next_scan = 0.0
        self._next_reread = 0.0
        self._next_retry: float | None = None
        self._reported: tuple[InboxScanned, int] | None = None
        self._liveness = Liveness(LONGEST_TURN)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        """Begin to watch and scan; make the folder if it is missing.

        Raise ConfigError if it can't be made, OwnerError if it belongs to another host.
        """
        try:
            durable_folder(self._root)
        except OSError as error:
            raise ConfigError(f"the inbox {self._root} can't be made: {error.strerror}") from error
        if self._ownership is not None:
            self._ownership.claim()
        restore_aside(self._root)
        if self._reading_note is not None:
            self._guard.open(self._reading_note)
        self._watcher.start()
        self._thread.start()

    def stop(self, patience: float = 10.0) -> None:
        """Stop the thread, within so many seconds, and the watch; files that have not settled stay there."""
        if self._thread.ident is None:
            return  # never started
        self._stopping.set()
        self._hints.add_everything()
        self._thread.join(patience)
        if not self._thread.is_alive():
            self._guard.close()
        self._watcher.stop()

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def healthy(self) -> bool:
        """Whether its thread runs and no turn hangs; the thread itself checks the watch."""
        return self.alive and not self._liveness.stalled

    def has_file(self, path: str) -> bool:
        """Return whether a file lies at this path, as far as is known; any thread may ask."""
        scan = self._scan
        spellings = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
        return any(name in scan.files for name in spellings) or any(map(path.startswith, scan.unreadable))

    def remove(self, path: str, identity: tuple[int, ...]) -> bool:
        """Remove an accepted file if it is still the one that was read; a newer one stays or is put back.

        Return False if the file stays although it was accepted: it is to be kept, can't be removed, or was
        too large to be read whole. It is then remembered, and not taken again as long as it looks the same.
        What can't be removed is removed by a later scan, once that is allowed.
        Any thread may call this.
        """
        try:
            return self._remove(path, identity)
        finally:
            self._release(path)

    def defer(self, path: str, why: str | None, seconds: float) -> None:
        """Let a file that was handed over stay for so long, reported; then treat it as new. Any thread."""
        self._keep_file(path, why, seconds)
        self._release(path)

    def _release(self, path: str) -> None:
        """Note that the engine has dealt with a file: others may be handed over."""
        if self._in_flight.release(path):
            self._hints.add_everything()
        else:
            self._hints.add(path)

    def _keep_file(self, path: str, why: str | None, seconds: float | None = None) -> None:
        self._in_flight.keep(path, why, seconds)
        self._hints.add(path)  # so that it is reported at once, not at the next full scan

    def _remove(self, path: str, identity: tuple[int, ...]) -> bool:
        if identity[2] > MAX_BYTES:
            self._keep_file(path, TOO_LARGE)
            return False
        if self._keep:
            return False
        try:
            self._remove_taken(path, identity)
        except OSError as error:
            why = f"it was taken, but can't be removed: {error.strerror}"
            hint = removal_hint(self._root, path, error)
            self._keep_file(path, f"{why}; {hint}" if hint else why)
            return False
        return True

    def _remove_taken(self, path: str, identity: tuple[int, ...]) -> None:
        """Remove a taken file, unless it has changed. Raise OSError if that fails; scans try it again."""
        self._in_flight.begin_removal(path, identity)
        try:
            is_removed = remove_taken(self._root, path, identity)
        except OSError:
            self._in_flight.removal_failed(path, identity)
            raise
        self._in_flight.end_removal(path, identity)
        if not is_removed:
            log.info(
                "%s has changed since it was taken; the new version is a new request",
                path,
                extra={"file": path},
            )
            self._hints.add(path)

    def _retry_removals(self) -> None:
        """Remove the files that could not be removed: their folders' rights may be other ones by now."""
        for path, identity in self._in_flight.unremoved():
            with suppress(OSError):
                self._remove_taken(path, identity)
                log.info("%s does not stay in the inbox any more", path, extra={"file": path})

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = self._monotonic()
            with self._liveness:
                next_turn = self._turn_safely(self._hints.take())
            self._stopping.wait(min(max(SHORTEST_PAUSE, self._monotonic() - began), LONGEST_PAUSE))
            self._hints.wait(max(0.0, next_turn - self._monotonic()))

    def _turn_safely(self, hints: set[str] | None) -> float:
        """Scan, hand over what is due, and report. Return the time of the next turn."""
        try:
            self._turn(hints, self._monotonic())
        except OSError as error:
            self._trouble = inbox_trouble(self._root, error)
            self._next_scan = self._monotonic() + min(SCAN_INTERVAL, self._interval)
        except (
            Exception
        ):  # the top of a thread: an error with one file must not end the watch over the others
            log.exception("mjwatch could not scan the inbox because of an unexpected error")
            self._stopping.wait(min(SCAN_INTERVAL, self._interval))
        settling, in_flight = self._settling.status(self._monotonic()), self._in_flight.status()
        next_turn = self._next_turn(settling, in_flight)
        self._report(settling, in_flight)
        return next_turn

    def _turn(self, hints: set[str] | None, now: float) -> None:
        """Scan what may have changed, then pick up the files that are due."""
        if hints is None or self._needs_full_scan(now):
            self._scan_all(now)
        elif hints and self._trouble is None:
            self._scan_hinted(hints, now)
        if self._trouble is not None:
            return
        for path, identity in self._settling.due(now):
            if self._stopping.is_set() or self._in_flight.is_full:
                break
            self._pickup.pick_up(path, identity, now)
        if self._pickup.holds_contents:
            self._pickup.release_contents(now)

    def _needs_full_scan(self, now: float) -> bool:
        """Return whether to scan more than what the hints name.

        If the inbox itself was exchanged, nothing is known any more. And kept files are known by their paths:
        before a file is taken it must be clear which others are gone.
        """
        if now >= self._next_scan or folder_identity(self._root) != self._scan.root_identity:
            return True
        if self._trouble is None and self._next_retry is not None and now >= self._next_retry:
            return True  # only a full scan makes deferred files new again
        return self._keep and bool(self._settling.due(now))

    def _scan_all(self, now: float) -> None:
        if self._trouble is None:
            self._retry_removals()
        reread = now >= self._next_reread or self._watcher.remote is not None
        scan = self._scanner.scan(now, reread=reread)
        if reread:
            self._next_reread = now + FULL_SCAN_INTERVAL
        self._reported = None  # a full scan is reported even if it found nothing new
        self._trouble = self._ownership.check(scan) if self._ownership is not None else None
        self._watcher.check(scan.folders, now)
        self._settling.set_least_quiet(REMOTE_SETTLE if self._watcher.remote is not None else 0.0)
        if self._trouble is None:
            self._apply(scan, now)
        relies_on_events = (
            self._watcher.is_complete and self._watcher.remote is None and self._trouble is None
        )
        interval = self._interval if relies_on_events else min(SCAN_INTERVAL, self._interval)
        self._next_scan = self._monotonic() + interval

    def _apply(self, scan: InboxScan, now: float) -> None:
        """Note which files are there, and so which are gone."""
        self._scan = scan
        self._settling.keep_only(scan.files)
        self._in_flight.forget_absent(scan.files)
        for path, identity in scan.files.items():
            self._pickup.notice(path, identity, now)

    def _scan_hinted(self, hints: set[str], now: float) -> None:
        """Look at these files only; ``ChangeHints`` has checked that their names are those of requests."""
        for path in hints:
            try:
                identity = identify(self._root, path)
            except OSError:
                self._hints.add_everything()  # a full scan handles a folder that can't be read
                continue
            if identity is None and folder_identity(self._root) != self._scan.root_identity:
                self._hints.add_everything()  # the inbox is gone, not the file
            elif identity is None:
                self._scan.files.pop(path, None)
                self._settling.forget(path)
            else:
                self._scan.files[path] = identity
                self._pickup.notice(path, identity, now)

    def _report(self, settling: SettlingStatus, in_flight: InFlightStatus) -> None:
        ignored = IgnoredFiles()
        for path, why in (*settling.stalled, *in_flight.kept):
            ignored.add(path, why)
        if self._scan.ignored.first:
            ignored.add_all(self._scan.ignored)
        if ignored != self._ignored:
            self._ignored_log.update(ignored)
            self._ignored = ignored
        waiting = settling.waiting + in_flight.deferred
        first, counts = tuple(ignored.first), dict(ignored.counts)
        report = (
            InboxScanned(waiting, first, counts, self._trouble, in_flight.in_flight),
            in_flight.in_flight,
        )
        if report != self._reported:
            self._emit(report[0])
        self._reported = report

    def _next_turn(self, settling: SettlingStatus, in_flight: InFlightStatus) -> float:
        """Return when something is due; hints that come before end the wait."""
        self._next_retry = in_flight.next_retry
        times = [self._next_scan]
        if self._trouble is None:
            times.append(self._next_scan if in_flight.next_retry is None else in_flight.next_retry)
            if settling.next_due is not None and not in_flight.is_full:
                times.append(settling.next_due)
        return min(times)
