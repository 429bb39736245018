"""The manifest: what one folder of the outbox says about its job, as JSON for people and programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import mjwatch
from mjwatch.errors import OutboxError
from mjwatch.jobs.intake import sha256
from mjwatch.model import Job, Refusal, RefusalClass

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "mjwatch/manifest/1"
FILE_NAME = "manifest.json"

_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0
"""The years 1 and 9999."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture that goes into the folder. ``index`` is 1-4 in U1-U4 order, 0 for the grid itself."""

    name: str
    data: bytes
    index: int
    width: int
    height: int
    format: str
    digest: str = field(init=False)
    """Its SHA-256, summed up by whoever makes it: pictures are made on several threads."""

    def __post_init__(self) -> None:
        """Sum it up."""
        object.__setattr__(self, "digest", sha256(self.data))

    def entry(self) -> dict[str, Any]:
        """How the manifest lists it."""
        size = {"width": self.width, "height": self.height}
        content = {"bytes": len(self.data), "sha256": self.digest}
        return {"file": self.name, "index": self.index, **size, **content, "format": self.format}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the jobs run; ``guild_id`` is None in direct messages."""

    guild_id: str | None
    channel_id: str


def build_manifest(
    job: Job, place: Place, pictures: list[PictureFile], others: dict[str, bytes], published: float
) -> dict[str, Any]:
    """The manifest of this job's folder.

    ``others`` are its further files by name (prompt file, ERROR.md); ``published`` is in seconds since 1970.
    """
    result = job.result
    grids = [picture.entry() for picture in pictures if picture.index == 0]
    return {
        "schema": SCHEMA,
        "job": job.id,
        "state": "done" if job.state == "collecting" else str(job.state),
        "command": job.prompt.command,
        "action": job.prompt.action,
        "parent": job.parent,
        "label": job.prompt.label,
        "prompt": {"submitted": job.prompt.text, "echoed": result.echoed if result else None},
        "parameters": dict(job.prompt.parameters),
        "source": _source(job),
        "discord": _discord(job, place),
        "images": [picture.entry() for picture in pictures if picture.index > 0],
        "grid": grids[0] if grids else None,
        "files": [{"file": name, **_content(data)} for name, data in others.items()],
        "buttons": [{"label": b.label, "custom_id": b.custom_id} for b in (result.buttons if result else ())],
        "text": result.text if result else None,
        "times": {
            "accepted": iso(job.accepted),
            "submitted": iso(job.submitted),
            "started": iso(job.started),
            "finished": iso(job.finished),
            "published": iso(published),
        },
        "history": [{"at": iso(note.at), "event": note.event} for note in job.history],
        "error": _error(job.refusal),
        "version": mjwatch.__version__,
    }


def dump_manifest(manifest: dict[str, Any]) -> bytes:
    """The manifest as the bytes of its file: UTF-8 and nothing that strict readers refuse."""
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, indent=2)
    return (text + "\n").encode("utf-8", "replace")


def load_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest; ``path`` is the file or its folder. Raises OutboxError if it is none of ours."""
    path = path / FILE_NAME if path.is_dir() else path
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise OutboxError(f"{path} can't be read as a manifest: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise OutboxError(f"{path} is not a manifest of mjwatch ({SCHEMA})")
    return manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of manifests, as it ships with the package."""
    text = files("mjwatch.outbox").joinpath("manifest.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def iso(time: float | None) -> str | None:
    """A time in seconds since 1970 as ISO 8601 in UTC with milliseconds; None stays None.

    A file may carry a time that no calendar has; it becomes the nearest one that has a date.
    """
    if time is None:
        return None
    moment = datetime.fromtimestamp(min(max(time, _FIRST), _LAST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def may_retry(refusal: Refusal) -> bool:
    """Whether sending the same prompt again can help."""
    return refusal.cls not in {RefusalClass.USER, RefusalClass.MODERATION}


def _content(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data)}


def _source(job: Job) -> dict[str, Any] | None:
    source = job.source
    if source is None:
        return None
    path = source.path.encode("utf-8", "backslashreplace").decode()
    return {"path": path, "sha256": source.sha256, "mtime": iso(source.mtime), "index": source.index}


def _discord(job: Job, place: Place) -> dict[str, Any]:
    return {
        "guild_id": place.guild_id,
        "channel_id": place.channel_id,
        "nonce": job.nonce,
        "interaction_id": job.interaction_id,
        "message_id": job.result.message_id if job.result else job.message_id,
        "job_uuid": job.job_uuid,
        "matched_by": job.result.matched_by if job.result else None,
    }


def _error(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {
        "class": refusal.cls,
        "title": refusal.title,
        "detail": refusal.detail,
        "needs_human": refusal.needs_human,
        "retry": may_retry(refusal),
    }
