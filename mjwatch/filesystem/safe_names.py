"""Make names that are safe on Linux, macOS and Windows, because outboxes are synced to all of them."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 100
"""UTF-8 bytes that a name's stem may have, so that id, number and suffix still fit everywhere."""

_FORBIDDEN = re.compile(
    r'[<>:"/\\|?*'
    "\u2028\u2029"  # line breaks
    "\u202a-\u202e\u2066-\u2069"  # change the direction of writing: a name could look like another one
    "]"
)
_NO_CHARACTERS = frozenset({"Cc", "Cs", "Cn"})
"""Unicode categories: controls, surrogates (bytes that are not UTF-8), unassigned (macOS refuses them)."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?=\.|$)", re.IGNORECASE)
_ONEDRIVE = re.compile(r"(?<=_vti)_|^~(?=\$)", re.IGNORECASE)
"""OneDrive refuses ``_vti_`` in a name and ``~$`` before it."""


def safe_name(name: str, max_bytes: int = MAX_BYTES) -> str:
    """Make a name safe: forbidden characters become ``_``, no trailing dot or blank, NFC, cut to size.

    Bytes that are not UTF-8 (surrogates, as Python reads them from the file system) become ``_``, too, and a
    name that Windows reserves gets a ``_`` after it. The name is never empty.
    """
    text = "".join("_" if unicodedata.category(char) in _NO_CHARACTERS else char for char in name)
    text = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).lstrip(" ")
    text = cut(_ONEDRIVE.sub("-", text), max_bytes).rstrip(". ")
    if reserved := _RESERVED.match(text):
        text = cut(f"{reserved[1]}_{text[reserved.end() :]}", max_bytes).rstrip(". ")
    return text or "_"


def safe_file_name(name: str) -> str:
    """Make a file's name safe; its suffix is kept however long the name is."""
    stem, dot, suffix = name.rpartition(".")
    return f"{safe_name(stem)}.{safe_name(suffix, 10)}" if dot else safe_name(name)


def slug(prompt: str, max_bytes: int = 40) -> str:
    """Return a short name for a prompt without a file: its first words in lower case, joined by ``-``."""
    words = re.sub(r"https?://\S+|(^|\s)--.*", " ", prompt, flags=re.DOTALL)  # parameters come last
    text = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", words).lower()).strip("-_")
    return safe_name(cut(text, max_bytes).strip("-_") or "prompt")


def cut(text: str, max_bytes: int) -> str:
    """Return the beginning of the text: at most so many bytes of UTF-8, never half a character."""
    return text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
