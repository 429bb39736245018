"""What ids say about a message and a job: each that both sides know, and whether it agrees. Pure.

What a job can be answered with, by what it asks for: kinds of messages, what they do and reply to.

Which jobs could take each other's results while no id tells them apart. Pure.

The comparable form of a prompt: what is left of it when the bot has rewritten it for its echo.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID
from mjwatch.midjourney.buttons import read_custom_id
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage
from mjwatch.model import Job, State

if TYPE_CHECKING:
    from mjwatch.midjourney.buttons import CustomId
    from mjwatch.model import ButtonPress, Job, Snowflake


_BETWEEN_ATTEMPTS = frozenset({State.QUEUED, State.IN_DOUBT})
_AT_WORK = frozenset({MessageKind.STARTED, MessageKind.PROGRESS})


def compare(reading: ParsedMessage, job: Job) -> list[tuple[str, bool]]:
    """Every id that both sides know, and whether it agrees; the strongest first.

    ``place`` stands for all that is no id: what the message says, its age, and which bot it is from.
    """
    expected = expected_of(job)
    evidence = [
        ("nonce", _nonce(reading, job)),
        ("message", _message(reading, job)),
        ("reference", _reference(reading, job, expected)),
        ("job uuid", _same(reading.job_uuid, job.job_uuid or expected.job_uuid)),
        ("interaction", _same(reading.interaction_id, job.interaction_id)),
    ]
    known = [(by, agrees) for by, agrees in evidence if agrees is not None]
    sure = any(agrees and by in _own_ids(job) for by, agrees in known)
    fits = _in_place(reading, job) and (sure or speaks_of(reading, job, expected))
    return known if fits else [*known, ("place", False)]


def _own_ids(job: Job) -> tuple[str, ...]:
    """Ids that are this job's alone, so that a message with one is its own whatever it says.

    A prompt's uuid is not: what is made of its pictures by hand might go under it too.
    """
    return ("nonce", "message", "job uuid") if job.button_press is not None else ("nonce", "message")


def not_newer(message_id: str | None, anchor: str | None) -> bool:
    """Whether both are known and the message is not newer than the anchor."""
    if message_id is None or anchor is None:
        return False
    return message_id.isdecimal() and anchor.isdecimal() and int(message_id) <= int(anchor)


def _same(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _nonce(reading: ParsedMessage, job: Job) -> bool | None:
    if reading.nonce is None or not job.nonces:
        return None
    if reading.nonce == job.nonce or (reading.nonce in job.nonces and job.state in _BETWEEN_ATTEMPTS):
        return True
    if job.cancel_request is not None and reading.nonce == job.cancel_request.nonce:
        return None  # of the press that stops it
    # An earlier attempt that shows up beside the present one is another job of Midjourney's.
    return None if reading.kind in FINALS and reading.nonce not in job.nonces else False


def _message(reading: ParsedMessage, job: Job) -> bool | None:
    if job.message_id is None:
        return None
    if job.message_id == reading.message_id or job.message_id in reading.deleted_ids:
        return True
    return False if reading.kind in {MessageKind.PROGRESS, MessageKind.DELETED} else None


def _reference(reading: ParsedMessage, job: Job, expected: Expected) -> bool | None:
    if reading.reply_to is None or reading.kind in _AT_WORK:
        return None
    if expected.replies_to is not None:
        # That it replies to the pressed message is no id of this job's: its siblings' answers do so too.
        return None if reading.reply_to == expected.replies_to else reading.reply_to == job.message_id
    if job.message_id is not None and (reading.reply_to == job.message_id or expected.job_uuid is None):
        return reading.reply_to == job.message_id
    # What it replies to is older than the job: a reroll of an old grid, say.
    older = not_newer(reading.reply_to, job.anchor) and expected.job_uuid is None
    return False if older else None


def _in_place(reading: ParsedMessage, job: Job) -> bool:
    """False where the message is older than the job, or comes from another bot."""
    too_old = reading.kind is not MessageKind.DELETED and not_newer(reading.message_id, job.anchor)
    by_other_bot = job.prompt.application == "niji" and reading.author_id == MIDJOURNEY_APPLICATION_ID
    return not too_old and not by_other_bot


FINALS = frozenset({MessageKind.RESULT, MessageKind.SINGLE, MessageKind.VIDEO})
ANSWERS = frozenset({MessageKind.DESCRIBE, MessageKind.SHORTEN, MessageKind.INFO})
"""What is answered in words, and can be told from an acknowledgement."""

_NOTICES = frozenset({MessageKind.REFUSED, MessageKind.QUEUED})


@dataclass(frozen=True, slots=True)
class Expected:
    """What may be said about a job.

    ``ends``: the kinds of its final message. ``actions``: what its messages may say that it does;
    ``unsaid``: whether some leave that open. ``picture``: which one its messages speak of, if they name one,
    and ``named`` whether the final does so always. ``replies_to``: the message whose button it has pressed.
    ``echoes``: whether its final shows the prompt that was submitted. ``job_uuid``: the job whose result is
    shown again.
    """

    ends: frozenset[MessageKind]
    actions: frozenset[Action]
    unsaid: bool = True
    picture: int | None = None
    named: bool = False
    replies_to: Snowflake | None = None
    echoes: bool = False
    job_uuid: str | None = None


def expected_of(job: Job) -> Expected:
    """What may be said about this job."""
    if job.button_press is not None:
        return _of_press(job.button_press)
    command, text = job.prompt.command, job.prompt.text
    return _of_command(command, "--video" in text, text.strip().lower() if command == "show" else None)


def could_be_about(reading: ParsedMessage, job: Job) -> bool:
    """Whether this message looks like the job's, where no id says so: by its echo, or by what it replies to.

    It proves nothing: others of the account's own jobs, and those of a person's hand, look the same.
    """
    expected = expected_of(job)
    if expected.replies_to is None:
        return _echoes(reading, job, expected)
    if reading.kind in _NOTICES and reading.reply_to is None:
        return reading.prompt is not None and could_be_same(job.prompt.text, reading.prompt)
    return reading.reply_to == expected.replies_to and _does(reading, expected)


def speaks_of(reading: ParsedMessage, job: Job, expected: Expected) -> bool:
    """False where the message says something that no message about this job can say."""
    if reading.kind in FINALS | ANSWERS and reading.kind not in expected.ends:
        return False
    if None not in {reading.image_index, expected.picture} and reading.image_index != expected.picture:
        return False
    if reading.command is not None and job.button_press is None:
        return reading.command.partition(" ")[0] == job.prompt.command.partition(" ")[0]
    if reading.kind in _NOTICES and job.button_press is not None:
        return True  # the footer of a notice names the command that the prompt was first given to
    return reading.action is None or reading.action in expected.actions


def _echoes(reading: ParsedMessage, job: Job, expected: Expected) -> bool:
    if reading.prompt is None or (reading.kind in _AT_WORK and reading.reply_to is not None):
        return False  # the start of a follow-up replies to the message with its button
    if not expected.echoes and reading.kind not in _NOTICES:
        return False
    # A blend was given pictures, and is echoed as their links; its own text has a shape at most.
    return could_be_same("" if job.prompt.command == "blend" else job.prompt.text, reading.prompt)


def _does(reading: ParsedMessage, expected: Expected) -> bool:
    if reading.kind in _NOTICES:
        return True
    names_one = expected.named or reading.image_index is not None
    if reading.kind in FINALS and names_one and reading.image_index != expected.picture:
        return False
    return reading.action in expected.actions if reading.action is not None else expected.unsaid


@lru_cache(maxsize=256)
def _of_command(command: str, video: bool, job_uuid: str | None) -> Expected:
    match command:
        case "imagine" | "blend":
            ends, actions = {MessageKind.RESULT}, {Action.IMAGINE, Action.BLEND}
            if video:
                ends, actions = ends | {MessageKind.VIDEO}, actions | {Action.VIDEO}
            return Expected(frozenset(ends), frozenset(actions), echoes=True)
        case "describe":
            return Expected(frozenset({MessageKind.DESCRIBE}), frozenset())
        case "shorten":
            return Expected(frozenset({MessageKind.SHORTEN}), frozenset())
        case "info":
            return Expected(frozenset({MessageKind.INFO}), frozenset())
        case "show":
            return Expected(FINALS, frozenset(Action), job_uuid=job_uuid)
        case _:
            return Expected(frozenset({MessageKind.NOTICE}), frozenset())


@lru_cache(maxsize=256)
def _of_press(press: ButtonPress) -> Expected:
    pressed = read_custom_id(press.custom_id)
    target = press.message_id
    if pressed is None or pressed.action is None:
        return Expected(FINALS, frozenset(Action), replies_to=target)
    picture = None if pressed.solo else pressed.image_index
    if pressed.of_video:
        ends, actions = {MessageKind.VIDEO, MessageKind.SINGLE}, {Action.VIDEO, Action.UPSCALE}
    else:
        ends, actions = _ENDS.get(pressed.action, {MessageKind.RESULT, MessageKind.SINGLE}), _actions(pressed)
    return Expected(
        ends=frozenset(ends),
        actions=frozenset(actions),
        unsaid=pressed.action is Action.REROLL,
        picture=picture,
        named=pressed.verb == "upsample" and picture is not None,
        replies_to=target,
    )


_ENDS = {
    Action.UPSCALE: {MessageKind.SINGLE},
    Action.VIDEO: {MessageKind.VIDEO},
    Action.VARIATION: {MessageKind.RESULT},
    Action.REROLL: {MessageKind.RESULT},  # a video's too has this button: what that makes, only ids can tell
}


def _actions(pressed: CustomId) -> set[Action]:
    """In Remix mode the label of a result may be Remix in place of what the button is called."""
    action = pressed.action or Action.IMAGINE
    return {action} if action in {Action.UPSCALE, Action.VIDEO} else {action, Action.REMIX}


def duplicate_key(job: Job) -> str:
    """The key that this job shares with all those that could be taken for it; unique if there are none.

    - An imagine shares it with every equal prompt, as far as the bot leaves prompts alone.
    - A blend's echo is nothing but links, so all blends are alike, and an imagine of links alone is too.
    - Two follow-ups are alike if they do the same kind of thing to one message; U1 and U2 are not, since
      their results name the picture.
    - Two /show of one job bring the same uuid.
    - All other commands answer in the message that names their nonce.

    All but those of prompts begin with a line break, which no prompt's has.
    """
    if job.button_press is not None:
        return f"\n{job.button_press.message_id} {_kind(job.button_press)}"
    match job.prompt.command:
        case "imagine" if job.prompt.action is None:
            return normalise(job.prompt.text)
        case "blend":
            return ""
        case "show":
            return f"\nshow {job.prompt.text.strip().lower()}"
        case command:
            return f"\n{command} {job.id}"


def _kind(press: ButtonPress) -> str:
    found = read_custom_id(press.custom_id)
    if found is None or found.action is None:
        return press.custom_id
    return f"upscale {found.image_index}" if found.verb == "upsample" and not found.solo else found.action


_LINK = re.compile(r"<?https?://[^\s<>]*[^\s<>,.;:!?)\]\"']>?", re.IGNORECASE)
_PARAMETERS = re.compile(r"(?:^| )--.*", re.DOTALL)
_ELLIPSIS = re.compile(r"(?:\u2026|\.\.\.)$")

CUT_AT_LEAST = 1000
"""An echo this long, in characters, may have been cut (Discord's limit for a message is 2000)."""


def normalise(prompt: str) -> str:
    """The part of a prompt that the bot leaves alone, for comparing what was submitted with the echo.

    Recorded 2023-2026: links become ``https://s.mj.run/…``, blanks are collapsed, an em dash becomes
    ``--``, parameters are reordered, respelled and added to. So links are dropped and only the text before
    the first `` --`` counts. Case is kept; Unicode is brought to NFC.
    """
    text = unicodedata.normalize("NFC", prompt).replace("\u2014", "--")
    text = " ".join(_LINK.sub(" ", text).split())
    return _PARAMETERS.sub("", text)


def could_be_same(one: str, other: str) -> bool:
    """Whether one may be the echo of the other. Equal prompts in flight look alike: this proves nothing.

    Discord's limits (2000 characters a message, 2048 a footer) are below a prompt's, so a long one may
    come back cut, with or without an ellipsis.
    """
    shorter, longer = sorted((normalise(one), normalise(other)), key=len)
    if shorter == longer:
        return True
    cut = _ELLIPSIS.sub("", shorter).rstrip(" -")
    return len(cut) >= CUT_AT_LEAST and longer.startswith(cut)
