"""Parse messages of the Midjourney bot, from a gateway event or the channel's history, to a ParsedMessage.

The wire format was recorded from 2023-03 to 2026-06 and changed several times in between: a missing or new
field, or one of another type, must not stop the parser. ``explain`` is what ``mjwatch explain`` prints.
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
    from collections.abc import Iterable, Mapping

    from mjwatch.midjourney.parsing.content import Echo
    from mjwatch.model import Refusal, RemotePicture


__all__ = ["BOTS", "Action", "JobStatus", "MessageKind", "Mode", "ParsedMessage", "read_message"]

BOTS = frozenset({MIDJOURNEY_APPLICATION_ID, NIJI_APPLICATION_ID})

_MESSAGES = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "REST")
_DELETES = ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK")
_VIDEO = re.compile(r"(?:^|\s)--video\b")
_SHORTENED = re.compile(r"^[^\w\n]*shortened prompts[^\w\n]*$", re.IGNORECASE | re.MULTILINE)
_DESCRIBED = re.compile(r"\s*1\ufe0f?\u20e3.*\s2\ufe0f?\u20e3", re.DOTALL)
_INFORMS = Notice(NoticeEffect.INFORMS)
_FACTS = (
    "kind", "prompt", "user_id", "percent", "status", "mode", "stealth", "action", "image_index", "job_uuid",
    "reply_to", "nonce", "interaction_id",
)  # fmt: skip
_BUTTON = 2


def read_message(
    event: str,
    payload: Mapping[str, Any],
    bots: frozenset[str] = BOTS,
    prompts: Iterable[str] = (),
) -> ParsedMessage:
    """Parse one message. Never raises: a message that is not understood is of kind OTHER or NOTICE.

    ``event`` is the dispatch's name, or ``REST`` for an element of the channel's history; ``payload`` is what
    is under ``d``. ``bots`` are the applications whose messages count. ``prompts``: those of the jobs
    that the message may be about; a notice may quote them.
    """
    payload = object_of(payload)
    view = MessageView(payload)
    if event in _DELETES:
        return _deleted(event, payload)
    if event.startswith("INTERACTION_"):
        nonce, interaction = id_of(payload.get("nonce")), id_of(payload.get("id"))
        return ParsedMessage(event=event, kind=MessageKind.OTHER, nonce=nonce, interaction_id=interaction)
    if event not in _MESSAGES or not _from_bot(view, bots):
        return _from_somebody_else(event, payload)
    return _from_the_bot(event, view, prompts)


def _deleted(event: str, payload: Mapping[str, Any]) -> ParsedMessage:
    ids = (snowflake_of(value) for value in (payload.get("id"), *list_of(payload.get("ids"))))
    return ParsedMessage(
        event=event,
        kind=MessageKind.DELETED,
        message_id=snowflake_of(payload.get("id")),
        channel_id=snowflake_of(payload.get("channel_id")),
        guild_id=snowflake_of(payload.get("guild_id")),
        deleted_ids=tuple(message_id for message_id in ids if message_id is not None),
    )


def _from_somebody_else(event: str, payload: Mapping[str, Any]) -> ParsedMessage:
    return ParsedMessage(
        event=event,
        kind=MessageKind.OTHER,
        message_id=snowflake_of(payload.get("id")),
        channel_id=snowflake_of(payload.get("channel_id")),
        guild_id=snowflake_of(payload.get("guild_id")),
        author_id=id_of(object_of(payload.get("author")).get("id")),
    )


def _from_bot(view: MessageView, bots: frozenset[str]) -> bool:
    """Return whether the bot wrote it, by author; in a partial update by application or typical content."""
    author = id_of(object_of(view.payload.get("author")).get("id"))
    applications = {id_of(view.payload.get(key)) for key in ("application_id", "webhook_id")}
    if author in bots or applications & bots:
        return True
    if author is not None or applications != {None}:
        return False
    return bool(view.custom_ids) or view.echo is not None or _is_the_bots(view.command)


def _is_the_bots(command: str | None) -> bool:
    """Return whether only Midjourney has this command: other bots may have a /fast or a /public too."""
    return answer_to(command or "") not in (None, Answer.ACKNOWLEDGEMENT)


def _from_the_bot(event: str, view: MessageView, prompts: Iterable[str]) -> ParsedMessage:
    payload, echo = view.payload, view.echo
    notice = _judge(view, prompts)
    kind = _kind(event, view, notice)
    return ParsedMessage(
        event=event,
        kind=kind,
        message_id=snowflake_of(payload.get("id")),
        channel_id=snowflake_of(payload.get("channel_id")),
        guild_id=snowflake_of(payload.get("guild_id")),
        author_id=id_of(object_of(payload.get("author")).get("id")),
        application_id=id_of(payload.get("application_id")) or id_of(payload.get("webhook_id")),
        timestamp=view.timestamp,
        edited_at=text_of(payload.get("edited_timestamp")) or None,
        flags=view.flags,
        ephemeral=bool(view.flags & FLAG_EPHEMERAL),
        nonce=id_of(payload.get("nonce")),
        interaction_id=id_of(view.interaction.get("id")),
        command=view.command,
        invoker_id=view.invoker_id,
        reply_to=view.reply_to,
        content=view.content,
        prompt=echo.prompt if echo else view.footer_prompt,
        user_id=echo.user_id if echo else None,
        percent=echo.percent if echo else None,
        status=JobStatus.WAITING if kind is MessageKind.STARTED and echo else echo.status if echo else None,
        mode=echo.mode if echo else None,
        stealth=echo.stealth if echo else None,
        action=_action(kind, view),
        image_index=echo.image_index if echo else None,
        job_uuid=view.job_uuid,
        final=view.final,
        images=view.images,
        buttons=view.buttons,
        error=_error(kind, view, notice),
        info=read_info(_descriptions(view)) if kind is MessageKind.INFO else None,
        text=_text(kind, view),
    )


def _judge(view: MessageView, prompts: Iterable[str]) -> Notice:
    """Return what the embeds do to the job, or the text if it is not that of a job."""
    if view.echo is not None and not view.embeds:
        return _INFORMS
    echoes = (view.echo, None if view.replied is None else view.replied.echo)
    quoted = {*prompts, view.footer_prompt or "", *((echo and echo.prompt) or "" for echo in echoes)}
    judged = (
        judge_embed(
            text_of(embed.get("title")),
            text_of(embed.get("description")),
            number_of(embed.get("color")),
            footer_of(embed),
            view.timestamp,
            quoted,
        )
        for embed in view.embeds
    )
    decided = next((notice for notice in judged if notice.outcome is not NoticeEffect.INFORMS), None)
    if decided or view.echo is not None:
        return decided or _INFORMS
    return judge_text(view.content, view.timestamp, answer=view.answers, prompts=quoted)


def _kind(event: str, view: MessageView, notice: Notice) -> MessageKind:
    if view.final:
        return MessageKind.BUTTON_USED if event == "MESSAGE_UPDATE" else _finished(view)
    answer = _text_answer(view)
    if answer is not None:
        return answer
    if notice.outcome is not NoticeEffect.INFORMS:
        return MessageKind.REFUSED if notice.outcome is NoticeEffect.REFUSED else MessageKind.QUEUED
    if view.echo is not None:
        return _running(view.echo, view.images)
    return MessageKind.STARTED if view.empty and event != "MESSAGE_UPDATE" else MessageKind.NOTICE


def _finished(view: MessageView) -> MessageKind:
    types = (image.content_type or "" for image in view.images)
    if any(found.of_video for found in view.custom_ids) or any(name.startswith("video/") for name in types):
        return MessageKind.VIDEO
    if view.echo is not None and view.echo.single:
        return MessageKind.SINGLE
    if any(found.of_grid for found in view.custom_ids):
        return MessageKind.RESULT
    of_single = any(found.unknown or found.action not in (None, Action.REROLL) for found in view.custom_ids)
    return MessageKind.SINGLE if of_single else MessageKind.RESULT


def _text_answer(view: MessageView) -> MessageKind | None:
    """Return the kind of an answer that is text in an embed, each recognized by something of its own."""
    description = _descriptions(view)
    if any(text_of(embed.get("title")).lower().startswith("your info") for embed in view.embeds):
        return MessageKind.INFO
    if any(found.verb.startswith("promptanalyzer") for found in view.custom_ids):
        return MessageKind.SHORTEN
    if any(found.verb.startswith("picread") for found in view.custom_ids):
        return MessageKind.DESCRIBE
    if _SHORTENED.search(description):
        return MessageKind.SHORTEN
    return MessageKind.DESCRIBE if _DESCRIBED.match(description) else None


def _running(echo: Echo, images: tuple[RemotePicture, ...]) -> MessageKind:
    """Return STARTED or PROGRESS: without a status, the text of a button's job is its start."""
    if echo.status is JobStatus.STOPPED:
        return MessageKind.REFUSED
    only_lead = echo.status is None and echo.lead and not images
    return MessageKind.STARTED if echo.status is JobStatus.WAITING or only_lead else MessageKind.PROGRESS


