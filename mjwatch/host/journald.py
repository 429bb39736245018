"""The log as systemd's journal has it: a level and fields with each entry, over its own socket.

The format is that of systemd's documentation, "Native Journal Protocol": a datagram of fields, a line each,
``NAME=value``; where the value has lines itself, the name, a line end, its length in 64 bits and the value.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from typing import IO, TYPE_CHECKING

from mjwatch.host.subject import jobs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.host.redaction import Redaction

SOCKET = "/run/systemd/journal/socket"

IDENTIFIER = "mjwatch"

PATIENCE = 1.0
"""Seconds that a journal which does not read may hold us up."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def priority(level: int) -> int:
    """A level of Python's logging as syslog's: 2 critical, 3 error, 4 warning, 6 information, 7 debug."""
    return next((found for least, found in _PRIORITIES if level >= least), 7)


def is_read_by_journal(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the journal is at the other end of this stream (systemd.exec(5), ``$JOURNAL_STREAM``).

    A variable alone proves nothing: whoever is started by a service inherits it.
    """
    told = environ.get("JOURNAL_STREAM")
    if not told:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{found.st_dev}:{found.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each record as one entry, a traceback with it; where that fails, as lines on ``stream``."""

    def __init__(self, redaction: Redaction, stream: IO[str], address: str = SOCKET) -> None:
        """``stream`` is one that the journal reads: there a ``<N>`` before a line gives its level."""
        super().__init__()
        self._redaction = redaction
        self._stream = stream
        self._address = address

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        try:
            self._write(record)
        except Exception:  # a handler's top: what can't be logged must not end what is logged
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        level = str(priority(record.levelno))
        lines = self._redaction.lines(record)
        fields = [
            ("MESSAGE", "\n".join(lines)),
            ("PRIORITY", level),
            ("SYSLOG_IDENTIFIER", IDENTIFIER),
            ("LOGGER", record.name),
            ("THREAD_NAME", record.threadName or ""),
            *(("MJWATCH_JOB", job) for job in jobs_of(record)),  # the journal takes a field several times
        ]
        try:
            _send(b"".join(_field(*field) for field in fields), self._address)
        except OSError:  # no journal there now, or more than a datagram takes
            self._stream.writelines(f"<{level}>{line}\n" for line in lines)
            self._stream.flush()


def _send(entry: bytes, address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE)
        sender.sendto(entry, address)


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
