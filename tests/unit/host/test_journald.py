"""Entries for systemd's journal: levels, fields, a traceback in one entry; lines if there is no journal."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mjwatch.host.log import JournalHandler, is_read_by_journal, priority
from mjwatch.host.redaction import Redaction
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "an.invented_token"
HANG = deadline(20.0)


@contextmanager
def a_journal() -> Iterator[tuple[str, socket.socket]]:
    """A socket such as the journal's."""
    with tempfile.TemporaryDirectory(prefix="mjw") as folder:
        path = str(Path(folder) / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(path)
            journal.settimeout(HANG)
            yield path, journal


def fields_of(datagram: bytes) -> dict[str, str]:
    """Parse an entry as the journal does."""
    fields = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + length], datagram[8 + length + 1 :]
        fields[name.decode()] = value.decode()
    return fields


def record_of(
    message: str, *, job: str | None = None, error: BaseException | None = None
) -> logging.LogRecord:
    extra = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("mjwatch.inbox", logging.ERROR, "", 0, message, (), extra)
    record.threadName = "inbox"
    if job is not None:
        record.job = job
    return record


def test_an_entry_has_its_level_and_its_job() -> None:
    with a_journal() as (address, journal):
        JournalHandler(Redaction([SECRET]), io.StringIO(), address).handle(
            record_of("7k3f9a2m done", job="7k3f9a2m")
        )
        assert fields_of(journal.recv(65536)) == {
            "MESSAGE": "7k3f9a2m done",
            "PRIORITY": "3",
            "SYSLOG_IDENTIFIER": "mjwatch",
            "LOGGER": "mjwatch.inbox",
            "THREAD_NAME": "inbox",
            "MJWATCH_JOB": "7k3f9a2m",
        }


def test_an_entry_about_several_jobs_is_found_by_each() -> None:
    record = logging.LogRecord(
        "mjwatch", logging.INFO, "", 0, "%s taken: %s", ("a.txt", "7k3f9a2m, 8k3f9a2m"), None
    )
    record.job = ["7k3f9a2m", "8k3f9a2m"]
    with a_journal() as (address, journal):
        JournalHandler(Redaction([SECRET]), io.StringIO(), address).handle(record)
        lines = journal.recv(65536).splitlines()
    assert [line for line in lines if line.startswith(b"MJWATCH_JOB")] == [
        b"MJWATCH_JOB=7k3f9a2m",
        b"MJWATCH_JOB=8k3f9a2m",
    ]


def test_a_traceback_is_part_of_its_entry_and_no_secret_shows() -> None:
    error = ValueError(f"header {SECRET}")
    with a_journal() as (address, journal):
        JournalHandler(Redaction([SECRET]), io.StringIO(), address).handle(
            record_of(f"with {SECRET}", error=error)
        )
        message = fields_of(journal.recv(65536))["MESSAGE"]
    assert message == "with ***\n    ValueError: header ***"


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (25, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
    ],
)
def test_levels_are_those_of_syslog(level: int, number: int) -> None:
    assert priority(level) == number


def test_without_a_journal_the_stream_gets_lines_with_their_level(tmp_path: Path) -> None:
    stream = io.StringIO()
    handler = JournalHandler(Redaction([SECRET]), stream, str(tmp_path / "nobody"))
    handler.handle(record_of(f"with {SECRET}", error=ValueError("why")))
    assert stream.getvalue() == "<3>with ***\n<3>    ValueError: why\n"


def test_an_entry_larger_than_a_datagram_goes_to_the_stream() -> None:
    stream = io.StringIO()
    with a_journal() as (address, _):
        JournalHandler(Redaction([]), stream, address).handle(record_of("x" * 2_000_000))
    assert len(stream.getvalue()) == 2_000_000 + len("<3>\n")


def test_a_mistake_in_a_log_line_does_not_end_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream = io.StringIO()
    record = logging.LogRecord("mjwatch", logging.INFO, "", 0, "one %s two %s", ("x",), None)
    JournalHandler(Redaction([]), stream, "/nowhere").handle(record)
    assert stream.getvalue() == ""


def test_the_journal_is_recognised_by_device_and_inode_not_by_the_variable_alone(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        named = f"{status.st_dev}:{status.st_ino}"
        assert is_read_by_journal(stream, {"JOURNAL_STREAM": named})
        assert not is_read_by_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not is_read_by_journal(stream, {})
    assert not is_read_by_journal(io.StringIO(), {"JOURNAL_STREAM": named})
    assert not is_read_by_journal(stream, {"JOURNAL_STREAM": named})  # closed