def _error(kind: MessageKind, view: MessageView, notice: Notice) -> Refusal | None:
    if kind is not MessageKind.REFUSED:
        return None
    return notice.refusal or stopped(view.content)


def _text(kind: MessageKind, view: MessageView) -> str | None:
    if kind not in (
        MessageKind.INFO,
        MessageKind.DESCRIBE,
        MessageKind.SHORTEN,
        MessageKind.NOTICE,
        MessageKind.QUEUED,
    ):
        return None
    titles = [text_of(embed.get("title")) for embed in view.embeds] if kind is MessageKind.NOTICE else []
    switches = read_switches(view.payload.get("components"))
    texts = filter(None, (*titles, _descriptions(view) or view.content, switches))
    return "\n\n".join(texts) or None


def _descriptions(view: MessageView) -> str:
    return "\n\n".join(filter(None, (text_of(embed.get("description")) for embed in view.embeds)))


def _action(kind: MessageKind, view: MessageView) -> Action | None:
    """Return what was asked for, if the message says so.

    A reply without a label is an imagine if it replies to the job's own progress message, and a reroll if it
    replies to a finished grid. Only the message replied to shows which of the two it is.
    """
    echo = view.echo
    if echo is None:
        return (
            action_of_command(view.command)
            if kind in (MessageKind.REFUSED, MessageKind.QUEUED, MessageKind.STARTED)
            else None
        )
    if echo.action is not None:
        return echo.action
    prompt = echo.prompt or ""
    if any(found.of_video for found in view.custom_ids) or (view.reply_to and _VIDEO.search(prompt)):
        return Action.VIDEO
    if view.command:
        return action_of_command(view.command)
    if view.reply_to and not _replies_to_progress(view):
        return Action.REROLL if _replies_to_grid(view) else None
    return Action.BLEND if only_links(prompt) else Action.IMAGINE


