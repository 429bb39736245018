"""Reads messages of the Midjourney bot: from a gateway event or the channel's history to a Reading.

What is known of the wire was recorded from 2023-03 to 2026-06 and has changed several times in between:
whatever is missing, new or of another type must not stop the reading.

What ``mjwatch explain`` prints: any Discord document, as JSON values, as the service reads it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mjwatch.discord.http_errors import read_answer
from mjwatch.discord.json_values import (
    id_of,
    is_object,
    list_of,
    number_of,
    object_of,
    objects_of,
    snowflake_of,
    text_of,
)
from mjwatch.discord.protocol import FLAG_EPHEMERAL, MIDJOURNEY_APPLICATION_ID, NIJI_APPLICATION_ID
from mjwatch.midjourney.buttons import UUID, read_custom_id
from mjwatch.midjourney.interactions import prompt_field, read_modal
from mjwatch.midjourney.parsing.components import read_switches
from mjwatch.midjourney.parsing.message_view import MessageView, footer_of
from mjwatch.midjourney.parsing.parsed_message import (
    Action,
    JobStatus,
    MessageKind,
    Mode,
    ParsedMessage,
    action_of_command,
    read_info,
)
from mjwatch.midjourney.parsing.refusals import Notice, NoticeEffect, judge_embed, judge_text, stopped
from mjwatch.prompts.commands import Answer, answer_to
from mjwatch.prompts.images import only_links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.midjourney.parsing.content import Echo
    from mjwatch.model import Refusal, RemotePicture


__all__ = ["BOTS", "Action", "JobStatus", "MessageKind", "Mode", "ParsedMessage", "read_message"]

BOTS = frozenset({MIDJOURNEY_APPLICATION_ID, NIJI_APPLICATION_ID})

_MESSAGES = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "REST")
_DELETES = ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK")
_VIDEO = re.compile(r"(?:^|\s)--video\b")
_SHORTENED = re.compile(r"^\W*shortened prompts\W*$", re.IGNORECASE | re.MULTILINE)
_DESCRIBED = re.compile(r"\s*1\ufe0f?\u20e3.*\s2\ufe0f?\u20e3", re.DOTALL)
_INFORMS = Notice(NoticeEffect.INFORMS)


def read_message(event: str, payload: Mapping[str, Any], bots: frozenset[str] = BOTS) -> ParsedMessage:
    """Reads one message. Never raises: what is not understood is of kind OTHER or NOTICE.

    ``event`` is the dispatch's name, or ``REST`` for an element of the channel's history; ``payload`` what
    stands under ``d``. ``bots`` are the applications whose messages count.
    """
    payload = object_of(payload)
    parts = MessageView(payload)
    if event in _DELETES:
        return _deleted(event, payload)
    if event.startswith("INTERACTION_"):
        nonce, interaction = id_of(payload.get("nonce")), id_of(payload.get("id"))
        return ParsedMessage(event=event, kind=MessageKind.OTHER, nonce=nonce, interaction_id=interaction)
    if event not in _MESSAGES or not _from_bot(parts, bots):
        return _from_somebody(event, payload)
    return _from_the_bot(event, parts)


def _deleted(event: str, payload: Mapping[str, Any]) -> ParsedMessage:
    ids = (snowflake_of(one) for one in (payload.get("id"), *list_of(payload.get("ids"))))
    return ParsedMessage(
        event=event,
        kind=MessageKind.DELETED,
        message_id=snowflake_of(payload.get("id")),
        channel_id=snowflake_of(payload.get("channel_id")),
        guild_id=snowflake_of(payload.get("guild_id")),
        deleted_ids=tuple(one for one in ids if one is not None),
    )


def _from_somebody(event: str, payload: Mapping[str, Any]) -> ParsedMessage:
    return ParsedMessage(
        event=event,
        kind=MessageKind.OTHER,
        message_id=snowflake_of(payload.get("id")),
        channel_id=snowflake_of(payload.get("channel_id")),
        guild_id=snowflake_of(payload.get("guild_id")),
        author_id=id_of(object_of(payload.get("author")).get("id")),
    )


def _from_bot(parts: MessageView, bots: frozenset[str]) -> bool:
    """By author; where a partial update has none, by application, or else by what only the bot writes."""
    author = id_of(object_of(parts.payload.get("author")).get("id"))
    applications = {id_of(parts.payload.get(key)) for key in ("application_id", "webhook_id")}
    if author in bots or applications & bots:
        return True
    if author is not None or applications != {None}:
        return False
    return bool(parts.custom_ids) or parts.echo is not None or _is_the_bots(parts.command)


def _is_the_bots(command: str | None) -> bool:
    """Return whether only Midjourney has this command: other bots may have a /fast or a /public too."""
    return answer_to(command or "") not in (None, Answer.ACKNOWLEDGEMENT)


def _from_the_bot(event: str, parts: MessageView) -> ParsedMessage:
    payload, echo = parts.payload, parts.echo
    notice = _judge(parts)
    kind = _kind(event, parts, notice)
    return ParsedMessage(
        event=event,
        kind=kind,
        message_id=snowflake_of(payload.get("id")),
        channel_id=snowflake_of(payload.get("channel_id")),
        guild_id=snowflake_of(payload.get("guild_id")),
        author_id=id_of(object_of(payload.get("author")).get("id")),
        application_id=id_of(payload.get("application_id")) or id_of(payload.get("webhook_id")),
        timestamp=parts.timestamp,
        edited=payload.get("edited_timestamp") is not None,
        flags=parts.flags,
        ephemeral=bool(parts.flags & FLAG_EPHEMERAL),
        nonce=id_of(payload.get("nonce")),
        interaction_id=id_of(parts.interaction.get("id")),
        command=parts.command,
        invoker_id=parts.invoker_id,
        reply_to=parts.reply_to,
        content=parts.content,
        prompt=echo.prompt if echo else parts.footer_prompt,
        user_id=echo.user_id if echo else None,
        percent=echo.percent if echo else None,
        status=JobStatus.WAITING if kind is MessageKind.STARTED and echo else echo.status if echo else None,
        mode=echo.mode if echo else None,
        stealth=echo.stealth if echo else None,
        action=_action(kind, parts),
        image_index=echo.image_index if echo else None,
        job_uuid=parts.job_uuid,
        final=parts.final,
        images=parts.images,
        buttons=parts.buttons,
        error=_error(kind, parts, notice),
        info=read_info(_descriptions(parts)) if kind is MessageKind.INFO else None,
        text=_text(kind, parts),
    )


def _judge(parts: MessageView) -> Notice:
    """What the embeds, or the text where it is not that of a job, do to the job."""
    judged = (
        judge_embed(
            text_of(embed.get("title")),
            text_of(embed.get("description")),
            number_of(embed.get("color")),
            footer_of(embed),
            parts.timestamp,
        )
        for embed in parts.embeds
    )
    decided = next((notice for notice in judged if notice.outcome is not NoticeEffect.INFORMS), None)
    if decided or parts.echo is not None:
        return decided or _INFORMS
    return judge_text(parts.content, parts.timestamp, answer=parts.answers)


def _kind(event: str, parts: MessageView, notice: Notice) -> MessageKind:
    if parts.final:
        return MessageKind.BUTTON_USED if event == "MESSAGE_UPDATE" else _finished(parts)
    answered = _answered(parts)
    if answered is not None:
        return answered
    if notice.outcome is not NoticeEffect.INFORMS:
        return MessageKind.REFUSED if notice.outcome is NoticeEffect.REFUSED else MessageKind.QUEUED
    if parts.echo is not None:
        return _running(parts.echo, parts.images)
    return MessageKind.STARTED if parts.empty and event != "MESSAGE_UPDATE" else MessageKind.NOTICE


def _finished(parts: MessageView) -> MessageKind:
    types = (image.content_type or "" for image in parts.images)
    if any(one.of_video for one in parts.custom_ids) or any(one.startswith("video/") for one in types):
        return MessageKind.VIDEO
    if parts.echo is not None and parts.echo.single:
        return MessageKind.SINGLE
    if any(one.of_grid for one in parts.custom_ids):
        return MessageKind.RESULT
    of_one = any(one.unknown or one.action not in (None, Action.REROLL) for one in parts.custom_ids)
    return MessageKind.SINGLE if of_one else MessageKind.RESULT


def _answered(parts: MessageView) -> MessageKind | None:
    """The commands whose answer is text in an embed, each known by something of its own."""
    description = _descriptions(parts)
    if any(text_of(embed.get("title")).lower().startswith("your info") for embed in parts.embeds):
        return MessageKind.INFO
    if any(one.verb.startswith("promptanalyzer") for one in parts.custom_ids):
        return MessageKind.SHORTEN
    if any(one.verb.startswith("picread") for one in parts.custom_ids):
        return MessageKind.DESCRIBE
    if _SHORTENED.search(description):
        return MessageKind.SHORTEN
    return MessageKind.DESCRIBE if _DESCRIBED.match(description) else None


def _running(echo: Echo, images: tuple[RemotePicture, ...]) -> MessageKind:
    """Without a word on its status, the text of a button's job is its start, any other one goes on."""
    if echo.status is JobStatus.STOPPED:
        return MessageKind.REFUSED
    only_lead = echo.status is None and echo.lead and not images
    return MessageKind.STARTED if echo.status is JobStatus.WAITING or only_lead else MessageKind.PROGRESS


