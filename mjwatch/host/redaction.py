"""Takes secrets and control characters out of what is logged."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Collection

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
