"""What a text was meant as: a prompt as it is, a prompt in a wrapping, or something else than a prompt.

Every text from a file, the command line, the shell or Python passes ``read_as_meant`` before it is expanded.
A reading that is certain is made and noted. Whatever may be something else than one prompt is refused,
because a refusal costs a correction, and a wrong picture costs money. ``force`` skips all of this.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING

from mjwatch.prompts.actions import ON_GRID, ON_PICTURE
from mjwatch.prompts.commands import COMMANDS, slash_name
from mjwatch.prompts.filenames import check_content
from mjwatch.prompts.source_text import INVISIBLE, check_encoding, not_meant
from mjwatch.prompts.structure import MARKER, QUOTED, check_choices, check_is_no_json
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mjwatch.errors import PromptFileError

_EDGES = f" \t\n\r\v\f\x85\xa0\u2028\u2029\u202f\u3000{INVISIBLE}"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A text as it was meant, and a note on each thing that was read differently from how it is written."""

    text: str
    notes: tuple[str, ...] = ()


def read_as_meant(text: str) -> Meaning:
    """Return the text as it was meant. Raises PromptFileError if it may be something else than one prompt.

    The text still has its choices. An empty text is returned as it is.
    """
    bare = text.strip(_EDGES)
    if not bare:
        if text.strip():
            raise not_meant("the text holds only invisible characters", "write what Midjourney should draw")
        return Meaning(text)
    check_encoding(bare)
    meaning = _unwrap(bare) if _ENTITY.search(bare) is None else _without_entities(bare)
    for check in (
        _check_command,
        _check_path,
        _check_links,
        _check_parts,
        _check_document,
        check_is_no_json,
        check_choices,
    ):
        check(meaning.text)
    return meaning if meaning.notes else Meaning(text)


# ---- wrappings


_TAG = "text|txt|plaintext|plain|markdown|md|prompt|bash|sh|json|yaml|midjourney"
_QUOTES = {
    '"': '"',
    "\u201c": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u00ab": "\u00bb",
    "\u300c": "\u300d",
    "\u300e": "\u300f",
    "'": "'",
    "\u2018": "\u2019",
}
_FENCE = re.compile(rf"`{{3}}(?:(?:{_TAG})(?!\S))?|~{{3}}(?!\S)")
_CHAT_PREFIX = re.compile(
    r"(?:/\s?imagine\b(?:\s*prompt\b)?\s*[:\uff1a]?|imagine\s+prompt\s*[:\uff1a]|imagine\s*[:\uff1a])\s*",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"[*_#]{0,3}\s?(?:(?:final|full|image|midjourney|mj|optimi[sz]ed|revised)\s)?"
    r"(?:prompt|\u63d0\u793a\u8bcd|\u63d0\u793a|\u30d7\u30ed\u30f3\u30d7\u30c8|\uc81c\uc2dc\uc5b4|\u043f\u0440\u043e\u043c\u043f\u0442)"
    r"\s?[#\u2116]?\d{0,3}\s?[*_]{0,3}\s?[:\uff1a]\s?[*_]{0,3}\s*",
    re.IGNORECASE,
)
_MENTION = re.compile(r"<@[!&]?\d{5,25}>\s*")
_BOLD = re.compile(
    r"\*\*(?P<inner>[^*]+(?:\*[^*]+)*)\*\*(?:\s+-\s[^<>\n]{0,60}<@!?\d{5,25}>.{0,200})?", re.DOTALL
)
"""A prompt as Midjourney's bot repeats it: bold, then who asked for it, and how far it is."""

_ASKED_BY = re.compile(r"\s+-\s[^<>@\n]{0,60}@[^\s@]{2,32}\s+\((?:fast|relaxed|turbo)(?:,[^()]{1,30})?\)$")
"""The end of the bot's message as Discord shows it."""

_ENTITY = re.compile(
    r"&(?:nbsp|amp|quot|apos|lt|gt|mdash|ndash|hellip|[lr][ds]quo|#\d{2,5}|#x[0-9a-f]{2,4});", re.IGNORECASE
)
_FENCE_NOTE = "the code fence around the prompt"
_MOST_WRAPPINGS = 8


def _unwrap(text: str) -> Meaning:
    """Return the text without what chat programs and web pages put around a prompt."""
    notes: list[str] = []
    for _ in range(_MOST_WRAPPINGS):
        for unwrapped, what in _wrappings(text):
            if unwrapped is not None and unwrapped.strip():
                text = unwrapped.strip()
                notes.append(f"left out {what}")
                break
        else:
            break
    return Meaning(text, tuple(dict.fromkeys(notes)))


def _without_entities(text: str) -> Meaning:
    """Return the text with the characters that a web page writes as ``&amp;`` and the like."""
    meaning = _unwrap(" ".join(unescape(text).split()))
    return Meaning(meaning.text, (*meaning.notes, "read &amp; and the like as the characters they stand for"))


