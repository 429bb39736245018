"""Finds and checks the image links in a prompt; Midjourney wants them in front of the words.

Local pictures that a prompt file names: which names are allowed, and whether the bytes are a picture.
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


_TOKEN = re.compile(r"\S+")
_LINK = re.compile(r"""[<("'\[]*(?P<url>https?://[^\s<>"]++)>?[)\]"'.,;:!?]*+""", re.IGNORECASE)
_PARAMETER = re.compile(r"(?:--|\u2014)(\w+)")
_TAKES_LINKS = frozenset({"sref", "cref", "oref", "iref", "p", "profile", "end"})
"""Parameters with several values, links among them; others are only trusted with what follows at once."""

_TRAILING = ".,;:!?'\""
_BRACKETS = {")": "(", "]": "["}
_FORBIDDEN = re.compile(r"[\s<>\x00-\x1f\x7f]")


def validate_link(url: str) -> str:
    """The URL as given, if Midjourney could fetch it: http or https, a host, no blanks, no password.

    Raises ValueError with a line for the person.
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
        raise ValueError("a link must not carry a user name or password: others would see it")
    return url


def split_links(text: str) -> tuple[list[str], str]:
    """The image links of a prompt, in order, and the text without them.

    Marks around a link (``<…>``, brackets, quotes, a comma behind it) go with it. A link that is the value
    of a parameter (``--sref https://…``) stays where it is, and so does what is no valid link. Text
    without image links comes back as it is.
    """
    links: list[str] = []
    kept: list[str] = []
    end = 0
    parameter: str | None = None
    for token in _TOKEN.finditer(text):
        begins = _PARAMETER.match(token[0])
        link = None if begins else link_in(token[0])
        if begins:
            parameter = begins[1].lower()
        elif link is None and parameter not in _TAKES_LINKS:
            parameter = None  # its value stood here; what follows belongs to the prompt again
        elif link is not None and parameter is None:
            links.append(link)
            kept.append(text[end : token.start()])
            end = token.end()
    kept.append(text[end:])
    return (links, " ".join(filter(None, map(str.strip, kept)))) if links else ([], text)


def link_in(token: str) -> str | None:
    """The link that a word consists of, without the marks around it; None if it is none."""
    found = _LINK.fullmatch(token)
    if found is None:
        return None
    try:
        return validate_link(_without_marks(found["url"]))
    except ValueError:
        return None


def only_links(prompt: str) -> bool:
    """Whether a prompt is two or more links and nothing else before its parameters: a blend."""
    words = re.split(r"(?:^|\s)--", prompt, maxsplit=1)[0].split()
    return len(words) >= 2 and all(link_in(word) is not None for word in words)


def _without_marks(url: str) -> str:
    """Cuts the punctuation of the sentence off; a closing bracket stays if it was opened in the URL."""
    while url:
        last = url[-1]
        opening = _BRACKETS.get(last)
        if last not in _TRAILING and (opening is None or url.count(opening) >= url.count(last)):
            break
        url = url[:-1]
    return url


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


def check_pictures(images: Iterable[str], around: References) -> None:
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
