"""The log: readable lines on standard error, in which no secret ever shows."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

log = logging.getLogger("mjwatch")

STARS = "***"


class RedactingFormatter(logging.Formatter):
    """Writes a record as one line, its traceback indented below, with every secret replaced by stars.

    Secrets are found by value, also as they stand in an address, in JSON or in a ``repr``.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, without secrets and control characters."""
        lines = [self.formatTime(record, self.datefmt), f"{record.levelname:<7}", record.getMessage()]
        text = _plain(self._redacted(" ".join(lines)))
        below = [self.formatException(record.exc_info)] if record.exc_info else []
        below += [self.formatStack(record.stack_info)] if record.stack_info else []
        for line in self._redacted("\n".join(below)).splitlines():
            text += f"\n    {_plain(line)}"  # indented, so that no text in it can pass for a line of the log
        return text

    def _redacted(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, STARS)
        return text


def start_logging(secrets: Collection[str], level: int = logging.INFO) -> None:
    """Log to standard error from now on; called once, by the program's own process.

    What Python itself would print, unhandled errors of any thread and warnings, goes the same way.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mjwatch").setLevel(level)
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_farewell)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # an error of the log itself would show the record's arguments
    sys.excepthook = _log_unhandled
    threading.excepthook = _log_unhandled_in_thread


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


def _forms(secret: str) -> set[str]:
    """The secret as it is, and as it looks after the usual ways to write it down."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], *quoted}


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
