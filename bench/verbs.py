"""What verbs that look cost: against a bare Typer program, and with a long journal against a short one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from mjwatch.jobs.journal import Journal
from mjwatch.jobs.reader import JOURNAL_FILE, TakenFile
from mjwatch.model import Job, Note, Prompt, RemotePicture, Result, Source, State

AIM_BARE = 1.3
AIM_LONG = 1.5
LAST = "d0000001"
"""The job that is shown."""

HELLO = Path(__file__).with_name("hello.py")

_SAME = "state, open, priority, due, attempts, twin, lane, accepted, file"
"""Columns that are alike in all jobs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One verb: medians in milliseconds with nothing else in the journal, and with all those jobs."""

    verb: str
    bare_ms: float
    short_ms: float
    long_ms: float

    @property
    def against_bare(self) -> float:
        """How many times the bare program."""
        return self.short_ms / self.bare_ms

    @property
    def against_short(self) -> float:
        """How many times itself with one job in the journal."""
        return self.long_ms / self.short_ms


def a_done_job() -> Job:
    """A job as it is when all is over; its id is ``LAST``."""
    uuid = "00000000-0000-4000-8000-000000000001"
    picture = RemotePicture(f"{uuid}.png", f"https://cdn.example.org/{uuid}.png", 2048, 2048, 9_000_000)
    words = "a lighthouse keeper mending nets at dawn, film still --ar 3:2"
    return Job(
        id=LAST,
        prompt=Prompt(words),
        accepted=1_770_000_000.0,
        state=State.DONE,
        source=Source("clients/acme/lighthouse.txt", "ab" * 32, 1_770_000_000.0),
        nonces=("1500000000000000001",),
        message_id="1400000000000000001",
        job_uuid=uuid,
        published=1_770_000_060.0,
        folder="clients/acme/lighthouse-d0000001",
        result=Result("1450000000000000001", "nonce", uuid, words, (picture,)),
        history=tuple(Note(1_770_000_000.0 + at, "a line of its history") for at in range(5)),
    )


def make_workspace(folder: Path, jobs: int) -> Path:
    """The path of a configuration whose journal has so many finished jobs, and nothing else."""
    for name in ("inbox", "outbox", "state"):
        (folder / name).mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text("", encoding="utf-8")
    journal = folder / "state" / JOURNAL_FILE
    done = a_done_job()
    with closing(Journal(journal)) as writer:
        writer.accept(TakenFile("lighthouse.txt", "ab" * 32, 1.0, b"x"), [(done, "twin")], 1.0)
    with closing(sqlite3.connect(journal, isolation_level=None)) as db:
        db.executescript(
            f"""PRAGMA synchronous=OFF; BEGIN;
            WITH RECURSIVE n (i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE i < {jobs})
            INSERT INTO jobs (id, body, job_uuid, start_message, result_message, {_SAME})
            SELECT printf('d%07d', i), replace(body, '0000001', printf('%07d', i)),
                printf('u%d', i), printf('s%d', i), printf('r%d', i), {_SAME}
            FROM n, (SELECT * FROM jobs LIMIT 1); COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"""
        )
    return config


def run(quick: bool) -> list[Row]:
    """Measures all, round by round, so that what disturbs one disturbs all."""
    jobs, rounds = (20_000, 5) if quick else (1_000_000, 25)
    verbs = ("status", "list", f"show {LAST}")
    program = str(Path(sys.executable).with_name("mjwatch"))
    with tempfile.TemporaryDirectory() as folder:
        short, long = (
            [program, "--config", str(make_workspace(Path(folder) / str(many), many))] for many in (1, jobs)
        )
        commands = {"bare": [sys.executable, str(HELLO)]}
        for verb in verbs:
            commands[f"{verb} short"] = [*short, *verb.split()]
            commands[f"{verb} long"] = [*long, *verb.split()]
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):  # the first one fills the caches
            for name, command in commands.items():
                took[name].append(_seconds(command))
    medians = {name: 1000 * median(seconds[1:]) for name, seconds in took.items()}
    return [
        Row(verb.split()[0], medians["bare"], medians[f"{verb} short"], medians[f"{verb} long"])
        for verb in verbs
    ]


def _seconds(command: list[str]) -> float:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MJWATCH_")}
    start = perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environ, check=True)
    return perf_counter() - start


def table(rows: list[Row]) -> str:
    """The rows as text."""
    heads = f"{'verb':10}{'bare Typer':>12}{'1 job':>10}{'ratio':>8}{'many jobs':>12}{'ratio':>8}"
    lines = [
        f"{row.verb:10}{row.bare_ms:9.0f} ms{row.short_ms:7.0f} ms{row.against_bare:8.2f}"
        f"{row.long_ms:9.0f} ms{row.against_short:8.2f}"
        for row in rows
    ]
    return "\n".join([heads, *lines, f"(the aims are {AIM_BARE:g} and {AIM_LONG:g} at most)"])