def _replies_to_grid(view: MessageView) -> bool:
    return view.replied is not None and any(found.of_grid for found in view.replied.custom_ids)


def _replies_to_progress(view: MessageView) -> bool:
    replied = view.replied
    return replied is not None and not replied.final and replied.echo is not None


def explain(document: object) -> dict[str, Any]:
    """Return what mjwatch reads in ``{"event", "payload"}``, a gateway dispatch, or a message of the history.

    With event HTTP the payload is an answer (``status, headers, body``) or a request (``method, path,
    body``). Every key is always present; null, or an empty list, if it does not apply. Never raises.
    """
    document = object_of(document)
    if "payload" in document:
        event, payload = text_of(document.get("event")), object_of(document.get("payload"))
    elif "op" in document or "t" in document:
        event, payload = text_of(document.get("t")), object_of(document.get("d"))
    else:
        event, payload = "REST", document
    return _http(payload) if event == "HTTP" else _explained(read_message(event, payload))


def _explained(message: ParsedMessage) -> dict[str, Any]:
    return {
        **{key: getattr(message, key) for key in _FACTS},
        "images": [_image(image) for image in message.images],
        "buttons": [button.custom_id for button in message.buttons],
        "error": _error_fields(message.error),
        "info": asdict(message.info) if message.info else None,
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
    return _explained(ParsedMessage(event="HTTP", kind=kind)) | {"error": _error_fields(refusal)}


def _decoded(body: object) -> object:
    """Return a body as JSON if possible; browsers send it as the field ``payload_json`` of a form."""
    if is_object(body) and isinstance(body.get("payload_json"), str):
        body = body["payload_json"]
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client's request says: a command, a pressed button or a submitted modal."""
    data = object_of(body.get("data"))
    custom_id = text_of(data.get("custom_id"))
    pressed = read_custom_id(custom_id)
    options = {
        text_of(item.get("name")): text_of(item.get("value")) for item in objects_of(data.get("options"))
    }
    modal = read_modal(data)
    field = prompt_field(modal) if modal is not None else None
    prompt = dict(modal.fields)[field] if modal is not None and field is not None else options.get("prompt")
    shown = re.fullmatch(UUID, options.get("job_id", ""), re.IGNORECASE)
    return _explained(ParsedMessage(event="HTTP", kind=MessageKind.OTHER)) | {
        "nonce": id_of(body.get("nonce")),
        "prompt": prompt,
        "buttons": [custom_id] if custom_id and data.get("component_type") == _BUTTON else [],
        "action": pressed.action if pressed else action_of_command(text_of(data.get("name"))),
        "image_index": pressed.image_index if pressed else None,
        "job_uuid": pressed.job_uuid if pressed else shown[0].lower() if shown else None,
    }
