"""Create journals with a long history quickly, for measurements."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from mjwatch.journal.reader import JOURNAL_FILE, TakenFile
from mjwatch.journal.writer import Journal
from mjwatch.model import Job, Note, Prompt, RemotePicture, Result, Source, State

if TYPE_CHECKING:
    from pathlib import Path

LAST = "d0000001"
"""The id of a job in each of these journals."""

_SAME = "state, open, priority, next_action_at, attempts, duplicate_key, fairness_group, accepted"
"""Columns that have the same value in all jobs."""


def a_done_job() -> Job:
    """Return a finished and published job; its id is ``LAST``."""
    uuid = "00000000-0000-4000-8000-000000000001"
    picture = RemotePicture(f"{uuid}.png", f"https://cdn.example.org/{uuid}.png", 2048, 2048, 9_000_000)
    prompt = "a lighthouse keeper mending nets at dawn, film still --ar 3:2"
    return Job(
        id=LAST,
        prompt=Prompt(prompt),
        accepted=1_770_000_000.0,
        state=State.DONE,
        source=Source("clients/acme/lighthouse.txt", "ab" * 32, 1_770_000_000.0),
        nonces=("1500000000000000001",),
        message_id="1400000000000000001",
        job_uuid=uuid,
        published=1_770_000_060.0,
        folder="clients/acme/lighthouse-d0000001",
        result=Result("1450000000000000001", "nonce", uuid, prompt, (picture,)),
        history=tuple(Note(1_770_000_000.0 + at, "a line of its history") for at in range(5)),
    )


def put_finished(state: Path, jobs: int) -> None:
    """Create a journal in this folder with this many finished jobs, each from its own file."""
    done, journal = a_done_job(), state / JOURNAL_FILE
    with closing(Journal(journal)) as writer:
        writer.accept(TakenFile("lighthouse.txt", "ab" * 32, 1.0, b"a lighthouse\n"), [(done, "a cat")], 1.0)
    with closing(sqlite3.connect(journal, isolation_level=None)) as db:
        db.executescript(
            f"""PRAGMA synchronous=OFF; BEGIN;
            CREATE TEMP TABLE n (i INTEGER PRIMARY KEY);
            WITH RECURSIVE m (i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM m WHERE i < {jobs})
            INSERT INTO n SELECT i FROM m WHERE i <= {jobs};
            INSERT INTO files (id, path, sha256, mtime, taken, content, kept)
            SELECT i, printf('lighthouse%d.txt', i), printf('%064d', i), mtime, taken, content, 0
            FROM n, (SELECT * FROM files LIMIT 1);
            INSERT INTO jobs (id, body, job_uuid, start_message, result_message, file, {_SAME})
            SELECT printf('d%07d', i), replace(body, '0000001', printf('%07d', i)),
                printf('u%d', i), printf('s%d', i), printf('r%d', i), i, {_SAME}
            FROM n, (SELECT * FROM jobs LIMIT 1);
            INSERT INTO attempts (nonce, job, session, anchor, at)
            SELECT printf('15%017d', i), printf('d%07d', i), 'session', 'anchor', 1770000000 FROM n;
            COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"""
        )
