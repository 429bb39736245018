"""Logging: text lines for a terminal or file, JSON lines, or entries in systemd's journal.

Every line passes the redaction of secrets and control characters. A line about a job carries the job's id as
a field (``extra={"job": id}``), so that all lines of one job can be found.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import socket
import struct
import sys
import threading
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from mjwatch.errors import ConfigError
from mjwatch.host.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path
    from types import TracebackType

log = logging.getLogger("mjwatch")

_TIME, _DATE_AND_TIME = "%H:%M:%S", "%Y-%m-%d %H:%M:%S"

JOURNAL_SOCKET = "/run/systemd/journal/socket"

IDENTIFIER = "mjwatch"

SEND_TIMEOUT = 1.0
"""Seconds to wait for a journal that does not read."""

REPEAT_AFTER = 600.0
"""Seconds after which ``LogOnce`` lets the same message through again."""


LOG_FILE_SIZE = 10 * 1024 * 1024
"""Bytes at which the log file is renamed, and a new one begun."""

OLD_LOG_FILES = 5


def start_logging(
    secrets: Collection[str],
    level: int = logging.INFO,
    style: str = "auto",
    *,
    file: Path | None = None,
    rewrite: Callable[[str], str] = lambda text: text,
) -> None:
    """Log to standard error, or to this file, from now on; the program's own process calls this once.

    Raise ConfigError if the file can't be written. ``rewrite`` gets each message and returns what is logged.

    ``style`` is "text", "json", or "auto", which means entries if systemd's journal reads standard error, and
    text otherwise. Python's own messages (unhandled errors of any thread, warnings) are logged the same way.
    After a fatal signal, such as that of systemd's watchdog, the position of each thread is printed on
    standard error.
    """
    root = logging.getLogger()
    redaction = Redaction(secrets, rewrite)
    root.handlers[:] = [
        _handler(redaction, sys.stderr, style) if file is None else _file_handler(redaction, file, style)
    ]
    root.setLevel(logging.WARNING)
    logging.getLogger("mjwatch").setLevel(level)
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)  # its warnings repeat what a server sent
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_shutdown_noise)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # an error of the log itself would show the record's arguments
    sys.excepthook = _log_unhandled
    threading.excepthook = _log_unhandled_in_thread
    if not faulthandler.is_enabled():
        faulthandler.enable()


def _handler(redaction: Redaction, stream: IO[str], style: str) -> logging.Handler:
    if style == "auto" and is_read_by_journal(stream):
        return JournalHandler(redaction, stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(redaction, style, dated=not stream.isatty()))
    return handler


def _file_handler(redaction: Redaction, file: Path, style: str) -> logging.Handler:
    from logging.handlers import RotatingFileHandler  # it loads queues and more, which few need

    try:
        handler = RotatingFileHandler(
            file, maxBytes=LOG_FILE_SIZE, backupCount=OLD_LOG_FILES, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise ConfigError(
            f"the log file {file} can't be written: {error.strerror}", "choose another file for --log-file"
        ) from error
    handler.setFormatter(_formatter(redaction, style, dated=True))
    return handler


def _formatter(redaction: Redaction, style: str, *, dated: bool) -> logging.Formatter:
    return JsonFormatter(redaction) if style == "json" else LineFormatter(redaction, dated=dated)


def _is_no_shutdown_noise(record: logging.LogRecord) -> bool:
    """Return False for the error that watchdog 7.1 logs for events that arrive while it is being stopped."""
    return "called when the thread is inactive" not in record.getMessage()


def _log_unhandled(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("an unexpected error ended the program", exc_info=(kind, error, traceback))


def _log_unhandled_in_thread(args: threading.ExceptHookArgs) -> None:
    if not issubclass(args.exc_type, SystemExit):
        name = args.thread.name if args.thread else "?"
        error = args.exc_value or args.exc_type()
        log.critical("an unexpected error ended the thread %s", name, exc_info=error)


# ---- text and JSON


class LineFormatter(logging.Formatter):
    """Formats a record as one line, with its traceback indented below."""

    def __init__(self, redaction: Redaction, *, dated: bool = False) -> None:
        """``dated`` adds the day, for a file that is read later."""
        super().__init__(datefmt=_DATE_AND_TIME if dated else _TIME)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, without secrets and control characters."""
        head = f"{self.formatTime(record, self.datefmt)} {record.levelname:<7}"
        return f"{head} " + "\n".join(_lines(record, self._redaction))


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return an object with ``at, level, logger, thread, job, message, traceback``.

        ``job`` is an id, a list of ids if the line is about several jobs, or null if it is about none.
        """
        jobs = jobs_of(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "job": list(jobs) if len(jobs) > 1 else next(iter(jobs), None),
            "message": _message(record, self._redaction),
            "traceback": _traceback_lines(record, self._redaction),
        }
        return json.dumps(fields)


# ---- systemd's journal

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def priority(level: int) -> int:
    """Return syslog's number for a level: 2 critical, 3 error, 4 warning, 6 information, 7 debug."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def is_read_by_journal(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether systemd's journal reads this stream (systemd.exec(5), ``$JOURNAL_STREAM``).

    The variable alone proves nothing, because every program that a service starts inherits it.
    """
    named = environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each record, with its traceback, as one entry; if that fails, writes lines to ``stream``.

    The format is that of systemd's documentation, "Native Journal Protocol": a datagram of lines
    ``NAME=value``. A value with several lines is sent as its name, a line end, its length in 64 bits and
    the value.
    """

    def __init__(self, redaction: Redaction, stream: IO[str], address: str = JOURNAL_SOCKET) -> None:
        """The journal reads ``stream`` too: ``<N>`` before a line gives the line's level there."""
        super().__init__()
        self._redaction = redaction
        self._stream = stream
        self._address = address

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record to the journal socket, or to the stream where the socket can't be used."""
        try:
            self._write(record)
        except Exception:  # the top of a handler: a record that can't be logged must not end the program
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        level = str(priority(record.levelno))
        lines = _lines(record, self._redaction)
        fields = [
            ("MESSAGE", "\n".join(lines)),
            ("PRIORITY", level),
            ("SYSLOG_IDENTIFIER", IDENTIFIER),
            ("LOGGER", record.name),
            ("THREAD_NAME", record.threadName or ""),
            *(("MJWATCH_JOB", job) for job in jobs_of(record)),  # the journal accepts a field several times
        ]
        try:
            _send(b"".join(_field(*field) for field in fields), self._address)
        except OSError:  # the journal is not there now, or the entry is larger than a datagram
            self._stream.writelines(f"<{level}>{line}\n" for line in lines)
            self._stream.flush()


