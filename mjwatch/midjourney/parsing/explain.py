"""What ``mjwatch explain`` prints: any Discord document, as JSON values, as the service reads it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mjwatch.discord.http_errors import read_answer
from mjwatch.midjourney.buttons import UUID, read_custom_id
from mjwatch.midjourney.interactions import prompt_field, read_modal
from mjwatch.midjourney.parsing.json_values import id_of, is_object, number_of, object_of, objects_of, text_of
from mjwatch.midjourney.parsing.messages import read_message
from mjwatch.midjourney.parsing.parsed_message import Action, Kind, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mjwatch.model import Refusal, RemotePicture

_FACTS = (
    "kind", "prompt", "user_id", "percent", "status", "mode", "stealth", "action", "image_index", "job_uuid",
    "reply_to", "nonce", "interaction_id",
)  # fmt: skip
_BUTTON = 2
_COMMANDS = {"imagine": Action.IMAGINE, "blend": Action.BLEND}


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


def _plain(reading: Reading) -> dict[str, Any]:
    return {
        **{key: getattr(reading, key) for key in _FACTS},
        "images": [_image(image) for image in reading.images],
        "buttons": [button.custom_id for button in reading.buttons],
        "error": _error(reading.error),
        "info": asdict(reading.info) if reading.info else None,
    }


def _image(image: RemotePicture) -> dict[str, Any]:
    return {"filename": image.filename, "url": image.url, "width": image.width, "height": image.height}


def _error(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {"title": refusal.title, "class": refusal.cls, "needs_human": refusal.needs_human}


def _http(payload: Mapping[str, Any]) -> dict[str, Any]:
    status, body = number_of(payload.get("status")), _decoded(payload.get("body"))
    if status is None:
        return _request(object_of(body))
    headers = {str(name): str(value) for name, value in object_of(payload.get("headers")).items()}
    refusal = read_answer(status, headers, body)
    kind = Kind.OTHER if refusal is None else Kind.HTTP_ERROR
    return _plain(Reading(event="HTTP", kind=kind)) | {"error": _error(refusal)}


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
    return _plain(Reading(event="HTTP", kind=Kind.OTHER)) | {
        "nonce": id_of(body.get("nonce")),
        "prompt": prompt,
        "buttons": [custom_id] if custom_id and data.get("component_type") == _BUTTON else [],
        "action": pressed.action if pressed else _COMMANDS.get(text_of(data.get("name"))),
        "image_index": pressed.image_index if pressed else None,
        "job_uuid": pressed.job_uuid if pressed else shown[0].lower() if shown else None,
    }
