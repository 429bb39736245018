"""A job as the text that the journal keeps, and back again.

Texts as columns of the journal hold them: paths and labels, which may be no UTF-8.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from mjwatch.model import (
    Button,
    ButtonPress,
    CancelRequest,
    Job,
    Modal,
    Note,
    Prompt,
    Refusal,
    RefusalClass,
    RemotePicture,
    Result,
    ResultKind,
    Source,
    State,
    UploadedImage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def dump_job(job: Job) -> str:
    """The whole job as one line of JSON, in ASCII: file names that are no UTF-8 come through as they are."""
    return _ENCODER.encode(job)


def _as_object(value: Any) -> dict[str, Any]:
    """A value of the model by its fields; ``asdict`` would copy each, and every step dumps its job."""
    return {name: getattr(value, name) for name in _names(value.__class__)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_as_object)


def load_job(text: str) -> Job:
    """The job that ``dump_job`` wrote, also an older one; other text: ValueError, KeyError, TypeError."""
    data = _renamed(json.loads(text), _OLD_JOB_KEYS)
    data.pop("priority", None)  # until version 2 the job held the priority, which was always 0
    data["state"] = State(data["state"])
    data["prompt"] = load_prompt(data["prompt"])
    data["button_press"] = ButtonPress(**data["button_press"]) if data.get("button_press") else None
    data["cancel_button"] = ButtonPress(**data["cancel_button"]) if data.get("cancel_button") else None
    data["cancel_request"] = (
        _load_cancel_request(data["cancel_request"]) if data.get("cancel_request") else None
    )
    data["modal"] = _load_modal(data["modal"]) if data.get("modal") else None
    data["uploads"] = tuple(UploadedImage(**image) for image in data.get("uploads", ()))
    data["nonces"] = tuple(data["nonces"])
    data["history"] = tuple(Note(**note) for note in data["history"])
    data["source"] = Source(**data["source"]) if data["source"] else None
    data["result"] = _load_result(data["result"]) if data["result"] else None
    data["refusal"] = _load_refusal(data["refusal"]) if data["refusal"] else None
    return Job(**data)


def load_prompt(data: Mapping[str, Any]) -> Prompt:
    """The prompt that these fields, as JSON has them, are."""
    lists = {key: tuple(data.get(key, ())) for key in ("images", "then")}
    return Prompt(**{**data, **lists})


def _load_modal(data: dict[str, Any]) -> Modal:
    data["fields"] = tuple((name, value) for name, value in data["fields"])
    return Modal(**data)


def _load_result(data: dict[str, Any]) -> Result:
    data["kind"] = ResultKind(data.get("kind", ResultKind.GRID))
    data["pictures"] = tuple(RemotePicture(**picture) for picture in data["pictures"])
    data["buttons"] = tuple(Button(**button) for button in data["buttons"])
    return Result(**data)


def _load_refusal(data: dict[str, Any]) -> Refusal:
    data = _renamed(data, {"cls": "kind"})
    data["kind"] = RefusalClass(data["kind"]) if data["kind"] else None
    return Refusal(**data)


def _load_cancel_request(data: dict[str, Any]) -> CancelRequest:
    return CancelRequest(**_renamed(data, {"due": "next_action_at"}))


_OLD_JOB_KEYS = {
    "due": "next_action_at",
    "tries": "failed_tries",
    "vanished": "start_deleted_at",
    "doubted": "in_doubt_since",
    "held_by_bot": "queued_by_bot",
    "cancelling": "cancel_request",
    "press": "button_press",
}
"""Names of a job's fields in journals of version 2 and older, and the names since."""


def _renamed(data: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in dict(data).items()}


def stored_path(path: str) -> str | bytes:
    """A path as the journal keeps it: text in NFC, or bytes where a name in it is no UTF-8."""
    raw = path.encode("utf-8", "surrogateescape")
    try:
        return unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return raw


def path_as_stored(path: str) -> str:
    """The path with which what was taken from there is found again."""
    return path_of(stored_path(path))


def path_of(stored: str | bytes) -> str:
    """The path that the journal keeps so."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogateescape")


def stored_label(label: str | None) -> str | None:
    """A label as the journal is searched for it."""
    return None if label is None else label.encode("utf-8", "backslashreplace").decode()
