"""Local pictures that a prompt file names: which names are allowed, and whether the bytes are a picture."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from mjwatch.errors import PromptFileError
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.model import Surroundings

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
"""What Midjourney takes as image prompts."""

MAX_PICTURES = 100
"""Different local pictures that one prompt file may name."""

_MAX_NAME = 1000
_DRIVE = re.compile(r"[A-Za-z]:")
_MAGIC = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a", re.DOTALL)


def is_local(address: str) -> bool:
    """Whether this names a file and not a place on the web."""
    return "://" not in address


def check_name(name: str) -> str:
    """The name of a local picture, relative to the prompt file, with single slashes and no ``./``.

    Raises PromptFileError for a name that leads out of the prompt file's own folder (upwards, absolute,
    by a home or a drive), or whose suffix is none of a picture. Looks at nothing on disk.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name) or len(name) > _MAX_NAME:
        raise PromptFileError(f"{shown(name)} can't be the name of a picture", "give the file's own name")
    if "\\" in name:
        raise PromptFileError(
            f"the picture {shown(name)} has a backslash in its name", "write / between folders"
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or name.startswith(("/", "~")) or _DRIVE.match(name):
        raise PromptFileError(
            f"the picture {shown(name)} lies outside the prompt file's own folder",
            "put it beside the prompt file and give its name alone",
        )
    if not name.lower().endswith(SUFFIXES):
        raise PromptFileError(
            f"{shown(name)} is no name of a picture", "pictures end in " + ", ".join(SUFFIXES)
        )
    return "/".join(parts)


def is_picture(data: bytes) -> bool:
    """Whether these bytes begin as PNG, JPEG, WebP or GIF do."""
    return _MAGIC.match(data) is not None


def check_pictures(images: Iterable[str], around: Surroundings) -> None:
    """Raise PromptFileError unless each of these that is local was found, and is a picture."""
    local = dict.fromkeys(image for image in images if is_local(image))
    if len(local) > MAX_PICTURES:
        raise PromptFileError(f"the file names more than {MAX_PICTURES} pictures", "split it")
    for name in local:
        if name in around.unusable:
            raise PromptFileError(
                f"the picture {shown(name)} can't be used: {around.unusable[name]}", "give another one"
            )
        if name not in around.images:
            raise PromptFileError(f"the picture {shown(name)} is not there", "put it beside the prompt file")
        if not is_picture(around.images[name]):
            raise PromptFileError(
                f"{shown(name)} does not hold a picture", "it must be a PNG, JPEG, WebP or GIF, whole"
            )
