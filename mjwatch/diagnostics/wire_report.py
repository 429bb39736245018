"""The report of ``check --live``: what was seen, as a Markdown file that can be published. Pure.

It consists of this module's own texts, the table of expectations, and payloads that were redacted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mjwatch.diagnostics.expectations import EXPECTATIONS, findings
from mjwatch.diagnostics.recording import EntryKind
from mjwatch.diagnostics.wire_evidence import Verdict
from mjwatch.diagnostics.wire_redaction import HIDDEN, WORDS, WireRedactor
from mjwatch.discord.json_values import object_of
from mjwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mjwatch.diagnostics.expectations import Expectation
    from mjwatch.diagnostics.recording import WireEntry
    from mjwatch.diagnostics.wire_evidence import Finding

HEAD = """\
# What Discord and Midjourney sent to mjwatch

Made by `mjwatch check --live` of mjwatch {version}, in {month}, in {place}. mjwatch makes assumptions about
both services that nobody could test so far; this file says which of them held. "Otherwise" is no error of the
person who ran the check: it is what we want to know.

Ids are replaced by placeholders, the same id always by the same one. Prompts, names, texts, addresses, times
of the day and the token are not in this file: only keys and words from fixed lists are.
"""
LONGEST_ORDER = 120
"""Lines of the order of events; progress repeats itself."""


def report(entries: Sequence[WireEntry], *, month: str, place: str) -> str:
    """Return the whole report. ``month``: such as 2026-12. ``place``: "a guild" or "direct messages"."""
    found = findings(entries)
    redactor = WireRedactor()
    parts = [HEAD.format(version=__version__, month=month, place=place), *_overview(found)]
    parts += _differences(found, redactor)
    parts += [_table(found, Verdict.EXPECTED), _table(found, Verdict.NOT_SEEN), _order(entries)]
    return "\n".join(part for part in parts if part)


def _overview(found: dict[int, Finding]) -> Iterator[str]:
    yield "| as expected | otherwise | not seen |\n|---|---|---|"
    yield "| " + " | ".join(str(len(_rows(found, verdict))) for verdict in Verdict) + " |\n"


def _rows(found: dict[int, Finding], verdict: Verdict) -> list[Expectation]:
    return [row for row in EXPECTATIONS if found[row.number].verdict is verdict]


def _differences(found: dict[int, Finding], redactor: WireRedactor) -> Iterator[str]:
    yield "## Otherwise\n"
    rows = _rows(found, Verdict.OTHERWISE)
    if not rows:
        yield "Nothing.\n"
    for row in rows:
        yield f"### {row.number}. {row.title}\n"
        yield f"Source: {row.source}. Relied on by: `{row.relied_on_by}`. What came instead:\n"
        for payload in found[row.number].evidence:
            yield f"```json\n{json.dumps(redactor.redacted(payload), indent=1)}\n```\n"


def _table(found: dict[int, Finding], verdict: Verdict) -> str:
    rows = _rows(found, verdict)
    lines = [f"## {verdict.value.capitalize()}\n", "| number | expectation | source |", "|---|---|---|"]
    lines += [f"| {row.number} | {row.title} | {row.source} |" for row in rows]
    return "\n".join(lines) + "\n" if rows else ""


def _order(entries: Sequence[WireEntry]) -> str:
    """Return the names of what was sent and received, with the seconds since each step began."""
    lines, began = [], 0.0
    for entry in entries:
        if entry.kind is EntryKind.STEP:
            began = entry.at
            lines.append(f"{entry.name if entry.name in STEP_NAMES else HIDDEN}:")
        elif name := _name(entry):
            lines.append(f"  {entry.at - began:5.1f} s  {entry.kind:<8} {name}")
    if len(lines) > LONGEST_ORDER:
        lines = [*lines[:LONGEST_ORDER], "  and so on"]
    return "\n".join(["## The order of events\n", "```text", *lines, "```", ""])


def _name(entry: WireEntry) -> str:
    """Return what an entry was, in known words; "" for events of no interest."""
    if entry.kind is EntryKind.HTTP:
        name = entry.name if entry.name in ROUTES else HIDDEN
        return f"{name} {entry.data['status']}"
    if entry.kind is EntryKind.CLOSED:
        code = object_of(entry.data).get("code")
        return f"close {code}" if isinstance(code, int) and 1000 <= code < 5000 else "close"
    if entry.name in WORDS["op"]:
        return entry.name
    return entry.name if entry.name in WORDS["t"] and entry.data is not None else ""


STEP_NAMES = frozenset({"connect", "resume", "index", "info", "history", "refresh", "imagine"})
ROUTES = frozenset(
    {
        *("GET /users/@me", "POST /interactions", "POST /attachments/refresh-urls"),
        *("GET /guilds/{id}/application-command-index", "GET /channels/{id}/application-command-index"),
        "GET /channels/{id}/messages",
    }
)
