"""Write ``outbox/status.json``: the state of the service, for people at the far end of a sync."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mjwatch.errors import MjwatchError, OutboxError, reason_of
from mjwatch.filesystem.files import read_file, replace_or_overwrite
from mjwatch.outbox.manifest import iso
from mjwatch.trouble import Trouble, TroubleKind, trouble_facts, worst_first
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

log = logging.getLogger("mjwatch.status")

SCHEMA = "mjwatch/status/1"
FILE_NAME = "status.json"
INTERVAL = 10.0
"""Seconds between two versions: each one travels to every machine that syncs the outbox."""

RETRY_DELAY = 10.0
"""Seconds until a version that could not be written is tried again, even if nothing changes."""

REFRESH = 0.9
"""The share of a heartbeat after which the file is written again: readers expect it within a whole one."""

LONGEST_WAIT = 60.0
"""Seconds after which the thread looks at the clock: it may have been set, or the machine suspended."""

_LARGEST = 16 * 1024 * 1024
"""Bytes; a thousand jobs in flight take less than one MiB."""

_TIMES = ("capped_until", "quiet_until", "connected_since", "accepted", "until", "since", "not_before")
_VOLATILE_KEYS = ("percent", "read")
"""Keys that change all the time and don't cause a new version alone."""


def read_status(outbox: Path) -> dict[str, Any]:
    """Return what ``status.json`` says; {} if there is none that mjwatch has written."""
    try:
        found = json.loads(read_file(outbox, FILE_NAME, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}


def with_journal_trouble(facts: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts on troubles with those of the journal from ``status``, where the journal can't say it.

    ``facts``: those of ``mjwatch status --json``, with times in seconds since 1970.
    """
    known = [Trouble.stored(trouble) for trouble in facts["troubles"]]
    try:
        found = [_trouble_of(trouble) for trouble in status["troubles"]]
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        found = []  # another version's, or somebody else has changed it
    of_journal = [trouble for trouble in found if trouble.kind is TroubleKind.JOURNAL]
    return trouble_facts(worst_first([*of_journal, *known]))


def _trouble_of(shown: Mapping[str, Any]) -> Trouble:
    since = datetime.fromisoformat(shown["since"]).timestamp()
    return Trouble(TroubleKind(shown["kind"]), str(shown["sentence"]), str(shown["remedy"]), since)


def last_sign_of_life(status: Mapping[str, Any], journal_written: float | None) -> float | None:
    """Return when a service that does not run any more was last seen alive; None if it has stopped cleanly.

    ``status`` is what ``read_status`` returns. ``journal_written``: when the journal was last written, if it
    was not closed. Times are in seconds since 1970.
    """
    if status.get("service") != "running":
        return None
    try:
        written = datetime.fromisoformat(str(status.get("at"))).timestamp()
    except (ValueError, OverflowError, OSError):
        return journal_written
    return written if journal_written is None else max(written, journal_written)


class StatusFile:
    """One thread, "status", that writes the file when something in it has changed, and at each heartbeat.

    ``collect`` returns the facts, those of ``mjwatch status --json``; ``also`` gets each version written.
    ``tried`` gets the error when the outbox can't be written, and None when it can again.
    """

    def __init__(
        self,
        outbox: Path,
        collect: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float],
        also: Callable[[dict[str, Any]], None] = lambda status: None,
        tried: Callable[[OSError | OutboxError | None], None] = lambda error: None,
        interval: float = INTERVAL,
        heartbeat: float = 0.0,
    ) -> None:
        """``clock`` gives seconds since 1970; ``interval`` and ``heartbeat`` in seconds, 0: no heartbeat."""
        self._outbox = outbox
        self._path = outbox / FILE_NAME
        self._collect = collect
        self._clock = clock
        self._also = also
        self._tried = tried
        self._error: OSError | None = None
        self._obstacle: str | None = None
        self._interval = interval
        self._heartbeat = heartbeat
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._written: str | None = None
        self._written_at = float("-inf")
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Write the first version and wait for changes."""
        self._changed.set()
        self._thread.start()

    def changed(self) -> None:
        """Note that something may have changed; any thread may call this."""
        self._changed.set()

    def stop(self, patience: float = 10.0) -> None:
        """Write the last version, which says that the service has stopped.

        If the disk does not answer within ``patience`` seconds, nothing is written: the caller would hang.
        """
        self._stopping.set()
        self._changed.set()
        self._thread.join(patience)
        if not self._thread.is_alive():
            self._write_safely(running=False)

    def _run(self) -> None:
        while not self._stopping.is_set():
            has_changed = self._changed.wait(self._patience())
            self._changed.clear()
            if (has_changed or self._failing or self._is_due()) and not self._stopping.is_set():
                self._write_safely(running=True)
                self._stopping.wait(self._interval)

    def _patience(self) -> float | None:
        """Return the seconds to wait for a change."""
        if self._failing or not self._heartbeat:
            return RETRY_DELAY if self._failing else None
        due = self._written_at + REFRESH * self._heartbeat
        return min(max(0.0, due - self._clock()), LONGEST_WAIT)

    def _is_due(self) -> bool:
        """Return whether the readers expect a version soon, or the clock was set back."""
        age = self._clock() - self._written_at
        return self._heartbeat > 0 and not 0 <= age < REFRESH * self._heartbeat

    def _write_safely(self, *, running: bool) -> None:
        """Write the file; log an error once and try again later, because nothing depends on the file."""
        try:
            self._note_obstacle(self._write(running=running))
        except (OSError, OutboxError) as error:
            self._note_obstacle(error)
            self._failing = True
        except MjwatchError as error:
            if not self._failing:
                log.warning("%s can't be written: %s", self._path, error)
            self._failing = True
        except Exception:  # the top of a thread: the far end must not keep an outdated state
            if not self._failing:
                log.exception("%s can't be written because of an unexpected error", self._path)
            self._failing = True
        else:
            self._failing = False

    def _note_obstacle(self, error: OSError | OutboxError | None) -> None:
        """Report whether the outbox can be written, if that has changed."""
        obstacle = None if error is None else reason_of(error)
        if obstacle != self._obstacle:
            self._obstacle = obstacle
            log.info(
                "%s %s", self._path, f"can't be written: {obstacle}" if error else "can be written again"
            )
            self._tried(error)

    def _write(self, *, running: bool) -> OSError | None:
        """Write the file if it is due. Return why the outbox can't be used though this file was written."""
        facts = {"service": "running" if running else "stopped", **_shown(self._collect())}
        content = json.dumps(_without_volatile(facts), sort_keys=True)
        if content == self._written and not self._is_due():
            return self._error
        now = self._clock()
        expected_by = iso(now + self._heartbeat) if running and self._heartbeat else None
        status = {
            "schema": SCHEMA,
            "at": iso(now),
            "expected_by": expected_by,
            "version": __version__,
            **facts,
        }
        text = json.dumps(status, ensure_ascii=False, indent=2) + "\n"
        self._error = replace_or_overwrite(self._outbox, FILE_NAME, text.encode("utf-8", "replace"))
        self._written, self._written_at = content, now
        self._also(status)
        return self._error


def _shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts without what only concerns this machine, and with times that a person can read."""
    known = {key: value for key, value in facts.items() if key != "daemon"}
    return {key: _readable(key, value) for key, value in known.items()}


def _readable(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _readable(inner, inner_value) for inner, inner_value in value.items()}
    if isinstance(value, list):
        return [_readable(key, item) for item in value]
    return iso(value) if key in _TIMES else value


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(inner) for key, inner in value.items() if key not in _VOLATILE_KEYS}
    return [_without_volatile(item) for item in value] if isinstance(value, list) else value
