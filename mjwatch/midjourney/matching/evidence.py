"""What a message and a job have in common: their ids, the answer that a job expects, and the prompt. Pure.

Also the key that jobs share while no id tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from mjwatch.discord.protocol import MIDJOURNEY_APPLICATION_ID
from mjwatch.midjourney.buttons import read_custom_id
from mjwatch.midjourney.matching.similarity import could_be_same, normalise, same_words
from mjwatch.midjourney.parsing.parsed_message import Action, MessageKind, ParsedMessage
from mjwatch.model import Job, State
from mjwatch.prompts.commands import Answer, answer_to, slash_name

if TYPE_CHECKING:
    from mjwatch.midjourney.buttons import CustomId
    from mjwatch.model import ButtonPress, Snowflake

FINALS = frozenset({MessageKind.RESULT, MessageKind.SINGLE, MessageKind.VIDEO})
"""Messages that show the pictures of a finished job."""

TEXT_ANSWERS = frozenset({MessageKind.DESCRIBE, MessageKind.SHORTEN, MessageKind.INFO})
"""Answers in text that differ from an acknowledgement."""

_BETWEEN_ATTEMPTS = frozenset({State.QUEUED, State.IN_DOUBT})
_RUNNING = frozenset({MessageKind.STARTED, MessageKind.PROGRESS})
_NOTICES = frozenset({MessageKind.REFUSED, MessageKind.QUEUED})


def compare(message: ParsedMessage, job: Job) -> list[tuple[str, bool]]:
    """Return every id that both sides know, and whether it agrees; the strongest first.

    ``place`` marks a mismatch in something other than an id: the content, the age, or the bot that sent it.
    """
    expected = expected_of(job)
    evidence = [
        ("nonce", _nonce(message, job)),
        ("message", _message(message, job)),
        ("reference", _reference(message, job, expected)),
        ("job uuid", _same(message.job_uuid, job.job_uuid or expected.job_uuid)),
        ("interaction", _same(message.interaction_id, job.interaction_id)),
    ]
    known = [(by, agrees) for by, agrees in evidence if agrees is not None]
    if expected.replies_to is None and ("reference", True) in known:
        # Only the job itself replies to its start; the uuid may be that of a preview's name alone.
        known = [pair for pair in known if pair != ("job uuid", False)]
    is_certain = any(agrees and by in _own_ids(job) for by, agrees in known)
    is_possible = _is_in_place(message, job, is_certain=is_certain) and (
        is_certain or is_compatible(message, job, expected)
    )
    return known if is_possible else [*known, ("place", False)]


def _own_ids(job: Job) -> tuple[str, ...]:
    """Return the ids that only this job has, so that a message with one belongs to it whatever it says.

    The uuid of a prompt is not among them: what somebody makes of its pictures by hand may have the same
    uuid.
    """
    return ("nonce", "message", "job uuid") if job.button_press is not None else ("nonce", "message")


def not_newer(message_id: str | None, anchor: str | None) -> bool:
    """Return whether both are known and the message is not newer than the anchor."""
    if message_id is None or anchor is None:
        return False
    return message_id.isdecimal() and anchor.isdecimal() and int(message_id) <= int(anchor)


def _same(left: str | None, right: str | None) -> bool | None:
    return None if left is None or right is None else left == right


def _nonce(message: ParsedMessage, job: Job) -> bool | None:
    if message.nonce is None or not job.nonces:
        return None
    if message.nonce == job.nonce or (message.nonce in job.nonces and _may_be_earlier_attempt(job)):
        return True
    if job.cancel_request is not None and message.nonce == job.cancel_request.nonce:
        return None  # the nonce of the press that stops the job
    # An earlier attempt that appears beside the present one is another job of Midjourney's.
    return None if message.kind in FINALS and message.nonce not in job.nonces else False


def _may_be_earlier_attempt(job: Job) -> bool:
    """Return whether an earlier attempt may be what runs: the present one has no known start."""
    knows_start = job.state is State.IN_DOUBT and job.message_id is not None and not job.start_by_looks
    return job.state in _BETWEEN_ATTEMPTS and not knows_start


def _message(message: ParsedMessage, job: Job) -> bool | None:
    if job.message_id is None:
        return None
    if job.message_id == message.message_id or job.message_id in message.deleted_ids:
        return True
    if message.kind is MessageKind.PROGRESS and not_newer(job.message_id, message.message_id):
        # The job's interaction shows that it continues in a newer message.
        return None if _same(message.interaction_id, job.interaction_id) else False
    return False if message.kind in {MessageKind.PROGRESS, MessageKind.DELETED} else None


def _reference(message: ParsedMessage, job: Job, expected: ExpectedAnswer) -> bool | None:
    if message.reply_to is None or message.kind in _RUNNING:
        return None
    if expected.replies_to is not None:
        # A reply to the pressed message is not an id of this job: answers to its siblings reply there too.
        return None if message.reply_to == expected.replies_to else message.reply_to == job.message_id
    if job.message_id is not None and (message.reply_to == job.message_id or expected.job_uuid is None):
        return message.reply_to == job.message_id
    # The message replied to is older than the job: for example a reroll of an old grid.
    return False if _older_than(message.reply_to, job) and expected.job_uuid is None else None


def _older_than(message_id: str | None, job: Job) -> bool:
    """Return whether a message is older than the job's attempt, or than its interaction."""
    return not_newer(message_id, job.anchor) or not_newer(message_id, job.interaction_id)


