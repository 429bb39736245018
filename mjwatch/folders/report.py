"""ERROR.md: one page in plain words on why a job has no pictures, and what a person can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mjwatch.folders.manifest import iso
from mjwatch.model import RefusalClass, State

if TYPE_CHECKING:
    from mjwatch.model import Job

_HEADLINES = {
    State.REJECTED: "This prompt file could not be used",
    State.FAILED: "This prompt got no pictures",
    State.CANCELLED: "This job was cancelled",
}

_ADVICE: dict[RefusalClass | None, str] = {
    RefusalClass.USER: "Change the prompt file in this folder and drop it into the inbox again.",
    RefusalClass.MODERATION: "Change the words or pictures, then drop the file into the inbox again.",
    RefusalClass.ACCOUNT: "See to your account in Discord first, then drop the file into the inbox again.",
    RefusalClass.PLAN: "See to your Midjourney subscription first, then drop the file into the inbox again.",
    RefusalClass.CONFIG: "Run `mjwatch check`: it says what in the configuration is wrong.",
    RefusalClass.TRANSIENT: "It may well work later: drop the file into the inbox again.",
    RefusalClass.RETRY: "It may well work later: drop the file into the inbox again.",
    RefusalClass.STALE_VERSION: "It may well work later: drop the file into the inbox again.",
    None: "Read the message above; the prompt file in this folder can be dropped into the inbox again.",
}


def failure_page(job: Job) -> str:
    """The page for a job that failed, was rejected or cancelled, in Markdown."""
    refusal = job.refusal
    lines = [f"# {_HEADLINES.get(job.state, 'This job has no pictures')}", ""]
    if job.source is not None:
        lines += [f"- File: `{_plain(job.source.path)}`"]
    lines += [f"- Job: `{job.id}`", f"- When: {iso(job.finished or job.accepted)}", ""]
    if refusal is not None:
        lines += ["## Why", ""]
        lines += [f"**{_plain(refusal.title)}**", ""] if refusal.title else []
        lines += [_plain(refusal.detail), ""] if refusal.detail else []
    if job.prompt.text:
        lines += ["## The prompt", "", *(f"    {line}" for line in _plain(job.prompt.text).splitlines()), ""]
    if job.state is not State.CANCELLED:
        lines += ["## What to do", "", _ADVICE[refusal.cls if refusal else None], ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Without control characters, so that the page can be shown in a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