def _wrappings(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield the text without each kind of wrapping, or None if it has none of it, and what was left out."""
    fence = _FENCE.match(text)
    is_fenced = fence is not None and text[3:].removesuffix(text[:3]).find(text[:3]) < 0
    yield text[fence.end() :].removesuffix(text[:3]) if fence and is_fenced else None, _FENCE_NOTE
    yield text[:-3] if text.endswith("```") and text.count("```") == 1 else None, _FENCE_NOTE
    is_code = len(text) > 2 and text[0] == text[-1] == "`" and text.count("`") == 2
    yield text[1:-1] if is_code else None, "the backticks around the prompt"
    message, end = _BOLD.fullmatch(text), _ASKED_BY.search(text)
    inner = message["inner"] if message else text[: end.start()] if end else None
    yield inner, "what the bot writes around the prompt"
    quoted = QUOTED.match(text)
    yield text[quoted.end() :] if quoted else None, "the mark of a quotation before the prompt"
    for pattern in (_CHAT_PREFIX, _LABEL, _MENTION):
        prefix = pattern.match(text)
        yield (
            text[prefix.end() :] if prefix else None,
            f"{shown(prefix[0].strip())} before it" if prefix else "",
        )
    bullet = MARKER.match(text)
    yield text[bullet.end() :] if bullet and not bullet["number"] else None, "the bullet before the prompt"
    closing = _QUOTES.get(text[0], "")
    quoted_text = text.rstrip(",;")
    within = quoted_text[1:-1]
    is_quoted = (
        within and quoted_text[-1] in closing and not any(mark in within for mark in text[0] + closing)
    )
    yield within if is_quoted else None, "the quotation marks around the prompt"


# ---- several prompts, documents and templates


_NUMBERED = re.compile(r"1[.)]\s.*?\s2[.)]\s", re.DOTALL)
_SEVERAL_QUOTED = re.compile(r"(?:[\"\u201c][^\"\u201c\u201d]++[\"\u201d]\s*+[,;]?+\s*+){2,}")
_LONGEST_SIGNATURE = 100
_CHAT_ANSWER = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely)\b\s?[,!.\u2014\u2013]|here(?:'s|\u2019s| is| are| you go)\b"
    r"|as an ai\b|(?:voici|hier (?:ist|sind)|aqu\u00ed (?:est\u00e1|tienes)|ecco)\b(?=[^:]{0,60}prompt)"
    r"|i(?:'m| am) sorry\b|i can(?:'t|not|\u2019t)\b)[^:]{0,120}"
    r"(?:prompt|image|picture|version|option|idea|:)",
    re.IGNORECASE,
)
_NAMES = (
    "subject|style|colou?r|object|character|name|place|location|scene|adjective|noun|verb|medium|artist|mood|animal"
    "|background|setting|theme|input|prompt|description|keyword|word|text|topic|variable|season|weather|emotion"
)
_PLACEHOLDER = re.compile(
    rf"\{{\d{{0,2}}\}}|(?<!\S)%[sd](?!\w)|\{{%|\$(?:{_NAMES})\b"
    r"|\{\{[^{}]{1,60}\}\}|\$\{[^{}]{1,60}\}|%\(\w{1,30}\)s|<%[^%]{1,60}%>"
    rf"|(?<!\\)\{{(?:{_NAMES})s?(?:[ _-]?\d{{1,2}})?\}}|[\[<](?:{_NAMES})s?(?:[ _-]?\d{{1,2}})?[\]>]"
    r"|\[(?:insert|your|add|enter|choose|replace|fill in|describe)\b[^\[\]]{0,80}\]",
    re.IGNORECASE,
)
_CAPITALS = re.compile(r"[\[<{][A-Z][A-Z0-9_]+(?:[ _-][A-Z0-9_]+){0,4}[\]>}]|%[A-Z][A-Z0-9_]+%")


def _check_parts(text: str) -> None:
    """Refuse several prompts in one text."""
    if _NUMBERED.match(text):
        raise not_meant(
            "the text is a numbered list of prompts",
            "put each prompt on a line of its own in a .list.txt file",
        )
    if _SEVERAL_QUOTED.fullmatch(text):
        raise not_meant(
            "the text is a list of quoted prompts", "put each prompt on a line of its own in a .list.txt file"
        )


def _check_document(text: str) -> None:
    """Refuse a document, the answer of a chat program, and a template that is not filled in."""
    check_content(text[:_LONGEST_SIGNATURE].encode("utf-8", "replace"))
    if _CHAT_ANSWER.match(text):
        raise not_meant("the text looks like the answer of a chat program", "copy only the prompt out of it")
    placeholder = _PLACEHOLDER.search(text) or _CAPITALS.search(text)
    if placeholder:
        raise not_meant(
            f"the text has a placeholder that is not filled in: {shown(placeholder[0])}",
            "replace it; several values are written {red, blue}",
        )


# ---- names of files


_FILE_SUFFIX = re.compile(
    r"\.(?:txt|toml|json|md|markdown|docx?|odt|rtf|pdf|csv|xlsx?|html?|ya?ml|log|zip|py|sh"
    r"|png|jpe?g|webp|gif|heic|tiff?|bmp|svg)$",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"(?:\.{1,2}|~)[\\/]|[A-Za-z]:[\\/]|/{1,2}[^\s\\/]|\\\\[^\s\\/]|\\[\w.-]+\\|file:", re.IGNORECASE
)
_MOST_WORDS_IN_NAME = 4


def _check_path(text: str) -> None:
    """Refuse a path: by its beginning, or a few words that end like a file's name."""
    if _SLASH_COMMAND.match(text) or "://" in text.removeprefix("file://"):
        return
    name = _FILE_SUFFIX.search(text) and len(text.split()) <= _MOST_WORDS_IN_NAME and "," not in text
    if name or _PATH.match(text):
        raise is_path(text)


def is_path(text: str) -> PromptFileError:
    """Return the error for a text that is the name of a file or folder."""
    return not_meant(
        f"{shown(text)} is the name of a file or folder, not a prompt",
        "`mjwatch submit FILE` submits a prompt file, whose name ends in .txt or .toml",
    )


# ---- links


_BROKEN_LINK = re.compile(
    r"(?<!\S)(?:https?:/{0,2}(?=\s+\S+\.\S)|https?/{1,2}[^\s/]+|data:image/"
    r"|(?:[\w-]{1,63}\.){1,5}[a-z]{2,}/\S*\.(?:png|jpe?g|webp|gif)\b)"
    r"|^(?:www\.\S+|(?-i:(?:[a-z\d-]{1,63}\.){1,5}[a-z]{2,})/\S*)$",
    re.IGNORECASE,
)
_MARKDOWN_LINK = re.compile(r"\[[^\[\]]{0,80}\]\(https?:[^\s()]+\)?", re.IGNORECASE)


def _check_links(text: str) -> None:
    """Refuse what was meant as a link, but would be sent as words."""
    if broken := _BROKEN_LINK.search(text):
        raise not_meant(
            f"{shown(broken[0])} is not a whole link", "write the link with https:// and without blanks"
        )
    if link := _MARKDOWN_LINK.search(text):
        raise not_meant(f"{shown(link[0])} is a link in Markdown", "put the plain link before the words")


# ---- commands


_LEAVE = frozenset({"exit", "quit", "q", "bye", "logout"})
_VERBS = (
    "act",
    "ask",
    "cancel",
    "gallery",
    "help",
    "info",
    "list",
    "pause",
    "resume",
    "retry",
    "show",
    "status",
)
_VERB = re.compile(rf":?(?:{'|'.join((*_VERBS, *_LEAVE))})[!.?]?", re.IGNORECASE)
_FOLLOW_UPS = frozenset(name.lower() for name in (*ON_GRID, *ON_PICTURE) if name != "square")
_VERB_WITH_JOB = re.compile(r"(?:act|cancel|retry|show)\s+(?=[a-z]*\d)[a-z0-9]{8}\b", re.IGNORECASE)
_SLASH_COMMAND = re.compile(
    rf"/(?P<name>{'|'.join({slash_name(name) for name in COMMANDS})})\b", re.IGNORECASE
)
_SHELL = re.compile(
    r"mjwatch\s+[\w-]+|\$\s+\w|(?:ls|dir|pwd|cd \.\.|cls)$"
    r"|(?:sudo|apt|apt-get|brew|pip3?|npm|git|docker|curl|wget|ssh|cd|ls|rm|mv|cp|mkdir|chmod|python3?)\s+"
    r"(?:-\w|\.{0,2}/|~|install\b|clone\b|run\b|pull\b|https?:)",
    re.IGNORECASE,
)


def _check_command(text: str) -> None:
    """Refuse a command of mjwatch, of Midjourney or of a system's shell."""
    if _VERB.fullmatch(text):
        word = text.strip(":!.?").lower()
        meant = "quit" if word in _LEAVE else word
        raise not_meant(
            f"{shown(text)} is a command, not a prompt",
            f"did you mean :{meant}? Commands in `mjwatch shell` begin with a colon",
        )
    if text.lower() in _FOLLOW_UPS:
        raise not_meant(
            f"{shown(text)} is a follow-up of a finished job, not a prompt",
            f"`mjwatch act JOB {shlex.quote(text)}` asks for it",
        )
    slash = _SLASH_COMMAND.match(text)
    if slash is not None:
        name = slash["name"].lower()
        raise not_meant(
            f"/{name} is a command of Midjourney, not a prompt",
            "write the prompt alone" if name == "imagine" else f"`mjwatch ask {name}` sends it",
        )
    if _VERB_WITH_JOB.match(text) or _SHELL.match(text):
        raise not_meant(f"{shown(text)} is a command line, not a prompt", "type it into a shell")
