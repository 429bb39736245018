"""Describe a job in its outbox folder: ``manifest.json`` for programs, and pages in Markdown for people.

ERROR.md says why a job has no pictures and what a person can do; result.md holds an answer that is text.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mjwatch.errors import OutboxError
from mjwatch.filesystem.files import read_file
from mjwatch.jobs.status_text import ADVICE, advice
from mjwatch.model import MANIFEST_SCHEMA, RefusalClass, State
from mjwatch.prompts.source_text import sha256
from mjwatch.version import __version__

if TYPE_CHECKING:
    from mjwatch.model import Job, Refusal, Result


FILE_NAME = "manifest.json"

LARGEST_MANIFEST = 4 * 1024 * 1024
"""Bytes; mjwatch writes no longer manifest."""

_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0
"""The years 1 and 9999."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture that goes into the folder. ``index`` is 1-4 in U1-U4 order, 0 for the grid."""

    name: str
    data: bytes
    index: int
    width: int
    height: int
    format: str
    digest: str = field(init=False)
    """Its SHA-256, computed on the thread that makes the picture."""

    def __post_init__(self) -> None:
        """Compute the digest."""
        object.__setattr__(self, "digest", sha256(self.data))

    def entry(self) -> dict[str, Any]:
        """Return how the manifest lists the picture."""
        size = {"width": self.width, "height": self.height}
        content = {"bytes": len(self.data), "sha256": self.digest}
        return {"file": self.name, "index": self.index, **size, **content, "format": self.format}


@dataclass(frozen=True, slots=True)
class OutboxChannel:
    """The channel in which the jobs run; ``guild_id`` is None in direct messages."""

    guild_id: str | None
    channel_id: str


def build_manifest(
    job: Job, channel: OutboxChannel, pictures: list[PictureFile], others: dict[str, bytes], published: float
) -> dict[str, Any]:
    """Return the manifest of this job's folder.

    ``others`` are its other files by name (prompt file, ERROR.md); ``published`` is in seconds since 1970.
    """
    result = job.result
    grids = [picture.entry() for picture in pictures if picture.index == 0]
    return {
        "schema": MANIFEST_SCHEMA,
        "job": job.id,
        "state": "done" if job.state == "collecting" else str(job.state),
        "command": job.prompt.command,
        "action": job.prompt.action,
        "parent": job.parent,
        "label": job.prompt.label,
        "prompt": {"submitted": job.prompt.text, "echoed": result.echoed if result else None},
        "parameters": dict(job.prompt.parameters),
        "source": _source(job),
        "discord": _discord(job, channel),
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
        "history": [{"at": iso(note.at), "event": note.text} for note in job.history],
        "error": _error(job.refusal),
        "version": __version__,
    }


def dump_manifest(manifest: dict[str, Any]) -> bytes:
    """Return the manifest as the bytes of its file: UTF-8, and nothing that strict readers refuse."""
    lines = [f"  {_ENCODER.encode(key)}: {_lines_of(value)}" for key, value in manifest.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "replace")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
"""Without ``indent``, which json has only in Python: that takes ten times as long."""


def _lines_of(value: object) -> str:
    """Return a value on one line; a list with each element on a line of its own."""
    if not isinstance(value, list) or not value:
        return _ENCODER.encode(value)
    return "[\n    " + ",\n    ".join(map(_ENCODER.encode, value)) + "\n  ]"


def load_manifest(path: Path | str) -> dict[str, Any]:
    """Read a manifest; ``path`` is the file or its folder. Raise OutboxError if mjwatch did not write it."""
    path = Path(path).expanduser()
    path = path / FILE_NAME if path.is_dir() else path
    try:
        data = read_file(path.parent, path.name, LARGEST_MANIFEST)
    except OSError as error:
        raise OutboxError(f"{path} can't be read as a manifest: {error.strerror}") from error
    return parse_manifest(data, path)


