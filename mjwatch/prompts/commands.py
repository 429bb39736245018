"""The table of Midjourney's commands: what each takes, who may ask for it, and how it is answered.

One row here and one packet class in midjourney/packets.py make a command. All else follows from the row:
prompt files, ``mjwatch ask`` and its help, the shell's completion, and the answer that a job waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from shlex import quote

from mjwatch.prompts.images import MAX_PICTURES


class TextUse(Enum):
    """Whether a command takes a text."""

    NONE = auto()
    OPTIONAL = auto()
    REQUIRED = auto()


class Answer(Enum):
    """What Midjourney answers a command with."""

    PICTURES = auto()
    """New pictures, which show the prompt; follow-ups may come after them."""
    PICTURES_AGAIN = auto()
    """The result of an earlier job, with the uuid that the command names."""
    DESCRIPTION = auto()
    SHORTENED_PROMPT = auto()
    ACCOUNT_INFO = auto()
    SETTINGS = auto()
    """The account's settings, as buttons that are on or off."""
    ACKNOWLEDGEMENT = auto()


@dataclass(frozen=True, slots=True)
class CommandRule:
    """One command: what it takes and how it is answered.

    ``example`` shows how a prompt file asks for the command. The example is None for a command that changes
    the account's settings, which no prompt file may do. ``has_verb``: the command line has a verb of this
    name, so that ``mjwatch ask`` does not list it.
    """

    text: TextUse
    pictures: range
    answer: Answer
    example: str | None = None
    has_verb: bool = False


_NO_PICTURES = range(1)


def _account_command(text: TextUse = TextUse.NONE, answer: Answer = Answer.ACKNOWLEDGEMENT) -> CommandRule:
    return CommandRule(text, _NO_PICTURES, answer)


COMMANDS: dict[str, CommandRule] = {
    "imagine": CommandRule(
        TextUse.OPTIONAL,
        range(MAX_PICTURES + 1),
        Answer.PICTURES,
        'prompt = "…", or images',
        has_verb=True,
    ),
    "blend": CommandRule(
        TextUse.NONE,
        range(2, 6),
        Answer.PICTURES,
        'command = "blend" with images = ["a.png", "b.png"], up to five',
    ),
    "describe": CommandRule(
        TextUse.NONE,
        range(1, 2),
        Answer.DESCRIPTION,
        'command = "describe" with images = ["a.png"] or one link',
    ),
    "shorten": CommandRule(
        TextUse.REQUIRED, _NO_PICTURES, Answer.SHORTENED_PROMPT, 'command = "shorten" with prompt = "…"'
    ),
    "info": CommandRule(
        TextUse.NONE, _NO_PICTURES, Answer.ACCOUNT_INFO, 'command = "info" alone', has_verb=True
    ),
    "show": CommandRule(
        TextUse.REQUIRED,
        _NO_PICTURES,
        Answer.PICTURES_AGAIN,
        'command = "show" with prompt = "<the uuid of a Midjourney job>"',
    ),
    "settings": _account_command(answer=Answer.SETTINGS),
    "fast": _account_command(),
    "relax": _account_command(),
    "turbo": _account_command(),
    "public": _account_command(),
    "stealth": _account_command(),
    "prefer remix": _account_command(),
    "prefer variability": _account_command(),
    "prefer suffix": _account_command(TextUse.OPTIONAL),
}
"""All commands by name. What follows the first word of a name is a sub-command."""


def file_commands() -> tuple[str, ...]:
    """Return the commands that a prompt file may ask for."""
    return tuple(name for name, rule in COMMANDS.items() if rule.example is not None)


def ask_commands() -> tuple[str, ...]:
    """Return the commands that ``mjwatch ask`` lists."""
    return tuple(name for name, rule in COMMANDS.items() if not rule.has_verb)


def ask_help() -> str:
    """Return the help of the argument of ``mjwatch ask``: its commands as a shell takes them."""
    return ", ".join(map(quote, ask_commands())) + "."


def answer_to(command: str) -> Answer | None:
    """Return what this command is answered with, or None for a command that is not in the table."""
    rule = COMMANDS.get(command)
    return rule.answer if rule is not None else None


def slash_name(command: str) -> str:
    """Return the name of the slash command, without a sub-command."""
    return command.partition(" ")[0]
