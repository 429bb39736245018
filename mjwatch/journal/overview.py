"""What the journal says about the service and its jobs, as ``status`` and the status file show it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mjwatch.jobs.limits import limit_facts
from mjwatch.jobs.pacing import DAY, Pace, Throttle
from mjwatch.model import State
from mjwatch.trouble import Trouble, TroubleKind, pause_trouble, resume_hint, trouble_facts, worst_first

if TYPE_CHECKING:
    from mjwatch.journal.reader import JournalReader
    from mjwatch.model import Job, Pause

MOST_WAITING = 10
"""Queued jobs that are listed: the status travels to every machine that syncs the outbox."""

_MOST_CHARACTERS = 200

_CAN_BE_NULL = (
    *("paused", "paused_kind", "mend", "capped_until", "quiet_until", "connected_since"),
    *("sending_limit", "reading_limit", "left", "importing"),
)


def overview(
    reader: JournalReader | None,
    *,
    daemon: bool,
    max_per_day: int,
    now: float,
    command: str = "mjwatch",
    quiet_until: float | None = None,
) -> dict[str, Any]:
    """Return the facts that ``status --json`` shows. Raise JournalError.

    ``reader`` is None if there is no journal yet. ``jobs`` counts the open jobs by state; ``live`` lists
    those that were sent before, ``waiting`` the first of the queued ones; times are in seconds since 1970.
    ``connected_since``: when the gateway accepted us, if it is connected. ``quiet_until``: until when the
    time of the day holds prompts, as ``Pace.quiet_until`` returns it. ``sending_limit``, ``reading_limit``:
    see ``limit_facts``. ``left``: the files in the inbox that the daemon ignores, counted by reason, and some
    of them by name. ``troubles`` and the like: see ``trouble_facts``; a trouble of the journal is for the
    caller to add, because what can't be written can't be stored there. ``held``: as ``held_results`` returns
    it; ``command``: how this installation's mjwatch is started. ``importing``: see ``import_facts``.
    """
    if reader is None:
        return {
            "daemon": daemon,
            **dict.fromkeys(_CAN_BE_NULL),
            **trouble_facts(()),
            "quiet_until": quiet_until,
            "jobs": {},
            "live": [],
            "waiting": [],
            "held": [],
            "sent_in_24h": 0,
            "max_per_day": max_per_day,
        }
    pause, inbox = reader.paused(), reader.recall("inbox")
    return {
        "daemon": daemon,
        "paused": None if pause is None else pause.reason,
        "paused_kind": None if pause is None else str(pause.kind),
        "mend": None if pause is None else resume_hint(pause),
        "capped_until": capped_until(reader, max_per_day, now),
        "quiet_until": quiet_until,
        **limit_facts(reader.recall("limits"), now),
        "connected_since": reader.recall("connected") if daemon else None,
        **trouble_facts(stored_troubles(reader, pause, daemon=daemon)),
        "left": {key: inbox[key] for key in ("counts", "some")} if inbox and inbox["counts"] else None,
        "importing": import_facts(reader),
        "jobs": {str(state): count for state, count in reader.open_counts().items()},
        "live": [brief(job) for job in reader.live_jobs() if not job.made_elsewhere],
        "waiting": [_waiting(job) for job in reader.first_queued(MOST_WAITING)],
        "held": held_results(reader, command),
        "sent_in_24h": len(reader.attempts_since(now - DAY)),
        "max_per_day": max_per_day,
    }


def stored_troubles(reader: JournalReader, pause: Pause | None, *, daemon: bool) -> list[Trouble]:
    """Return the troubles, worst first; without a daemon there is none but the pause."""
    stored = (reader.recall("troubles") or {"current": ()})["current"]
    troubles = [Trouble.stored(value) for value in stored]
    paused = [] if pause is None else [pause_trouble(pause)]
    since = {trouble.identity: trouble.since for trouble in troubles}
    paused = [replace(trouble, since=since.get(trouble.identity)) for trouble in paused]
    others = [trouble for trouble in troubles if trouble.kind is not TroubleKind.PAUSED] if daemon else []
    return worst_first([*paused, *others])


def import_facts(reader: JournalReader) -> dict[str, Any] | None:
    """Return how far the channel's history is read by an import; None if no import reads.

    ``read``: messages; ``imported``, ``saving``: jobs; ``trouble``: why it waits, or None.
    """
    reading = reader.recall("import")
    if not reading or not reading["is_active"]:
        return None
    saving = reader.made_elsewhere(State.COLLECTING)
    imported = max(0, reading["found"].get("new", 0) - saving)
    return {"read": reading["read"], "imported": imported, "saving": saving, "trouble": reading["trouble"]}


def held_results(reader: JournalReader, command: str) -> list[dict[str, Any]]:
    """Return the results that are held because they may be of several jobs, oldest first.

    Each with its ``message`` and ``link``, its ``prompt``, the ``jobs`` that it may belong to, and the
    ``commands`` that settle it. ``command``: how this installation's mjwatch is started.
    """
    found = []
    for held in reader.recall("held") or ():
        message = held["message"]
        jobs = [job for job_id in held["jobs"] if (job := reader.job(job_id)) and job.result is None]
        commands = [f"{command} assign {job.id} {message}" for job in jobs] + [f"{command} dismiss {message}"]
        shown = {key: held[key] for key in ("message", "link", "prompt")}
        found.append({**shown, "jobs": [job.id for job in jobs], "commands": commands})
    return found


def capped_until(reader: JournalReader, max_per_day: int, now: float) -> float | None:
    """Return when the daily cap allows the next submission; None if the cap is not reached."""
    return Throttle(Pace(max_per_day=max_per_day), reader.attempts_since(now - DAY)).capped_until(now)


def _waiting(job: Job) -> dict[str, Any]:
    prompt = job.prompt
    return {
        "job": job.id,
        "prompt": prompt.text[:_MOST_CHARACTERS],
        "action": prompt.action,
        "command": prompt.command,
        "label": prompt.label,
        "not_before": prompt.not_before,
    }


def brief(job: Job) -> dict[str, Any]:
    """Return the main facts of one job."""
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
