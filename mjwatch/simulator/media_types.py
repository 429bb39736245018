"""The content types of files by their names' suffixes."""

from __future__ import annotations

_TYPES = {
    "png": "image/png",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "txt": "text/plain; charset=utf-8",
}


def media_type(path: str) -> str:
    """What the CDN says that this is."""
    return _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
