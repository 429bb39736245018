"""Texts as columns of the journal hold them: paths and labels, which may be no UTF-8."""

from __future__ import annotations

import unicodedata


def stored_path(path: str) -> str | bytes:
    """A path as the journal keeps it: text in NFC, or bytes where a name in it is no UTF-8."""
    raw = path.encode("utf-8", "surrogateescape")
    try:
        return unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return raw


def path_as_stored(path: str) -> str:
    """The path with which what was taken from there is found again."""
    return path_of(stored_path(path))


def path_of(stored: str | bytes) -> str:
    """The path that the journal keeps so."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogateescape")


def stored_label(label: str | None) -> str | None:
    """A label as the journal is searched for it."""
    return None if label is None else label.encode("utf-8", "backslashreplace").decode()
