"""The images of a prompt: links in its text, which Midjourney wants in front of the words, and local files.

Checks links, names of local pictures, and whether bytes are a picture. Nothing is read from disk here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from mjwatch.errors import PromptFileError
from mjwatch.prompts.source_text import not_meant, word_set
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
_LINK = re.compile(
    r"""https?://(?:(?!(?:[,;|]|(?<=\w))https?://)[^\s<>"`\u2018-\u201f\u2026\u00ab\u00bb\u3000-\u303f\uff00-\uff20])++""",
    re.IGNORECASE,
)
"""A link up to what no URL of a picture has in it, or up to the next link."""

_SUFFIX = re.compile(
    r"\.(?:png|jpe?g|webp|gif)(?![A-Za-z0-9])(?:[\w./?#@!$&*+=%:~-]++(?:\([\w.%-]*+\)[\w./?#@!$&*+=%:~-]*+)*+)?",
    re.ASCII | re.IGNORECASE,
)
"""A picture's suffix and what a URL may have after it. Nothing else is part of the link."""

_OPENING = "|<(\"'[\u201c\u2018\u300c\u300e\u3010\uff08"
_CLOSING = re.compile(
    "[>)\\]\"'.,;:!?\u201d\u2019\u300d\u300f\u3011\uff09\uff0c\u3002\u3001\uff1b\uff1a\uff01\uff1f]*+"
)
_POSSESSIVE = re.compile(r"['\u2019][A-Za-z]")
_CJK = re.compile("[\u2e80-\u2fff\u3040-\ua4cf\uac00-\ud7af]")
_ENDS_WORDS = re.compile("[,;:|)\u3001\u3002\uff09\uff0c\uff1a\uff1b\u2e80-\u2fff\u3040-\ua4cf\uac00-\ud7af]")
"""What may be right before a link: after anything else the link is a part of a word."""

_NEEDS_OBJECT = word_set(
    "a after an and as at between by from in into like near of on or over per see style than the this"
    " to under using via with & + von mit wie aus de del la en como comme dans avec"
)
"""Words that say nothing without the one after them: a link that follows must not be moved away."""

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


def split_links(text: str, *, force: bool = False) -> tuple[list[str], str]:
    """Return the image links of a prompt, in order, and the text without them.

    Marks around a link (``<…>``, brackets, quotes, a comma after the link) are removed too. A link that is
    the value of a parameter (``--sref https://…``) stays in the text, and so does an invalid link. A text
    without image links is returned unchanged. Raises PromptFileError where the words left behind are no
    sentence, unless ``force``.
    """
    links: list[str] = []
    kept: list[str] = []
    parameter: str | None = None
    for token in _TOKEN.finditer(text):
        found = _PARAMETER.match(token[0])
        pieces = [] if found else _pieces(token[0])
        if found:
            parameter = found[1].lower()
        elif not any(piece.link for piece in pieces):
            if parameter not in _TAKES_LINKS:
                parameter = None  # this was its value; what follows belongs to the prompt again
        elif parameter is not None:
            if all(piece.link for piece in pieces):
                kept.append(" ".join(piece.link for piece in pieces))
                continue
        else:
            if not force:
                _check_words_remain(kept, pieces)
            links += [piece.link for piece in pieces if piece.link]
            kept += [piece.words for piece in pieces if piece.words]
            continue
        kept.append(token[0])
    rest = " ".join(kept)
    return links, rest if links or rest.split() != text.split() else text


class _Piece(NamedTuple):
    """A part of a token: a link, or words."""

    link: str = ""
    words: str = ""


def _pieces(token: str) -> list[_Piece]:
    """Return the links of a token and the words between them; only words where a link follows letters."""
    pieces: list[_Piece] = []
    end = 0
    while found := _LINK.search(token, end):
        before = token[end : found.start()].rstrip(_OPENING)
        url = _link(found[0])
        if url is None or (before and not _ENDS_WORDS.match(before[-1])):
            return [_Piece(words=token)]
        if before:
            pieces.append(_Piece(words=before))
        pieces.append(_Piece(link=url))
        end = found.start() + len(url)
        if not _POSSESSIVE.match(token, end):
            closing = _CLOSING.match(token, end)
            end = closing.end() if closing else end
    if end < len(token):
        pieces.append(_Piece(words=token[end:]))
    return pieces


def _link(run: str) -> str | None:
    """Return the valid link at the beginning of a run of characters, or None."""
    suffix = _SUFFIX.search(run)
    try:
        return validate_link(_without_marks(run[: suffix.end()] if suffix else run))
    except ValueError:
        return None


def _check_words_remain(before: Sequence[str], pieces: Sequence[_Piece]) -> None:
    """Raise PromptFileError if the words around a link need it at its place."""
    for position, piece in enumerate(pieces):
        if not piece.link:
            continue
        words = pieces[position - 1].words if position else before[-1] if before else ""
        rest = pieces[position + 1].words if position + 1 < len(pieces) else ""
        last = words.rsplit(maxsplit=1)[-1].lower() if words else ""
        is_embedded = position and _CJK.match(words[-1:])
        if (
            last in _NEEDS_OBJECT
            or last.endswith((":", "\uff1a", "="))
            or _POSSESSIVE.match(rest)
            or is_embedded
        ):
            raise not_meant(
                f"the words around {shown(piece.link)} need it there, but Midjourney wants links in front",
                "put the link first and write the prompt after it, or give a style by --sref and the link",
            )
        if _CJK.search(piece.link) and not _SUFFIX.search(piece.link):
            raise not_meant(f"where {shown(piece.link)} ends is not clear", "put a blank after the link")


def link_in(token: str) -> str | None:
    """Return the link that a word consists of, without the marks around it, or None."""
    pieces = _pieces(token)
    return pieces[0].link or None if len(pieces) == 1 else None


def only_links(prompt: str) -> bool:
    """Return whether a prompt is two or more links and nothing else before its parameters: a blend."""
    words = re.split(r"(?:^|\s)--", prompt, maxsplit=1)[0].split()
    return len(words) >= 2 and all(link_in(word) is not None for word in words)


def _without_marks(url: str) -> str:
    """Return the URL without the punctuation of the sentence; a closing bracket stays if the URL opens it."""
    surplus = {closing: url.count(closing) - url.count(opening) for closing, opening in _BRACKETS.items()}
    end = len(url)
    while end:
        last = url[end - 1]
        if last in surplus and surplus[last] > 0:
            surplus[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return url[:end]


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
