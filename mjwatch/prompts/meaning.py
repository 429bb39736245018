"""What a text was meant as: a prompt as it is, a prompt in a wrapping, or something else than a prompt.

Every text from a file, the command line, the shell or Python passes ``read_as_meant`` before it is expanded.
A reading that is certain is made and noted. Whatever may be something else than one prompt is refused,
because a refusal costs a correction, and a wrong picture costs money. ``force`` skips all of this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mjwatch.prompts.commands import COMMANDS, slash_name
from mjwatch.prompts.source_text import not_meant
from mjwatch.settings.values import shown

if TYPE_CHECKING:
    from mjwatch.errors import PromptFileError

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufeff\uffa0"
)
"""Characters that show nothing, as a part of a regular expression's set. Blanks are not among them."""

_EDGES = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")


@dataclass(frozen=True, slots=True)
class Meaning:
    """A text as it was meant, and a note on each thing that was read differently from how it is written."""

    text: str
    notes: tuple[str, ...] = ()


def read_as_meant(text: str) -> Meaning:
    """Return the text as it was meant. Raises PromptFileError if it may be something else than one prompt.

    The text still has its choices. An empty text is returned as it is.
    """
    bare = _EDGES.sub("", text)
    if not bare:
        if text.strip():
            raise not_meant("the text holds only invisible characters", "write what Midjourney should draw")
        return Meaning(text)
    for check in (_check_command, _check_path):
        check(bare)
    return Meaning(text)


# ---- names of files


_FILE_SUFFIX = re.compile(
    r"\.(?:txt|toml|json|md|markdown|docx?|odt|rtf|pdf|csv|xlsx?|html?|ya?ml|log|zip|py|sh"
    r"|png|jpe?g|webp|gif|heic|tiff?|bmp|svg)$",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:\.{1,2}|~)[\\/]|[A-Za-z]:[\\/]|[\\/]{1,2}[^\s\\/]|file:", re.IGNORECASE)
_MOST_WORDS_IN_NAME = 4


def _check_path(text: str) -> None:
    """Refuse a path: by its beginning, or a few words that end like a file's name."""
    if _SLASH_COMMAND.match(text) or "://" in text.removeprefix("file://"):
        return
    name = _FILE_SUFFIX.search(text) and len(text.split()) <= _MOST_WORDS_IN_NAME
    if name or _PATH.match(text):
        raise is_path(text)


def is_path(text: str) -> PromptFileError:
    """Return the error for a text that is the name of a file or folder."""
    return not_meant(
        f"{shown(text)} is the name of a file or folder, not a prompt",
        "`mjwatch submit FILE` submits a prompt file, whose name ends in .txt or .toml",
    )


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
    slash = _SLASH_COMMAND.match(text)
    if slash is not None and slash["name"].lower() != "imagine":
        raise not_meant(
            f"/{slash['name']} is a command of Midjourney, not part of a prompt",
            f"`mjwatch ask {slash['name'].lower()}`, or the key command in a .toml file, sends it",
        )
    if _VERB_WITH_JOB.match(text) or _SHELL.match(text):
        raise not_meant(f"{shown(text)} is a command line, not a prompt", "type it into a shell")
