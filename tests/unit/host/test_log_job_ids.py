"""Each line of the log that is about a job has the job's id as a field, whoever logs it.

Seen to catch: the line of a file with several jobs without them, a line whose message alone has the id.
"""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mjwatch
from mjwatch.host.log import jobs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE, OTHER = "7k3f9a2m", "watching"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
IDS = ("job.id", "job_id", "moved.id", "jobs", "ids")
"""Expressions that have job ids, as arguments of log calls."""


def record_of(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("mjwatch", logging.INFO, "", 0, message, arguments, None)
    vars(record).update(fields)
    return record


@pytest.mark.parametrize(
    ("field", "jobs"), [(ONE, (ONE,)), ([ONE, OTHER], (ONE, OTHER)), ((ONE,), (ONE,)), ([], ())]
)
def test_the_field_of_a_record_is_one_id_or_several(field: object, jobs: tuple[str, ...]) -> None:
    assert jobs_of(record_of("%s done", ONE, job=field)) == jobs


@pytest.mark.parametrize("message", ["%s %s", "%s: %s came late", "an event for job %s: %s", "%s taken: %s"])
def test_a_message_without_the_field_is_about_no_job(message: str) -> None:
    assert jobs_of(record_of(message, ONE, OTHER)) == ()


def test_each_call_that_logs_an_id_passes_it_as_the_field() -> None:
    calls = [call for path in Path(mjwatch.__file__).parent.rglob("*.py") for call in calls_with_ids(path)]
    assert len(calls) > 5
    assert [place for place, passes_field in calls if not passes_field] == []


def calls_with_ids(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each call that logs a job's id: where it is, and whether it passes the field."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {f"log.{level}" for level in LEVELS}:
            names = {ast.unparse(node) for argument in call.args for node in ast.walk(argument)}
            if names & set(IDS):
                extra = next((word.value for word in call.keywords if word.arg == "extra"), None)
                yield f"{path.name}:{call.lineno}", extra is not None and "job" in ast.unparse(extra)
