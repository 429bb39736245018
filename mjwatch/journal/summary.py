"""The service at a glance, from the journal: what is at work, what was spent, why it is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mjwatch.jobs.pacing import DAY, Pace, Throttle
from mjwatch.jobs.status_text import to_go_on

if TYPE_CHECKING:
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job


_MAYBE = (
    *("paused", "paused_kind", "mend", "capped_until", "connected_since", "trouble"),
    *("inbox_trouble", "left"),
)


def overview(reader: JournalReader | None, *, daemon: bool, max_per_day: int, now: float) -> dict[str, Any]:
    """The facts by name, as ``status --json`` shows them; None for ``reader`` where nothing has run yet.

    ``jobs`` counts the open ones by state; ``live`` are those that were ever sent; times are in seconds since
    1970. ``connected_since``: when the gateway let us in, if it is there. ``left`` is what lies in the inbox
    and is left alone, as the daemon found it: how many for which reason, and some of them by name.
    ``inbox_trouble``: why nothing is taken from there. Raises JournalError.
    """
    if reader is None:
        return {
            "daemon": daemon,
            **dict.fromkeys(_MAYBE),
            "jobs": {},
            "live": [],
            "sent_in_24h": 0,
            "max_per_day": max_per_day,
        }
    pause, inbox = reader.paused(), reader.recall("inbox")
    return {
        "daemon": daemon,
        "paused": None if pause is None else pause.reason,
        "paused_kind": None if pause is None else str(pause.kind),
        "mend": None if pause is None else to_go_on(pause),
        "capped_until": capped_until(reader, max_per_day, now),
        "connected_since": reader.recall("connected") if daemon else None,
        "trouble": reader.recall("trouble") if daemon else None,
        "inbox_trouble": inbox["trouble"] if inbox and daemon else None,
        "left": {key: inbox[key] for key in ("counts", "some")} if inbox and inbox["counts"] else None,
        "jobs": {str(state): count for state, count in reader.open_counts().items()},
        "live": [brief(job) for job in reader.live_jobs()],
        "sent_in_24h": len(reader.attempts_since(now - DAY)),
        "max_per_day": max_per_day,
    }


def capped_until(reader: JournalReader, max_per_day: int, now: float) -> float | None:
    """When the daily cap lets the next one go; None where it is not reached."""
    return Throttle(Pace(max_per_day=max_per_day), reader.attempts_since(now - DAY)).capped_until(now)


def brief(job: Job) -> dict[str, Any]:
    """One job in a few facts."""
    return {
        "job": job.id,
        "state": str(job.state),
        "percent": job.percent,
        "action": job.prompt.action,
        "command": job.prompt.command,
        "prompt": job.prompt.text,
        "parent": job.parent,
        "label": job.prompt.label,
        "source": job.source.path if job.source else None,
        "accepted": job.accepted,
        "folder": job.folder,
    }
