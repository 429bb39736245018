"""Write ``outbox/status.json``: the state of the service, for people at the far end of a sync."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from mjwatch.errors import MjwatchError
from mjwatch.filesystem.files import read_file, replace_file
from mjwatch.outbox.manifest import iso
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

_LARGEST = 16 * 1024 * 1024
"""Bytes; a thousand jobs in flight take less than one MiB."""

_TIMES = ("capped_until", "quiet_until", "connected_since", "accepted", "until")
_VOLATILE_KEYS = ("percent",)
"""Keys that change all the time and don't cause a new version alone."""


def read_status(outbox: Path) -> dict[str, Any]:
    """Return what ``status.json`` says; {} if there is none that mjwatch has written."""
    try:
        found = json.loads(read_file(outbox, FILE_NAME, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}


class StatusFile:
    """One thread, "status", that writes the file when something in it has changed.

    ``collect`` returns the facts, those of ``mjwatch status --json``; ``also`` gets each version written.
    """

    def __init__(
        self,
        outbox: Path,
        collect: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float],
        also: Callable[[dict[str, Any]], None] = lambda status: None,
        interval: float = INTERVAL,
    ) -> None:
        """``clock`` gives seconds since 1970; ``interval`` in seconds."""
        self._outbox = outbox
        self._path = outbox / FILE_NAME
        self._collect = collect
        self._clock = clock
        self._also = also
        self._interval = interval
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._written: str | None = None
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
            self._changed.wait(RETRY_DELAY if self._failing else None)
            self._changed.clear()
            if not self._stopping.is_set():
                self._write_safely(running=True)
                self._stopping.wait(self._interval)

    def _write_safely(self, *, running: bool) -> None:
        """Write the file; log an error once and try again later, because nothing depends on the file."""
        try:
            self._write(running=running)
        except (OSError, MjwatchError) as error:
            if not self._failing:
                log.warning("%s can't be written: %s", self._path, error)
            self._failing = True
        except Exception:  # the top of a thread: the far end must not keep an outdated state
            if not self._failing:
                log.exception("%s can't be written because of an unexpected error", self._path)
            self._failing = True
        else:
            self._failing = False

    def _write(self, *, running: bool) -> None:
        facts = {"service": "running" if running else "stopped", **_shown(self._collect())}
        content = json.dumps(_without_volatile(facts), sort_keys=True)
        if content == self._written:
            return
        status = {"schema": SCHEMA, "at": iso(self._clock()), "version": __version__, **facts}
        text = json.dumps(status, ensure_ascii=False, indent=2) + "\n"
        replace_file(self._outbox, FILE_NAME, text.encode("utf-8", "replace"))
        self._written = content
        self._also(status)


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