def _send(entry: bytes, address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(SEND_TIMEOUT)
        sender.sendto(entry, address)


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"


# ---- job ids


def jobs_of(record: logging.LogRecord) -> tuple[str, ...]:
    """Return the ids of the jobs that a record is about; most records are about one or none.

    The caller passes them as ``extra={"job": id}``, or a sequence of ids.
    """
    given = getattr(record, "job", ())
    return (given,) if isinstance(given, str) else tuple(given)


# ---- lines


def _message(record: logging.LogRecord, redaction: Redaction) -> str:
    """Return the record's message as one line without secrets and control characters."""
    return _printable(redaction.redacted(redaction.rewrite(record.getMessage())))


def _traceback_lines(record: logging.LogRecord, redaction: Redaction) -> list[str]:
    """Return the lines of the record's traceback and stack, redacted in the same way."""
    if not record.exc_info and not record.stack_info:
        return []
    formatter = logging.Formatter()
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    parts += [formatter.formatStack(record.stack_info)] if record.stack_info else []
    return [_printable(line) for line in redaction.redacted("\n".join(parts)).splitlines()]


def _lines(record: logging.LogRecord, redaction: Redaction) -> list[str]:
    """Return message and traceback, the latter indented, so that no text in it looks like a record."""
    return [_message(record, redaction), *(f"    {line}" for line in _traceback_lines(record, redaction))]


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


# ---- repeated messages


class LogOnce:
    """Keeps a lasting failure from filling the log: each message is due at first, then every ten minutes.

    One thread uses it. ``monotonic`` returns seconds of a monotonic clock.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._logged: dict[str, float] = {}

    def is_due(self, message: str) -> bool:
        """Return whether to log the message now, because it is new or was last logged long ago."""
        now = self._monotonic()
        if message in self._logged and now < self._logged[message] + REPEAT_AFTER:
            return False
        recent = {text: at for text, at in self._logged.items() if now < at + REPEAT_AFTER}
        self._logged = recent | {message: now}
        return True

    def reset(self) -> bool:
        """Forget all messages, because the failure is over. Return False if there was none."""
        had_any = bool(self._logged)
        self._logged.clear()
        return had_any
