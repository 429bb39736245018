"""Conversion between the values of mjwatch.model and what the journal stores: JSON bodies and column values.

Journals of older versions hold older names of fields; they are read here under the names of today.
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
    LimitScope,
    Modal,
    Note,
    Prompt,
    Refusal,
    RefusalClass,
    RemotePicture,
    Result,
    ResultKind,
    Source,
    SourceKind,
    State,
    UploadedImage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Columns = dict[str, str | bytes | int | float | None]
"""Values by column name."""


# ---- writing


def dump_job(job: Job) -> str:
    """Return the whole job as one line of ASCII JSON; file names that are not valid UTF-8 survive."""
    return _ENCODER.encode(job)


def _as_object(value: Any) -> dict[str, Any]:
    """Return the fields of a value of the model. ``asdict`` would copy each, and each step dumps a job."""
    return {name: getattr(value, name) for name in _names(value.__class__)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_as_object)


def job_columns(job: Job) -> Columns:
    """Return the job's body and the columns that a step can change, by which the journal finds jobs."""
    return {
        "body": dump_job(job),
        "state": job.state,
        "priority": job.prompt.priority,
        "next_action_at": job.next_action_at,
        "job_uuid": job.job_uuid,
        "start_message": job.message_id,
        "result_message": None if job.result is None else job.result.message_id,
        "attempts": len(job.nonces),
        "open": int(job.open),
    }


def fixed_columns(job: Job) -> Columns:
    """Return the columns of a job that never change."""
    return {
        "id": job.id,
        "fairness_group": fairness_group(job),
        "label": stored_label(job.prompt.label),
        "parent": job.parent,
        "accepted": job.accepted,
    }


def fairness_group(job: Job) -> str:
    """Return the top-level folder of the inbox that the job comes from; "" for the inbox itself."""
    top, slash, _ = (job.source.path if job.source else "").partition("/")
    return top.encode("utf-8", "backslashreplace").decode() if slash else ""


def stored_label(label: str | None) -> str | None:
    """Return a label in the form in which the journal stores it."""
    return None if label is None else label.encode("utf-8", "backslashreplace").decode()


def stored_path(path: str) -> str | bytes:
    """Return a path in the form in which the journal stores it: text in NFC, or bytes if it is not UTF-8."""
    raw = path.encode("utf-8", "surrogateescape")
    try:
        return unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return raw


# ---- reading


def load_job(text: str) -> Job:
    """Return the job that ``dump_job`` wrote, of this version or an older one.

    Raise ValueError, KeyError or TypeError for other text.
    """
    data = _renamed(json.loads(text), _OLD_JOB_KEYS)
    data.pop("priority", None)  # until version 2 the job itself had a priority, which was always 0
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
    data["history"] = tuple(_load_note(note) for note in data["history"])
    data["source"] = _load_source(data["source"]) if data["source"] else None
    data["result"] = _load_result(data["result"]) if data["result"] else None
    data["refusal"] = _load_refusal(data["refusal"]) if data["refusal"] else None
    return Job(**data)


def load_prompt(data: Mapping[str, Any]) -> Prompt:
    """Return the prompt that has these fields in JSON."""
    lists = {key: tuple(data.get(key, ())) for key in ("images", "then")}
    return Prompt(**{**data, **lists})


def _load_source(data: dict[str, Any]) -> Source:
    return Source(**{**data, "kind": SourceKind(data.get("kind", SourceKind.INBOX))})


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
    data["scope"] = LimitScope(data["scope"]) if data.get("scope") else None
    return Refusal(**data)


def _load_cancel_request(data: dict[str, Any]) -> CancelRequest:
    return CancelRequest(**_renamed(data, {"due": "next_action_at"}))


_OLD_WAIT = "; again in "
"""In journals of version 2 and older, a note has this between event and wait: ``…; again in 60 s``."""


def _load_note(data: dict[str, Any]) -> Note:
    if "retry_in" not in data:
        event, _, wait = data["event"].rpartition(_OLD_WAIT)
        seconds = wait.removesuffix(" s")
        if event and seconds.isdecimal():
            return Note(data["at"], event, float(seconds))
    return Note(**data)


_OLD_JOB_KEYS = {
    "due": "next_action_at",
    "tries": "failed_tries",
    "vanished": "start_deleted_at",
    "doubted": "in_doubt_since",
    "held_by_bot": "queued_by_bot",
    "cancelling": "cancel_request",
    "press": "button_press",
}
"""Names of a job's fields in journals of version 2 and older, and the names of today."""


def _renamed(data: Any, names: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TypeError(f"an object is expected, not {data!r}")
    return {names.get(key, key): value for key, value in data.items()}


def load_path(stored: str | bytes) -> str:
    """Return the path that the journal stores in this form."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogateescape")


def path_as_stored(path: str) -> str:
    """Return the path as it comes back from the journal, for comparisons: in NFC."""
    return load_path(stored_path(path))
