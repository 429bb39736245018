"""Finds and checks the image links in a prompt; Midjourney wants them in front of the words."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

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
