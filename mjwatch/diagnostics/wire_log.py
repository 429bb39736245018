"""What the wire said lately, in two small files beside the journal, for bundles.

Recorded are Midjourney's messages in the channel, the events of interactions, the answers of the API, how
downloads went, and where sessions begin and end; never the token or the id of a session.
Each line is one JSON object: ``at`` (seconds since 1970), ``kind`` (see WireKind), ``name`` and ``data``.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mjwatch.discord.json_values import is_object, object_of, objects_of
from mjwatch.discord.protocol import Opcode
from mjwatch.filesystem.files import read_file
from mjwatch.filesystem.folder import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mjwatch.discord.cdn import Download
    from mjwatch.discord.rest import HttpExchange

WIRE_FILE = "wire.jsonl"
"""The file in the state folder that grows; the older one is ``wire.jsonl.1``."""
LARGEST_FILE = 4 * 1024 * 1024
"""Bytes, after which a new file begins; both together hold some hundred jobs."""
LONGEST_ENTRY = 128 * 1024
"""Characters. A longer entry keeps only its name."""

SESSION_EVENTS = ("READY", "RESUMED")
_PASSIVE = ("PASSIVE_UPDATE_V1", "PASSIVE_UPDATE_V2")
_KEPT_HEADERS = ("content-type", "retry-after", "x-ratelimit-scope", "x-ratelimit-global", "via")

log = logging.getLogger(__name__)


class WireKind(StrEnum):
    """The kind of an entry."""

    DISPATCH = "dispatch"
    """``name`` is the event's, ``data`` what was under ``d``."""
    SESSION = "session"
    """READY with the own ``user_id``, or RESUMED."""
    CLOSED = "closed"
    """The connection ended; ``code`` is that of its close frame, or null."""
    HTTP = "http"
    """``name`` is ``POST /interactions``; ``data`` has ``status``, ``headers``, ``body`` and ``sent``.

    ``at`` is the time of the answer, ``took`` the seconds until then.
    """
    DOWNLOAD = "download"
    """``name`` is the path of a picture; ``data`` has ``status``, ``begins`` (hex) and ``failed``."""


@dataclass(frozen=True, slots=True)
class WireLine:
    """One entry of the files."""

    at: float
    kind: WireKind
    name: str
    data: Any


class WireLog:
    """Appends to the files. Its methods may be called by any thread, and never raise."""

    def __init__(self, state: Path, channel_id: str, clock: Callable[[], float]) -> None:
        """``clock`` returns seconds since 1970."""
        self._state = state
        self._channel_id = channel_id
        self._clock = clock
        self._user_id = ""
        self._file: int | None = None
        self._size = 0
        self._lock = threading.Lock()
        self._logged: set[type[Exception]] = set()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    @contextmanager
    def _no_harm(self) -> Iterator[None]:
        """Let no failure of the recording reach what is recorded, such as a POST that was accepted."""
        try:
            yield
        except OSError as error:  # the disk is full, for example: the journal reports that
            log.debug("the wire is not recorded: %s", error.strerror)
        except Exception as error:  # a fault may come with every message
            if type(error) not in self._logged:
                self._logged.add(type(error))
                log.exception("the wire can't be recorded")

    def gateway(self, direction: str, payload: Mapping[str, Any]) -> None:
        """Record what was received, if it is about us: the ``tap`` of a WebsocketConnection."""
        with self._no_harm():
            if direction == "closed":
                self._add(WireKind.CLOSED, "close", {"code": payload.get("code")})
            elif direction == "received" and payload.get("op") == Opcode.DISPATCH:
                self._dispatch(str(payload.get("t")), object_of(payload.get("d")))

    def http(self, exchange: HttpExchange) -> None:
        """Record an exchange: the ``tap`` of a DiscordREST."""
        with self._no_harm():
            self._exchange(exchange)

    def _exchange(self, exchange: HttpExchange) -> None:
        data: dict[str, Any] = {"status": exchange.status, "took": round(exchange.took, 3)}
        headers = {name.lower(): value for name, value in exchange.headers.items()}
        data["headers"] = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        is_post = exchange.path == "/interactions"
        if is_post and is_object(exchange.sent):
            data["sent"] = {key: value for key, value in exchange.sent.items() if key != "session_id"}
        if is_post or exchange.status != 200:
            data["body"] = exchange.body()
        elif exchange.path.endswith("/messages") and exchange.method == "GET":
            data["body"] = self._own_messages(exchange.body())
        self._add(WireKind.HTTP, f"{exchange.method} {exchange.path}", data)

    def download(self, download: Download) -> None:
        """Record a download: the ``tap`` of a CDN."""
        data = {"status": download.status, "begins": download.begins.hex(), "failed": bool(download.error)}
        with self._no_harm():
            self._add(WireKind.DOWNLOAD, urlsplit(download.url).path, data)

    def _dispatch(self, name: str, data: Mapping[str, Any]) -> None:
        if name in SESSION_EVENTS:
            self._user_id = str(object_of(data.get("user")).get("id") or self._user_id)
            self._add(WireKind.SESSION, name, {"user_id": self._user_id})
        elif name.startswith("INTERACTION_") or (
            name.startswith("MESSAGE_") and data.get("channel_id") == self._channel_id
        ):
            self._add(WireKind.DISPATCH, name, data)
        elif name in _PASSIVE and (own := self._own_channels(data)):
            shown = {key: data[key] for key in ("guild_id",) if key in data}
            self._add(WireKind.DISPATCH, name, {**shown, "updated_channels": own, "channels": own})

    def _own_channels(self, data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        channels = [*objects_of(data.get("updated_channels")), *objects_of(data.get("channels"))]
        return [channel for channel in channels if channel.get("id") == self._channel_id]

    def _own_messages(self, page: object) -> list[object]:
        """Return the messages that name us; those of other people are none of a bundle's business."""
        messages = page if isinstance(page, list) else []
        return [message for message in messages if self._user_id and self._user_id in json.dumps(message)]

    def _add(self, kind: WireKind, name: str, data: object) -> None:
        entry = {"at": round(self._clock(), 3), "kind": kind, "name": name, "data": data}
        line = json.dumps(entry, separators=(",", ":"))
        if len(line) > LONGEST_ENTRY:
            line = json.dumps({**entry, "data": None})
        with self._lock:
            self._write(line.encode() + b"\n")

    def _write(self, line: bytes) -> None:
        if self._file is not None and self._size > LARGEST_FILE:
            os.close(self._file)
            self._file = None
            with open_folder(self._state) as folder:
                folder.move(WIRE_FILE, folder, f"{WIRE_FILE}.1")
        if self._file is None:
            with open_folder(self._state) as folder:
                self._file = folder.open_for_update(WIRE_FILE)
            self._size = os.lseek(self._file, 0, os.SEEK_END)
        self._size += os.write(self._file, line)


def read_wire(state: Path, since: float) -> Iterator[WireLine]:
    """Yield what was recorded at or after ``since`` (seconds since 1970), oldest first.

    Lines that a crash has left incomplete are skipped.
    """
    for name in (f"{WIRE_FILE}.1", WIRE_FILE):
        try:
            text = read_file(state, name, 2 * LARGEST_FILE).decode("utf-8", "replace")
        except OSError:
            continue
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                found = WireLine(
                    float(entry["at"]), WireKind(entry["kind"]), str(entry["name"]), entry["data"]
                )
            except (ValueError, TypeError, KeyError):
                continue
            if found.at >= since:
                yield found
