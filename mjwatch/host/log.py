"""The log: lines for a person, JSON for a program, entries for systemd's journal.

The log as systemd's journal has it: a level and fields with each entry, over its own socket.

The format is that of systemd's documentation, "Native Journal Protocol": a datagram of fields, a line each,
``NAME=value``; where the value has lines itself, the name, a line end, its length in 64 bits and the value.

Which jobs a line of the log is about, so that all lines of one job are found by a field.

Whoever logs only keeps to the words: a line about a job begins with its id, or has it after the word "job";
that of a prompt file ends with those of the jobs that it became.

Takes secrets and control characters out of what is logged.

Keeps what goes on being wrong from filling the log: each cause is told at first, then now and then.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import re
import socket
import struct
import sys
import threading
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, quote_plus

from mjwatch.model import ID_ALPHABET

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import TracebackType


log = logging.getLogger("mjwatch")

_TIME, _DATE_AND_TIME = "%H:%M:%S", "%Y-%m-%d %H:%M:%S"


class LineFormatter(logging.Formatter):
    """Writes a record as one line, its traceback indented below."""

    def __init__(self, redaction: Redaction, *, dated: bool = False) -> None:
        """``dated``: with the day, for a file that is read later."""
        super().__init__(datefmt=_DATE_AND_TIME if dated else _TIME)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, without secrets and control characters."""
        head = f"{self.formatTime(record, self.datefmt)} {record.levelname:<7}"
        return f"{head} " + "\n".join(self._redaction.lines(record))


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """``at, level, logger, thread, job, message, traceback``.

        ``job`` is an id; null in what is about none, a list of ids in what is about several.
        """
        jobs = jobs_of(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        facts = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "job": list(jobs) if len(jobs) > 1 else next(iter(jobs), None),
            "message": self._redaction.message(record),
            "traceback": self._redaction.below(record),
        }
        return json.dumps(facts)


def start_logging(secrets: Collection[str], level: int = logging.INFO, style: str = "auto") -> None:
    """Log to standard error from now on; called once, by the program's own process.

    ``style``: "text", "json", or "auto", which is entries where systemd's journal reads it, else text. What
    Python itself would print, unhandled errors of any thread and warnings, goes the same way; a fatal signal,
    such as that of systemd's watchdog, shows where each thread was.
    """
    root = logging.getLogger()
    root.handlers[:] = [_handler(Redaction(secrets), sys.stderr, style)]
    root.setLevel(logging.WARNING)
    logging.getLogger("mjwatch").setLevel(level)
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_farewell)
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
    if style == "json":
        handler.setFormatter(JsonFormatter(redaction))
    else:
        handler.setFormatter(LineFormatter(redaction, dated=not stream.isatty()))
    return handler


def _is_no_farewell(record: logging.LogRecord) -> bool:
    """Watchdog 7.1 logs an error for events that come in while it is being stopped."""
    return "called when the thread is inactive" not in record.getMessage()


def _log_unhandled(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("an unforeseen error ended the program", exc_info=(kind, error, traceback))


def _log_unhandled_in_thread(found: threading.ExceptHookArgs) -> None:
    if not issubclass(found.exc_type, SystemExit):
        name = found.thread.name if found.thread else "?"
        error = found.exc_value or found.exc_type()
        log.critical("an unforeseen error ended the thread %s", name, exc_info=error)


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


_OURS = "mjwatch"
_OF_FILES = "mjwatch.inbox"
"""The inbox's own lines begin with names of files, which may look like anything; it knows of no job."""

_PLACE = re.compile(r"^%s(?=[ :])|\bjob %s(?=[ ,;:]|$)| taken: %s$")
_ID = rf"[{ID_ALPHABET}]{{8}}"
_IDS = re.compile(rf"{_ID}(?:, {_ID})*")


def jobs_of(record: logging.LogRecord) -> tuple[str, ...]:
    """The ids of these jobs; most lines are about one or none."""
    told = getattr(record, "job", None)
    if told is not None:
        return (str(told),)
    found = [words for words in _in_place(record) if _IDS.fullmatch(words)]
    return tuple(job for words in found for job in words.split(", "))


def _in_place(record: logging.LogRecord) -> Iterator[str]:
    """What stands where ids would."""
    form, arguments = str(record.msg), record.args
    ours = record.name.partition(".")[0] == _OURS and record.name != _OF_FILES
    if not ours or not isinstance(arguments, tuple):
        return
    for place in _PLACE.finditer(form):
        number = form.count("%", 0, place.start())
        yield from map(str, arguments[number : number + 1])


STARS = "***"


class Redaction:
    """Replaces every secret by stars: found by value, also as it stands in an address, JSON or a repr."""

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def redacted(self, text: str) -> str:
        """The text without secrets."""
        for form in self._forms:
            text = text.replace(form, STARS)
        return text

    def message(self, record: logging.LogRecord) -> str:
        """What the record says, on one line, without secrets and control characters."""
        return _plain(self.redacted(record.getMessage()))

    def below(self, record: logging.LogRecord) -> list[str]:
        """The lines of its traceback and stack, likewise."""
        formatter = logging.Formatter()
        parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
        parts += [formatter.formatStack(record.stack_info)] if record.stack_info else []
        return [_plain(line) for line in self.redacted("\n".join(parts)).splitlines()]

    def lines(self, record: logging.LogRecord) -> list[str]:
        """Both, what is below indented, so that no text in it can pass for a line of the log."""
        return [self.message(record), *(f"    {line}" for line in self.below(record))]


def _forms(secret: str) -> set[str]:
    """The secret as it is, and as it looks after the usual ways to write it down."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], *quoted}


def _plain(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


PAUSE = 600.0
"""Seconds until the same words are told again."""


class LogOnce:
    """Asked before each line, by one thread; ``monotonic`` gives seconds of a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._told: dict[str, float] = {}

    def is_due(self, words: str) -> bool:
        """Whether to say it now: it is new, or was last said long ago."""
        now = self._monotonic()
        if words in self._told and now < self._told[words] + PAUSE:
            return False
        self._told = {said: at for said, at in self._told.items() if now < at + PAUSE} | {words: now}
        return True

    def over(self) -> bool:
        """All is well again, and what comes next is new. False if nothing had been wrong."""
        had_any = bool(self._told)
        self._told.clear()
        return had_any