def _error(kind: MessageKind, parts: MessageView, notice: Notice) -> Refusal | None:
    if kind is not MessageKind.REFUSED:
        return None
    return notice.refusal or stopped(parts.content)


def _text(kind: MessageKind, parts: MessageView) -> str | None:
    if kind not in (
        MessageKind.INFO,
        MessageKind.DESCRIBE,
        MessageKind.SHORTEN,
        MessageKind.NOTICE,
        MessageKind.QUEUED,
    ):
        return None
    titles = [text_of(embed.get("title")) for embed in parts.embeds] if kind is MessageKind.NOTICE else []
    switches = read_switches(parts.payload.get("components"))
    words = filter(None, (*titles, _descriptions(parts) or parts.content, switches))
    return "\n\n".join(words) or None


def _descriptions(parts: MessageView) -> str:
    return "\n\n".join(filter(None, (text_of(embed.get("description")) for embed in parts.embeds)))


def _action(kind: MessageKind, parts: MessageView) -> Action | None:
    """What was asked for, where the message tells it.

    A reply without a label is an imagine if it replies to the job's own progress message, a reroll if to
    a finished grid; which one it is, only the message replied to can tell.
    """
    echo = parts.echo
    if echo is None:
        return (
            action_of_command(parts.command)
            if kind in (MessageKind.REFUSED, MessageKind.QUEUED, MessageKind.STARTED)
            else None
        )
    if echo.action is not None:
        return echo.action
    prompt = echo.prompt or ""
    if any(one.of_video for one in parts.custom_ids) or (parts.reply_to and _VIDEO.search(prompt)):
        return Action.VIDEO
    if parts.command:
        return action_of_command(parts.command)
    if parts.reply_to and not _replies_to_progress(parts):
        return Action.REROLL if _replies_to_grid(parts) else None
    return Action.BLEND if only_links(prompt) else Action.IMAGINE


