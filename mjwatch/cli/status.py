"""The service at a glance: the facts, and the lines that tell them."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import typer

from mjwatch.cli.lookup import reader_of
from mjwatch.cli.output import echo_fields, echo_table, plain, progress, wanted
from mjwatch.folders.listing import Listing
from mjwatch.host.running import daemon_runs
from mjwatch.jobs.overview import overview
from mjwatch.jobs.reason import clock
from mjwatch.jobs.stored import path_as_stored
from mjwatch.model import IN_FLIGHT, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set

    from mjwatch.config import Config

NAME_WIDTH = 9
NAMED = 3
"""So many of what is left alone for one reason are named."""


class Glance:
    """Looks at the service again and again; the inbox is not read anew where nothing has moved in it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._listing = Listing(config.inbox.path)

    def facts(self) -> dict[str, Any]:
        """What there is to know, by name, as ``status --json`` shows it. Raises MjwatchError."""
        config, reader = self._config, reader_of(self._config)
        with closing(reader) if reader else nullcontext():
            facts = overview(
                reader,
                daemon=daemon_runs(config.state.path),
                max_per_day=config.pace.max_per_day,
                now=time.time(),
            )
            kept = reader.kept_paths() if reader and config.inbox.after == "keep" else set()
        in_flight = sum(1 for job in facts["live"] if job["state"] in IN_FLIGHT)
        pace = {"max_in_flight": config.pace.max_in_flight, "delay": config.pace.delay}
        return facts | {
            "in_flight": in_flight,
            **pace,
            "jitter": config.pace.jitter,
            "inbox": str(config.inbox.path),
            "waiting_in_inbox": self._waiting(kept),
            "outbox": str(config.outbox.path),
        }

    def _waiting(self, kept: Set[str]) -> int | None:
        """How many prompt files lie in the inbox, without those that are kept; None if it can't be read."""
        try:
            return sum(path_as_stored(path) not in kept for path in self._listing.files())
        except OSError:
            return None

    def echo(self, facts: Mapping[str, Any]) -> None:
        """Show them as text: lines, and a table of the jobs that were sent."""
        echo_fields(fields(facts), NAME_WIDTH)
        if facts["live"]:
            typer.echo("")
            echo_table(("JOB", "STATE", "PROMPT"), map(_row, facts["live"]))


def _row(job: Mapping[str, Any]) -> tuple[str, str, str]:
    return job["job"], progress(job["state"], job["percent"]), words_of(job)


def words_of(job: Mapping[str, Any]) -> str:
    """What is wanted of a job, as a terminal can show it."""
    return plain(wanted(job["action"], job["command"], job["prompt"]))


def fields(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The facts but for the single jobs, each with its name; one without a name goes with that before it."""
    yield "daemon", _daemon(facts)
    if facts["paused"] is not None:
        yield "paused", plain(facts["paused"]).removeprefix("paused ")
        yield "", facts["mend"]
    counts = ", ".join(f"{count} {state}" for state, count in facts["jobs"].items())
    yield "jobs", counts or "none at work"
    if State.IN_DOUBT in facts["jobs"]:
        yield "", "in_doubt waits for you: `mjwatch show JOB`, then `retry` or `cancel`"
    yield "sent", _sent(facts)
    yield "pace", _pace(facts)
    yield "inbox", plain(facts["inbox"]) + _waiting(facts["waiting_in_inbox"])
    for line in _left_alone(facts["inbox_trouble"], facts["left"]):
        yield "", plain(line)
    yield "outbox", plain(facts["outbox"])


def _daemon(facts: Mapping[str, Any]) -> str:
    if not facts["daemon"]:
        return "does not run (start it: `mjwatch run`)"
    if facts["trouble"] is not None:
        return f"runs; Discord can't be used: {plain(facts['trouble'])}"
    if facts["connected_since"] is None:
        return "runs, connects to Discord"
    return f"runs, connected since {clock(facts['connected_since'], time.time())}"


def _sent(facts: Mapping[str, Any]) -> str:
    capped = facts["capped_until"]
    more = "" if capped is None else f"; the next one may go at {clock(capped, time.time())}"
    cap = f"(cap: {facts['max_per_day']})" if facts["max_per_day"] else "(no cap)"
    return f"{facts['sent_in_24h']} in the last 24 hours {cap}{more}"


def _pace(facts: Mapping[str, Any]) -> str:
    least, most = facts["delay"], facts["delay"] + facts["jitter"]
    pause = f"{least:g} to {most:g} s" if most > least else f"{least:g} s" if least else "no pause"
    return f"{facts['in_flight']} of {facts['max_in_flight']} at Midjourney, {pause} between submissions"


def _waiting(files: int | None) -> str:
    if files is None:
        return " (not there, or not readable)"
    return "" if not files else " (1 prompt file waits)" if files == 1 else f" ({files} prompt files wait)"


def _left_alone(trouble: str | None, left: dict[str, Any] | None) -> Iterator[str]:
    """Why nothing is taken from the inbox, and what is left alone there: by reason, with some names."""
    if trouble is not None:
        yield trouble
    for why, count in (left or {"counts": {}})["counts"].items():
        names = [one["path"] for one in (left or {"some": []})["some"] if one["why"] == why][:NAMED]
        more = f" and {count - len(names)} more" if count > len(names) else ""
        yield f"left alone: {', '.join(names)}{more} ({why})"
