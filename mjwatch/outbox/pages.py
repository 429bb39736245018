"""ERROR.md: one page in plain words on why a job has no pictures, and what a person can do."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from mjwatch.jobs.status_text import ADVICE, advice
from mjwatch.model import State
from mjwatch.outbox.manifest import iso

if TYPE_CHECKING:
    from mjwatch.model import Job, Refusal, Result

_HEADLINES = {
    State.REJECTED: "This prompt file could not be used",
    State.FAILED: "This prompt got no pictures",
    State.CANCELLED: "This job was cancelled",
}


def failure_page(job: Job) -> str:
    """The page for a job that failed, was rejected or cancelled, in Markdown."""
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
    """The page for a job whose answer is words, as the bot wrote them (its Markdown is meant as such)."""
    wanted = job.prompt.action or job.prompt.command
    lines = [f"# {wanted}", "", f"- Job: `{job.id}`", f"- When: {iso(job.finished or job.accepted)}"]
    if job.prompt.text:
        lines += [f"- Asked: {_line(job.prompt.text)}"]
    return "\n".join([*lines, "", _plain(result.text or "Midjourney's answer has no words."), ""])


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
    """Without what could play tricks on a terminal or a reader: controls, half pairs, turned writing."""
    return "".join(char if char == "\n" or _harmless(char) else "\ufffd" for char in text)


def _harmless(char: str) -> bool:
    turns = unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not turns and unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