def _is_in_place(message: ParsedMessage, job: Job, *, is_certain: bool) -> bool:
    """Return False if the message is older than the job or than its start, or comes from another bot."""
    is_older = (
        not_newer(message.message_id, job.anchor) if is_certain else _older_than(message.message_id, job)
    )
    if message.kind in FINALS and not is_certain and not job.start_by_looks:
        is_older = is_older or not_newer(message.message_id, job.message_id)
    too_old = message.kind is not MessageKind.DELETED and is_older
    by_other_bot = job.prompt.application == "niji" and message.author_id == MIDJOURNEY_APPLICATION_ID
    return not too_old and not by_other_bot


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """What messages about a job may say.

    ``finals``: the kinds of its final message. ``actions``: what its messages may say that it does.
    ``may_omit_action``: whether some say nothing about that. ``picture``: the picture that its messages name,
    if they name one. ``names_picture``: whether the final always names it. ``replies_to``: the message whose
    button was pressed. ``echoes_prompt``: whether the final shows the prompt that was submitted.
    ``job_uuid``: the job whose result is shown again.
    """

    finals: frozenset[MessageKind]
    actions: frozenset[Action]
    may_omit_action: bool = True
    picture: int | None = None
    names_picture: bool = False
    replies_to: Snowflake | None = None
    echoes_prompt: bool = False
    job_uuid: str | None = None


def _answer_of_kind(kind: MessageKind) -> ExpectedAnswer:
    return ExpectedAnswer(frozenset({kind}), frozenset())


_EXPECTED = {
    Answer.PICTURES: ExpectedAnswer(
        frozenset({MessageKind.RESULT}), frozenset({Action.IMAGINE, Action.BLEND}), echoes_prompt=True
    ),
    Answer.PICTURES_AGAIN: ExpectedAnswer(FINALS, frozenset(Action)),
    Answer.DESCRIPTION: _answer_of_kind(MessageKind.DESCRIBE),
    Answer.SHORTENED_PROMPT: _answer_of_kind(MessageKind.SHORTEN),
    Answer.ACCOUNT_INFO: _answer_of_kind(MessageKind.INFO),
    Answer.SETTINGS: _answer_of_kind(MessageKind.NOTICE),
    Answer.ACKNOWLEDGEMENT: _answer_of_kind(MessageKind.NOTICE),
}
_WITH_VIDEO = replace(
    _EXPECTED[Answer.PICTURES],
    finals=frozenset({MessageKind.RESULT, MessageKind.VIDEO}),
    actions=frozenset({Action.IMAGINE, Action.BLEND, Action.VIDEO}),
)


def expected_of(job: Job) -> ExpectedAnswer:
    """Return what messages about this job may say."""
    if job.button_press is not None:
        return _of_press(job.button_press)
    answer = answer_to(job.prompt.command) or Answer.ACKNOWLEDGEMENT
    if answer is Answer.PICTURES and "--video" in job.prompt.text:
        return _WITH_VIDEO
    if answer is Answer.PICTURES_AGAIN:
        return replace(_EXPECTED[answer], job_uuid=job.prompt.text.strip().lower())
    return _EXPECTED[answer]


def could_be_about(message: ParsedMessage, job: Job) -> bool:
    """Return whether this message looks like the job's, by its prompt or by what it replies to.

    That proves nothing: other jobs of the account, and those that were started by hand, look the same.
    """
    expected = expected_of(job)
    if expected.replies_to is None:
        return _echoes_prompt(message, job, expected)
    if message.kind in _NOTICES and message.reply_to is None:
        return message.prompt is not None and same_words(job.prompt.text, message.prompt)
    return message.reply_to == expected.replies_to and _names_action(message, expected)