def parse_manifest(data: bytes, path: Path) -> dict[str, Any]:
    """Return the manifest that ``path`` contains. Raise OutboxError if mjwatch did not write it."""
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OutboxError(f"{path} can't be read as a manifest: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST_SCHEMA:
        raise OutboxError(f"{path} is not a manifest of mjwatch ({MANIFEST_SCHEMA})")
    return manifest


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of manifests, as it ships with the package."""
    text = files("mjwatch.outbox").joinpath("manifest.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def iso(time: float | None) -> str | None:
    """Return a time in seconds since 1970 as ISO 8601 in UTC with milliseconds; None stays None.

    A file may carry a time that no calendar has; the nearest time that has a date replaces it.
    """
    if time is None:
        return None
    moment = datetime.fromtimestamp(min(max(time, _FIRST), _LAST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def may_retry(refusal: Refusal) -> bool:
    """Return whether it can help to send the same prompt again."""
    return refusal.kind not in {RefusalClass.USER, RefusalClass.MODERATION}


def _content(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data)}


def _source(job: Job) -> dict[str, Any] | None:
    source = job.source
    if source is None:
        return None
    path = source.path.encode("utf-8", "backslashreplace").decode()
    facts = {"path": path, "sha256": source.sha256, "mtime": iso(source.mtime), "index": source.index}
    return {"kind": source.kind, **facts}


def _discord(job: Job, channel: OutboxChannel) -> dict[str, Any]:
    return {
        "guild_id": channel.guild_id,
        "channel_id": channel.channel_id,
        "nonce": job.nonce,
        "interaction_id": job.interaction_id,
        "message_id": (job.result.message_id if job.result else job.message_id) or None,
        "job_uuid": job.job_uuid,
        "matched_by": job.result.matched_by if job.result else None,
    }


def _error(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {
        "class": refusal.kind,
        "title": refusal.title,
        "detail": refusal.detail,
        "needs_human": refusal.needs_human,
        "retry": may_retry(refusal),
        "advice": advice(refusal),
    }


_HEADLINES = {
    State.REJECTED: "This prompt file could not be used",
    State.FAILED: "This prompt got no pictures",
    State.CANCELLED: "This job was cancelled",
}


def failure_page(job: Job) -> str:
    """Return ERROR.md, the page for a job that failed, was rejected or was cancelled."""
    lines = [f"# {_HEADLINES.get(job.state, 'This job has no pictures')}", ""]
    if job.source is not None:
        lines += [f"- File: `{_line(job.source.path).replace('`', '_')}`"]
    lines += [f"- Job: `{job.id}`", f"- When: {iso(job.finished or job.accepted)}", ""]
    if job.refusal is not None:
        lines += _why(job.refusal)
    if job.prompt.text:
        lines += ["## The prompt", "", *(f"    {line}" for line in _plain(job.prompt.text).split("\n")), ""]
    if job.state is not State.CANCELLED:
        lines += ["## What to do", "", _advice(job.refusal), ""]
    return "\n".join(lines)


def result_page(job: Job, result: Result) -> str:
    """Return result.md, the page for a job whose answer is text; the bot's own Markdown stays."""
    title = job.prompt.action or job.prompt.command
    lines = [f"# {title}", "", f"- Job: `{job.id}`", f"- When: {iso(job.finished or job.accepted)}"]
    if job.prompt.text:
        lines += [f"- Prompt: {_line(job.prompt.text)}"]
    return "\n".join([*lines, "", _plain(result.text or "Midjourney's answer contains no text."), ""])


def _why(refusal: Refusal) -> list[str]:
    lines = ["## Why", ""]
    lines += [f"**{_line(refusal.title)}**", ""] if refusal.title else []
    lines += [_plain(refusal.detail), ""] if refusal.detail else []
    return lines


def _advice(refusal: Refusal | None) -> str:
    if refusal is None:
        return ADVICE[None]
    return _plain(advice(refusal))


def _line(text: str) -> str:
    return " ".join(_plain(text).split("\n"))


def _plain(text: str) -> str:
    """Replace what could deceive a terminal or a reader: controls, lone surrogates, changes of direction."""
    return "".join(char if char == "\n" or _is_harmless(char) else "\ufffd" for char in text)


def _is_harmless(char: str) -> bool:
    bidirectional = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    if unicodedata.bidirectional(char) in bidirectional:
        return False
    return unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
