"""The log: lines for a person, JSON for a program, entries for systemd's journal."""

from __future__ import annotations

import faulthandler
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from mjwatch.host.journald import JournalHandler, is_read_by_journal
from mjwatch.host.redaction import Redaction
from mjwatch.host.subject import jobs_of

if TYPE_CHECKING:
    from collections.abc import Collection
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