def is_compatible(message: ParsedMessage, job: Job, expected: ExpectedAnswer) -> bool:
    """Return False if the message says something that no message about this job can say."""
    if message.kind in FINALS | TEXT_ANSWERS and message.kind not in expected.finals:
        return False
    if None not in {message.image_index, expected.picture} and message.image_index != expected.picture:
        return False
    if message.command is not None and job.button_press is None:
        return slash_name(message.command) == slash_name(job.prompt.command)
    if message.kind in _NOTICES and job.button_press is not None:
        return True  # the footer of a notice names the command that the prompt was first given to
    return message.action is None or message.action in expected.actions


def _echoes_prompt(message: ParsedMessage, job: Job, expected: ExpectedAnswer) -> bool:
    if message.prompt is None or (message.kind in _RUNNING and message.reply_to is not None):
        return False  # the start of a follow-up replies to the message with its button
    if not expected.echoes_prompt and message.kind not in _NOTICES:
        return False
    if job.prompt.command == "blend":
        return same_words("", message.prompt)  # its echo is the links of its pictures, and an aspect ratio
    return could_be_same(job.prompt.text, message.prompt)


def _names_action(message: ParsedMessage, expected: ExpectedAnswer) -> bool:
    if message.kind in _NOTICES:
        return True
    names_picture = expected.names_picture or message.image_index is not None
    if message.kind in FINALS and names_picture and message.image_index != expected.picture:
        return False
    return message.action in expected.actions if message.action is not None else expected.may_omit_action


@lru_cache(maxsize=256)
def _of_press(press: ButtonPress) -> ExpectedAnswer:
    pressed = read_custom_id(press.custom_id)
    if pressed is None or pressed.action is None:
        return ExpectedAnswer(FINALS, frozenset(Action), replies_to=press.message_id)
    picture = None if pressed.solo else pressed.image_index
    if pressed.of_video:
        finals, actions = {MessageKind.VIDEO, MessageKind.SINGLE}, {Action.VIDEO, Action.UPSCALE}
    else:
        finals = _FINALS_OF.get(pressed.action, {MessageKind.RESULT, MessageKind.SINGLE})
        actions = _actions_of(pressed)
    return ExpectedAnswer(
        finals=frozenset(finals),
        actions=frozenset(actions),
        may_omit_action=pressed.action is Action.REROLL,
        picture=picture,
        names_picture=pressed.verb == "upsample" and picture is not None,
        replies_to=press.message_id,
    )


_FINALS_OF = {
    Action.UPSCALE: {MessageKind.SINGLE},
    Action.VIDEO: {MessageKind.VIDEO},
    Action.VARIATION: {MessageKind.RESULT},
    Action.REROLL: {MessageKind.RESULT},  # a video has this button too: only ids can match its result
}


def _actions_of(pressed: CustomId) -> set[Action]:
    """Return what a result may say; in Remix mode its label may be Remix instead of the button's name."""
    action = pressed.action or Action.IMAGINE
    return {action} if action in {Action.UPSCALE, Action.VIDEO} else {action, Action.REMIX}


def duplicate_key(job: Job) -> str:
    """Return the key that this job shares with all jobs that could be mistaken for it.

    - An imagine shares it with every equal prompt, as far as the bot leaves prompts unchanged.
    - The echo of a blend is only links, so all blends look alike, and so does an imagine of links alone.
    - Two follow-ups look alike if they do the same kind of thing to one message; U1 and U2 do not, because
      their results name the picture.
    - Two /show of one job bring the same uuid.
    - All other commands answer in the message that names their nonce, so the key is unique.

    All keys except those of prompts begin with a line break, which no prompt has.
    """
    if job.button_press is not None:
        return f"\n{job.button_press.message_id} {_kind_of(job.button_press)}"
    match job.prompt.command:
        case "imagine" if job.prompt.action is None:
            return normalise(job.prompt.text)
        case "blend":
            return ""
        case "show":
            return f"\nshow {job.prompt.text.strip().lower()}"
        case command:
            return f"\n{command} {job.id}"


def _kind_of(press: ButtonPress) -> str:
    found = read_custom_id(press.custom_id)
    if found is None or found.action is None:
        return press.custom_id
    return f"upscale {found.image_index}" if found.verb == "upsample" and not found.solo else found.action
