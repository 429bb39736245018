"""The images of a prompt: links in its text, which Midjourney wants in front of the words, and local files.

Checks links, names of local pictures, and whether bytes are a picture. Nothing is read from disk here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mjwatch.errors import PromptFileError
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mjwatch.model import References


SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
"""The formats that Midjourney accepts as image prompts."""

MAX_PICTURES = 100
"""Different local pictures that one prompt file may name."""

_MAX_NAME = 1000
_DRIVE = re.compile(r"[A-Za-z]:")
_MAGIC = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a", re.DOTALL)

MAY_HOLD_LINKS = re.compile("://")
"""Found in every text that has links."""

_TOKEN = re.compile(r"\S+")
_LINK = re.compile(r"""[<("'\[]*(?P<url>https?://[^\s<>"]++)>?[)\]"'.,;:!?]*+""", re.IGNORECASE)
_PARAMETER = re.compile(r"(?:--|\u2014)(\w+)")
_TAKES_LINKS = frozenset({"sref", "cref", "oref", "iref", "p", "profile", "end"})
"""Parameters that take several values, also links. Any other parameter has only the word right after it."""

_TRAILING = ".,;:!?'\""
_BRACKETS = {")": "(", "]": "["}
_FORBIDDEN = re.compile(r"[\s<>\x00-\x1f\x7f]")


def validate_link(url: str) -> str:
    """Return the URL unchanged if Midjourney could fetch it: http or https, a host, no blanks, no password.

    Raises ValueError with a message for the user.
    """
    if _FORBIDDEN.search(url):
        raise ValueError(f"a link must not contain blanks or angle brackets: {url!r}")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as problem:
        raise ValueError(f"not a usable link: {url!r} ({problem})") from problem
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError(f"a link must begin with http:// or https://: {url!r}")
    if not host or host.strip(".") == "":
        raise ValueError(f"a link needs a host name: {url!r}")
    if parts.username is not None:
        raise ValueError("a link must not hold a user name or password, because others would see them")
    return url


def split_links(text: str) -> tuple[list[str], str]:
    """Return the image links of a prompt, in order, and the text without them.

    Marks around a link (``<…>``, brackets, quotes, a comma after the link) are removed too. A link that is
    the value of a parameter (``--sref https://…``) stays in the text, and so does an invalid link. A text
    without image links is returned unchanged.
    """
    links: list[str] = []
    kept: list[str] = []
    end = 0
    parameter: str | None = None
    for token in _TOKEN.finditer(text):
        found = _PARAMETER.match(token[0])
        link = None if found else link_in(token[0])
        if found:
            parameter = found[1].lower()
        elif link is None and parameter not in _TAKES_LINKS:
            parameter = None  # this was its value; what follows belongs to the prompt again
        elif link is not None and parameter is None:
            links.append(link)
            kept.append(text[end : token.start()])
            end = token.end()
    kept.append(text[end:])
    return (links, " ".join(filter(None, map(str.strip, kept)))) if links else ([], text)


def link_in(token: str) -> str | None:
    """Return the link that a word consists of, without the marks around it, or None."""
    found = _LINK.fullmatch(token)
    if found is None:
        return None
    try:
        return validate_link(_without_marks(found["url"]))
    except ValueError:
        return None


def only_links(prompt: str) -> bool:
    """Return whether a prompt is two or more links and nothing else before its parameters: a blend."""
    words = re.split(r"(?:^|\s)--", prompt, maxsplit=1)[0].split()
    return len(words) >= 2 and all(link_in(word) is not None for word in words)


def _without_marks(url: str) -> str:
    """Return the URL without the punctuation of the sentence; a closing bracket stays if the URL opens it."""
    while url:
        last = url[-1]
        opening = _BRACKETS.get(last)
        if last not in _TRAILING and (opening is None or url.count(opening) >= url.count(last)):
            break
        url = url[:-1]
    return url


def is_local(address: str) -> bool:
    """Return whether this names a local file, not an address on the web."""
    return "://" not in address


def check_name(name: str) -> str:
    """Return the name of a local picture, relative to the prompt file, with single slashes and no ``./``.

    Raises PromptFileError for a name that leads out of the prompt file's own folder (upwards, absolute,
    by a home folder or a drive), and for a suffix that is not a picture's. Does not look at the disk.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name) or len(name) > _MAX_NAME:
        raise PromptFileError(f"{shown(name)} can't be the name of a picture", "give the file's own name")
    if "\\" in name:
        raise PromptFileError(
            f"the picture {shown(name)} has a backslash in its name", "separate folders by /"
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or name.startswith(("/", "~")) or _DRIVE.match(name):
        raise PromptFileError(
            f"the picture {shown(name)} is outside the prompt file's own folder",
            "put it beside the prompt file and give only its name",
        )
    if not name.lower().endswith(SUFFIXES):
        raise PromptFileError(
            f"{shown(name)} is not the name of a picture", "the name must end in " + ", ".join(SUFFIXES)
        )
    return "/".join(parts)


def is_picture(data: bytes) -> bool:
    """Return whether these bytes begin like a PNG, JPEG, WebP or GIF file."""
    return _MAGIC.match(data) is not None


def check_pictures(images: Iterable[str], references: References) -> None:
    """Raise PromptFileError unless each of these that is local was found and is a picture."""
    local = dict.fromkeys(image for image in images if is_local(image))
    if len(local) > MAX_PICTURES:
        raise PromptFileError(f"the file names more than {MAX_PICTURES} pictures", "split it")
    for name in local:
        if name in references.unusable:
            raise PromptFileError(
                f"the picture {shown(name)} can't be used: {references.unusable[name]}", "use another picture"
            )
        if name not in references.images:
            raise PromptFileError(f"the picture {shown(name)} was not found", "put it beside the prompt file")
        if not is_picture(references.images[name]):
            raise PromptFileError(
                f"{shown(name)} is not a picture", "use a complete PNG, JPEG, WebP or GIF file"
            )
