"""A job as the text that the journal keeps, and back again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from mjwatch.model import (
    Button,
    Job,
    Note,
    Prompt,
    Refusal,
    RefusalClass,
    RemotePicture,
    Result,
    Source,
    State,
)


def dump_job(job: Job) -> str:
    """The whole job as one line of JSON, in ASCII: file names that are no UTF-8 come through as they are."""
    return json.dumps(asdict(job), separators=(",", ":"))


def load_job(text: str) -> Job:
    """The job that ``dump_job`` wrote. Raises ValueError, KeyError or TypeError on anything else."""
    data: dict[str, Any] = json.loads(text)
    data["state"] = State(data["state"])
    data["prompt"] = Prompt(**data["prompt"])
    data["nonces"] = tuple(data["nonces"])
    data["history"] = tuple(Note(**note) for note in data["history"])
    data["source"] = Source(**data["source"]) if data["source"] else None
    data["result"] = _load_result(data["result"]) if data["result"] else None
    data["refusal"] = _load_refusal(data["refusal"]) if data["refusal"] else None
    return Job(**data)


def _load_result(data: dict[str, Any]) -> Result:
    data["pictures"] = tuple(RemotePicture(**picture) for picture in data["pictures"])
    data["buttons"] = tuple(Button(**button) for button in data["buttons"])
    return Result(**data)


def _load_refusal(data: dict[str, Any]) -> Refusal:
    data["cls"] = RefusalClass(data["cls"]) if data["cls"] else None
    return Refusal(**data)
