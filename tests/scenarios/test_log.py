"""All that is logged about a job is found by its id, in the words and in the field.

Seen to catch: the field at the steps of a job alone; a line about a job that does not name it.
"""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from mjwatch.errors import NoJournalError
from mjwatch.journal.reader import JOURNAL_FILE, JournalReader
from mjwatch.model import State
from tests.scenarios.stage import Stage, staged, wait_until

if TYPE_CHECKING:
    from pathlib import Path

LINES = (
    *(" taken: ", " submitting, nonce ", " started", " finished", " published"),
    *(
        "Midjourney says: ",
        "the picture's address has expired",
        "retry requested",
        "cancellation requested",
    ),
)
"""What must have been said for this to be worth something."""


def test_the_job_field_of_each_log_line_has_exactly_the_jobs_in_its_message(tmp_path: Path) -> None:
    with staged(tmp_path / "w", "--seconds-per-job", "0.5") as stage:
        stage.fault(fault="cdn_404", match="a gone cat")
        stage.fault(fault="informed", match="a slow cat")
        stage.fault(fault="post_reset", match="a lost cat")
        stage.fault(fault="post_reset", match="a stray cat")
        daemon = stage.start("--log-format", "json")
        stage.drop("cats.list.txt", "a gone cat\na slow cat\na lost cat\na stray cat\n")
        stage.drop("then.toml", 'prompt = "a fine cat"\nthen = ["U1"]\n')
        stage.drop("two.txt", "one --ar 1:1\ntwo --ar 1:1\n")
        wait_until(lambda: len(jobs(stage, State.IN_DOUBT)) == 2, "the doubt")
        lost, stray = jobs(stage, State.IN_DOUBT)
        stage.run("retry", lost)
        stage.run("cancel", stray)
        wait_until(lambda: len(stage.manifests()) == 7, "an answer to each")
        stage.stop(daemon)
        entries = [json.loads(line) for line in stage.log.splitlines()]
        ids = jobs(stage)
        wrong = [entry for entry in entries if named(entry, ids) != set(as_list(entry["job"]))]
        assert wrong == []
        said = "\n".join(entry["message"] for entry in entries if entry["job"])
        assert [words for words in LINES if words not in said] == []


def jobs(stage: Stage, state: State | None = None) -> list[str]:
    """The ids of all jobs in this state, oldest first."""
    path = stage.folder / "state" / JOURNAL_FILE
    with suppress(NoJournalError), closing(JournalReader(path)) as reader:
        return [job.id for job in reversed(reader.listed(state, 100))]
    return []


def named(entry: dict[str, Any], ids: list[str]) -> set[str]:
    """The jobs whose ids are in the text."""
    return {job for job in ids if job in entry["message"]}


def as_list(job: str | list[str] | None) -> list[str]:
    return job if isinstance(job, list) else [job] if job else []
