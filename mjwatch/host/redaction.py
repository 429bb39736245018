"""Hiding secrets in texts: in the log, in bundles, and in what other programs and servers say; pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

REDACTED = "***"

SHORTEST_PART = 12
"""Characters of a secret that are hidden wherever they show; a text that was cut may end within a secret."""

_STEP = SHORTEST_PART // 2
"""Of two such steps through a text, one lies within any part of that length."""


class Redaction:
    """Replaces secrets and their parts with stars, also as they are in an address, in JSON or in a repr."""

    def __init__(self, secrets: Collection[str], rewrite: Callable[[str], str] = lambda text: text) -> None:
        """``rewrite`` gets each message of the log, and returns the one to use."""
        self.rewrite = rewrite
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)
        pieces = {form for secret in secrets for piece in _pieces(secret) for form in _forms(piece)}
        self._parts = {part for piece in pieces for part in _windows(piece, SHORTEST_PART)}
        self._hints = {hint for part in self._parts for hint in _windows(part, _STEP)}

    def redacted(self, text: str) -> str:
        """Return the text without secrets. Redact before cutting: fewer characters than a part may remain."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return self._without_parts(text)

    def _without_parts(self, text: str) -> str:
        kept, end = "", 0
        for start in self._starts(text):
            if start > end:
                kept += text[end:start] + REDACTED
            elif end == 0:
                kept += REDACTED
            end = start + SHORTEST_PART
        return kept + text[end:]

    def _starts(self, text: str) -> Iterator[int]:
        """Yield in order where parts start. Most steps through a text need one look-up."""
        checked = 0
        for at in range(0, len(text), _STEP):
            if text[at : at + _STEP] in self._hints:
                for start in range(max(checked, at - _STEP), at + 1):
                    if text[start : start + SHORTEST_PART] in self._parts:
                        yield start
                checked = at + 1


def _pieces(secret: str) -> list[str]:
    """Return what is secret in a secret: of an address, only what follows the host, and the password."""
    if "://" not in secret:
        return [secret]
    try:
        address = urlsplit(secret)
    except ValueError:
        return []
    return [*address.path.split("/"), *address.query.split("&"), address.password or ""]


def _windows(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(len(text) - size + 1))


def _forms(secret: str) -> set[str]:
    """Return the secret itself, and the forms that the usual ways to write it down give it."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], *quoted}
