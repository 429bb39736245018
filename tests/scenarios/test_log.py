"""Every log line about a job has its id in the message and in the job field.

Seen to catch: the field only in lines about transitions; a line about a job that does not name the job.
"""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from mjwatch.errors import NoJournalError
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import State
from tests.scenarios.stage import Stage, open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = (
    *(" taken: ", " submitting, nonce ", " started", " finished", " published"),
    *(
        "Midjourney says: ",
        "the picture's address has expired",
        "retry requested",
        "cancellation requested",
    ),
)
"""Texts that the log must contain, so that the test is meaningful."""


def test_the_job_field_of_each_log_line_has_exactly_the_jobs_in_its_message(tmp_path: Path) -> None:
    with open_stage(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        stage.arm_fault(fault="cdn_404", match="a gone cat")
        stage.arm_fault(fault="informed", match="a slow cat")
        stage.arm_fault(fault="post_reset", match="a lost cat")
        stage.arm_fault(fault="post_reset", match="an unwanted cat")
        daemon = stage.start("--log-format", "json")
        stage.drop("cats.list.txt", "a gone cat\na slow cat\na lost cat\nan unwanted cat\n")
        stage.drop("then.toml", 'prompt = "a fine cat"\nthen = ["U1"]\n')
        stage.drop("two.txt", "one --ar 1:1\ntwo --ar 1:1\n")
        wait_until(lambda: len(jobs(stage, State.IN_DOUBT)) == 2, "two jobs in doubt")
        lost, unwanted = jobs(stage, State.IN_DOUBT)
        stage.run("retry", lost)
        stage.run("cancel", unwanted)
        wait_until(lambda: len(stage.manifests()) == 7, "a manifest for each")
        stage.stop(daemon)
        entries = [json.loads(line) for line in stage.log.splitlines()]
        ids = jobs(stage)
        wrong = [entry for entry in entries if named(entry, ids) != set(as_list(entry["job"]))]
        assert wrong == []
        messages = "\n".join(entry["message"] for entry in entries if entry["job"])
        assert [text for text in EXPECTED if text not in messages] == []


def jobs(stage: Stage, state: State | None = None) -> list[str]:
    """Return the ids of all jobs in this state, oldest first."""
    path = stage.folder / "state" / JOURNAL_FILE
    with suppress(NoJournalError), closing(JournalReader(path)) as reader:
        return [job.id for job in reversed(reader.listed(state, 100))]
    return []


def named(entry: dict[str, Any], ids: list[str]) -> set[str]:
    """Return the jobs whose ids are in the message."""
    return {job for job in ids if job in entry["message"]}


def as_list(job: str | list[str] | None) -> list[str]:
    return job if isinstance(job, list) else [job] if job else []
