"""One job as a whole: its facts, its history with the time between, and its relatives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.lineage import family, lineage_of
from mjwatch.cli.output import duration, echo_fields, echo_table, local_time, painted, plain, progress
from mjwatch.jobs.overview import brief, capped_until
from mjwatch.jobs.reason import Circumstances, reason, waits_for
from mjwatch.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mjwatch.config import Config
    from mjwatch.jobs.reader import JournalReader
    from mjwatch.model import Job

FACTS = (
    *("job", "state", "waits", "error", "mend", "prompt", "echoed", "action", "label", "source", "folder"),
    *("job_uuid", "matched_by"),
)
"""Those that are shown, in this order, where there is something to show."""

NAME_WIDTH = 11
AFTER_WIDTH = 12


def story_of(job: Job, reader: JournalReader, config: Config) -> dict[str, Any]:
    """All that is known of it, by name, as ``show --json`` shows it. Raises JournalError."""
    why, mend = reason(job)
    waits = waits_for(job, _circumstances(reader, config, job))
    return brief(job) | {
        "folder": str(config.outbox.path / job.folder) if job.folder else None,
        "echoed": job.result.echoed if job.result else None,
        "matched_by": job.result.matched_by if job.result else None,
        "job_uuid": job.job_uuid,
        "nonces": job.nonces,
        "interaction_id": job.interaction_id,
        "message_id": job.message_id,
        "error": why or None,
        "waits": waits[0] or None,
        "mend": mend or waits[1] or None,
        "history": [{"at": note.at, "event": note.event} for note in job.history],
        "lineage": lineage_of(job, reader),
    }


def _circumstances(reader: JournalReader, config: Config, job: Job) -> Circumstances:
    from mjwatch.host.running import daemon_runs

    now, runs = time.time(), daemon_runs(config.state.path)
    return Circumstances(
        now=now,
        daemon=runs,
        paused=reader.paused(),
        trouble=reader.recall("trouble") if runs else None,
        ahead=reader.twin_ahead(job.id) if job.state is State.QUEUED else None,
        capped_until=capped_until(reader, config.pace.max_per_day, now),
    )


def echo_story(story: Mapping[str, Any]) -> None:
    """Show it as text."""
    facts = {key: plain(story[key]) for key in FACTS if story[key]}
    facts["state"] = painted(progress(story["state"], story["percent"]))
    if story["echoed"] == story["prompt"]:
        facts.pop("echoed", None)
    echo_fields(((name.replace("_", " "), told) for name, told in facts.items()), NAME_WIDTH)
    typer.echo("")
    echo_fields(_timeline(story["history"]), len(local_time(0.0)) + 2 + AFTER_WIDTH)
    relatives = family(story)
    if relatives:
        typer.echo("")
        echo_table(("LINEAGE", "STATE", "WHAT"), relatives)


def _timeline(history: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What happened: when, how long after what was before it, and what."""
    before = None
    for note in history:
        after = "" if before is None or note["at"] - before < 1 else f"+{duration(note['at'] - before)}"
        yield f"{local_time(note['at'])}  {after}", plain(note["event"])
        before = note["at"]
