"""The log: readable lines on standard error, in which no secret ever shows."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class RedactingFormatter(logging.Formatter):
    """Writes a record as one line (and its traceback), with every secret replaced by stars, by value."""

    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, without secrets and control characters."""
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def start_logging(secrets: Collection[str], level: int = logging.INFO) -> None:
    """Log to standard error from now on; called once, by the program's own process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mjwatch").setLevel(level)
