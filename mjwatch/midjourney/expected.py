"""What a job can be answered with, by what it asks for: kinds of messages, what they do and reply to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from mjwatch.midjourney.custom_ids import read_custom_id
from mjwatch.midjourney.echo import could_be_same
from mjwatch.midjourney.reading import Action, Kind, Reading

if TYPE_CHECKING:
    from mjwatch.midjourney.custom_ids import CustomId
    from mjwatch.model import Job, Press, Snowflake

FINALS = frozenset({Kind.RESULT, Kind.SINGLE, Kind.VIDEO})
ANSWERS = frozenset({Kind.DESCRIBE, Kind.SHORTEN, Kind.INFO})
"""What is answered in words, and can be told from an acknowledgement."""

_AT_WORK = frozenset({Kind.STARTED, Kind.PROGRESS})
_NOTICES = frozenset({Kind.REFUSED, Kind.QUEUED})


@dataclass(frozen=True, slots=True)
class Expected:
    """What may be said about a job.

    ``ends``: the kinds of its final message. ``actions``: what its messages may say that it does;
    ``unsaid``: whether some leave that open. ``picture``: which one its messages speak of, if they name one,
    and ``named`` whether the final does so always. ``replies_to``: the message whose button it has pressed.
    ``echoes``: whether its final shows the prompt that was submitted. ``job_uuid``: the job whose result is
    shown again.
    """

    ends: frozenset[Kind]
    actions: frozenset[Action]
    unsaid: bool = True
    picture: int | None = None
    named: bool = False
    replies_to: Snowflake | None = None
    echoes: bool = False
    job_uuid: str | None = None


def expected_of(job: Job) -> Expected:
    """What may be said about this job."""
    if job.press is not None:
        return _of_press(job.press)
    command, text = job.prompt.command, job.prompt.text
    return _of_command(command, "--video" in text, text.strip().lower() if command == "show" else None)


def could_be_about(reading: Reading, job: Job) -> bool:
    """Whether this message looks like the job's, where no id says so: by its echo, or by what it replies to.

    It proves nothing: others of the account's own jobs, and those of a person's hand, look the same.
    """
    expected = expected_of(job)
    if expected.replies_to is None:
        return _echoes(reading, job, expected)
    if reading.kind in _NOTICES and reading.reply_to is None:
        return reading.prompt is not None and could_be_same(job.prompt.text, reading.prompt)
    return reading.reply_to == expected.replies_to and _does(reading, expected)


def speaks_of(reading: Reading, job: Job, expected: Expected) -> bool:
    """False where the message says something that no message about this job can say."""
    if reading.kind in FINALS | ANSWERS and reading.kind not in expected.ends:
        return False
    if None not in {reading.image_index, expected.picture} and reading.image_index != expected.picture:
        return False
    if reading.command is not None and job.press is None:
        return reading.command.partition(" ")[0] == job.prompt.command.partition(" ")[0]
    if reading.kind in _NOTICES and job.press is not None:
        return True  # the footer of a notice names the command that the prompt was first given to
    return reading.action is None or reading.action in expected.actions


def _echoes(reading: Reading, job: Job, expected: Expected) -> bool:
    if reading.prompt is None or (reading.kind in _AT_WORK and reading.reply_to is not None):
        return False  # the start of a follow-up replies to the message with its button
    if not expected.echoes and reading.kind not in _NOTICES:
        return False
    # A blend was given pictures, and is echoed as their links; its own text has a shape at most.
    return could_be_same("" if job.prompt.command == "blend" else job.prompt.text, reading.prompt)


def _does(reading: Reading, expected: Expected) -> bool:
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
            ends, actions = {Kind.RESULT}, {Action.IMAGINE, Action.BLEND}
            if video:
                ends, actions = ends | {Kind.VIDEO}, actions | {Action.VIDEO}
            return Expected(frozenset(ends), frozenset(actions), echoes=True)
        case "describe":
            return Expected(frozenset({Kind.DESCRIBE}), frozenset())
        case "shorten":
            return Expected(frozenset({Kind.SHORTEN}), frozenset())
        case "info":
            return Expected(frozenset({Kind.INFO}), frozenset())
        case "show":
            return Expected(FINALS, frozenset(Action), job_uuid=job_uuid)
        case _:
            return Expected(frozenset({Kind.NOTICE}), frozenset())


@lru_cache(maxsize=256)
def _of_press(press: Press) -> Expected:
    pressed = read_custom_id(press.custom_id)
    target = press.message_id
    if pressed is None or pressed.action is None:
        return Expected(FINALS, frozenset(Action), replies_to=target)
    picture = None if pressed.solo else pressed.image_index
    if pressed.of_video:
        ends, actions = {Kind.VIDEO, Kind.SINGLE}, {Action.VIDEO, Action.UPSCALE}
    else:
        ends, actions = _ENDS.get(pressed.action, {Kind.RESULT, Kind.SINGLE}), _actions(pressed)
    return Expected(
        ends=frozenset(ends),
        actions=frozenset(actions),
        unsaid=pressed.action is Action.REROLL,
        picture=picture,
        named=pressed.verb == "upsample" and picture is not None,
        replies_to=target,
    )


_ENDS = {
    Action.UPSCALE: {Kind.SINGLE},
    Action.VIDEO: {Kind.VIDEO},
    Action.VARIATION: {Kind.RESULT},
    Action.REROLL: {Kind.RESULT},  # a video's too has this button: what that makes, only ids can tell
}


def _actions(pressed: CustomId) -> set[Action]:
    """In Remix mode the label of a result may be Remix in place of what the button is called."""
    action = pressed.action or Action.IMAGINE
    return {action} if action in {Action.UPSCALE, Action.VIDEO} else {action, Action.REMIX}