def _replies_to_grid(parts: MessageView) -> bool:
    return parts.replied is not None and any(one.of_grid for one in parts.replied.custom_ids)


def _replies_to_progress(parts: MessageView) -> bool:
    replied = parts.replied
    return replied is not None and not replied.final and replied.echo is not None


_FACTS = (
    "kind", "prompt", "user_id", "percent", "status", "mode", "stealth", "action", "image_index", "job_uuid",
    "reply_to", "nonce", "interaction_id",
)  # fmt: skip
_BUTTON = 2


def explain(document: object) -> dict[str, Any]:
    """Reads ``{"event", "payload"}``, a whole gateway dispatch, or a bare message (as from the history).

    With event HTTP the payload is an answer (``status, headers, body``) or a request (``method, path,
    body``). Every key is always there; null, or an empty list, where it does not apply. Never raises.
    """
    document = object_of(document)
    if "payload" in document:
        event, payload = text_of(document.get("event")), object_of(document.get("payload"))
    elif "op" in document or "t" in document:
        event, payload = text_of(document.get("t")), object_of(document.get("d"))
    else:
        event, payload = "REST", document
    return _http(payload) if event == "HTTP" else _plain(read_message(event, payload))


def _plain(reading: ParsedMessage) -> dict[str, Any]:
    return {
        **{key: getattr(reading, key) for key in _FACTS},
        "images": [_image(image) for image in reading.images],
        "buttons": [button.custom_id for button in reading.buttons],
        "error": _error_fields(reading.error),
        "info": asdict(reading.info) if reading.info else None,
    }


def _image(image: RemotePicture) -> dict[str, Any]:
    return {"filename": image.filename, "url": image.url, "width": image.width, "height": image.height}


def _error_fields(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {"title": refusal.title, "class": refusal.kind, "needs_human": refusal.needs_human}


def _http(payload: Mapping[str, Any]) -> dict[str, Any]:
    status, body = number_of(payload.get("status")), _decoded(payload.get("body"))
    if status is None:
        return _request(object_of(body))
    headers = {str(name): str(value) for name, value in object_of(payload.get("headers")).items()}
    refusal = read_answer(status, headers, body)
    kind = MessageKind.OTHER if refusal is None else MessageKind.HTTP_ERROR
    return _plain(ParsedMessage(event="HTTP", kind=kind)) | {"error": _error_fields(refusal)}


def _decoded(body: object) -> object:
    """A body as JSON, if it is any; browsers send it as the field ``payload_json`` of a form."""
    if is_object(body) and isinstance(body.get("payload_json"), str):
        body = body["payload_json"]
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A command, a pressed button or an answered modal, as a client sends it."""
    data = object_of(body.get("data"))
    custom_id = text_of(data.get("custom_id"))
    pressed = read_custom_id(custom_id)
    given = {text_of(one.get("name")): text_of(one.get("value")) for one in objects_of(data.get("options"))}
    modal = read_modal(data)
    field = prompt_field(modal) if modal is not None else None
    prompt = dict(modal.fields)[field] if modal is not None and field is not None else given.get("prompt")
    shown = re.fullmatch(UUID, given.get("job_id", ""), re.IGNORECASE)
    return _plain(ParsedMessage(event="HTTP", kind=MessageKind.OTHER)) | {
        "nonce": id_of(body.get("nonce")),
        "prompt": prompt,
        "buttons": [custom_id] if custom_id and data.get("component_type") == _BUTTON else [],
        "action": pressed.action if pressed else action_of_command(text_of(data.get("name"))),
        "image_index": pressed.image_index if pressed else None,
        "job_uuid": pressed.job_uuid if pressed else shown[0].lower() if shown else None,
    }
