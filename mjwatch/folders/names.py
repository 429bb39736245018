"""Names that are safe on Linux, macOS and Windows alike, for folders that get synced to all of them."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 100
"""UTF-8 bytes that a name's stem may have, so that id, number and suffix still fit everywhere."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_name(name: str, max_bytes: int = MAX_BYTES) -> str:
    """Make a name safe: forbidden characters become ``_``, no trailing dot or blank, NFC, cut to size.

    Bytes that are no UTF-8 (surrogates, as Python reads them from the file system) become ``_`` too.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "_")
    text = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text))
    text = cut(text, max_bytes).rstrip(". ").lstrip(" ")
    if not text or text.strip(".") == "":
        return "_"
    return f"_{text}" if _RESERVED.fullmatch(text) else text


def slug(prompt: str, max_bytes: int = 40) -> str:
    """A short name for a prompt that came without a file: its first words, lower case, joined by ``-``."""
    words = re.sub(r"https?://\S+|--\S+", " ", prompt)
    text = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", words).lower()).strip("-_")
    return safe_name(cut(text, max_bytes).strip("-_") or "prompt")


def cut(text: str, max_bytes: int) -> str:
    """At most so many bytes of UTF-8, never half a character."""
    return text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
