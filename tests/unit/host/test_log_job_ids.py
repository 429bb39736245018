"""Each line of the log that is about a job has it as a field, whoever logs it.

Seen to catch: the line of a file with several jobs without them, a name or a reason taken for an id.
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
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def jobs(message: str, *arguments: object, logger: str = "mjwatch") -> tuple[str, ...]:
    return jobs_of(logging.LogRecord(logger, logging.INFO, "", 0, message, arguments, None))


@pytest.mark.parametrize(
    ("message", "arguments", "found"),
    [
        ("%s %s", (ONE, "done"), (ONE,)),
        ("%s: %s came for an attempt that is over", (ONE, "Accepted"), (ONE,)),
        ("an event for job %s, which is not in the journal: %s", (ONE, "Started"), (ONE,)),
        ("%s taken: %s", ("cats.txt", f"{ONE}, {OTHER}"), (ONE, OTHER)),
        ("%s taken: %s", ("cats.txt", ""), ()),
        ("watching %s; pictures go to %s", ("/in", "/out"), ()),
        ("gateway: ready as %s", (OTHER,), ()),
        ("paused, nothing more is sent until a person has acted: %s", (OTHER,), ()),
        ("%s; nothing more is sent until `mjwatch resume`", (OTHER,), ()),
        ("%s can't be written: %s", ("/out/status.json", OTHER), ()),
        ("stopping", (), ()),
        (f"{OTHER} 100%", (), ()),
    ],
)
def test_a_job_is_where_lines_have_it(
    message: str, arguments: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert jobs(message, *arguments) == found


def test_names_of_files_and_other_libraries_words_are_no_jobs() -> None:
    assert jobs("%s is left in the inbox: %s", OTHER, "a link", logger="mjwatch.inbox") == ()
    assert jobs("%s is gone", OTHER, logger="urllib3.connectionpool") == ()
    assert jobs("%s is gone", OTHER, logger="mjwatch.outbox") == (OTHER,)


def test_a_line_that_is_told_its_job_has_no_other() -> None:
    record = logging.LogRecord("mjwatch", logging.INFO, "", 0, "%s done", (ONE,), None)
    record.job = OTHER
    assert jobs_of(record) == (OTHER,)


def test_whoever_logs_an_id_has_it_where_it_is_found() -> None:
    lines = [call for path in Path(mjwatch.__file__).parent.rglob("*.py") for call in lines_with_ids(path)]
    assert len(lines) > 5
    assert [words for words, number in lines if not jobs(words, *["-"] * number, ONE, "-", "-")] == []


def lines_with_ids(path: Path) -> Iterator[tuple[str, int]]:
    """The words of each call that logs a job's id, and which of its arguments that is."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {f"log.{level}" for level in LEVELS}:
            words, *arguments = call.args
            for number, argument in enumerate(arguments):
                if any(
                    name in ast.unparse(argument) for name in ("job.id", "job_id", "moved.id", "whose.id")
                ):
                    yield ast.literal_eval(words), number
