"""The log shows no secret, in whatever form, and whoever logs it.

Seen to catch: redaction of the message and not of the arguments; of the message and not of the traceback; of
the secret itself and not of its form in an address; threads' errors, warnings and the log's own errors
left to Python.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import warnings
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mjwatch.errors import ConfigError
from mjwatch.host import log as log_module
from mjwatch.host.log import JsonFormatter, LineFormatter, start_logging
from mjwatch.host.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = 'an.inven/ted+se"cret\\of_a=test'


def record_of(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    record = logging.LogRecord("mjwatch", logging.INFO, "", 0, message, arguments, None)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def formatted(message: str, *arguments: object, error: BaseException | None = None) -> str:
    return LineFormatter(Redaction([SECRET, ""])).format(record_of(message, *arguments, error=error))


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_a_record_is_one_line_with_its_time_and_level() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    7k3f9a2m done", formatted("%s %s", "7k3f9a2m", "done"))


def test_a_message_is_rewritten_before_its_secrets_are_removed() -> None:
    redaction = Redaction([SECRET], lambda text: text.replace("mjwatch", f"mjwatch {SECRET}"))
    line = LineFormatter(redaction).format(record_of("run `mjwatch %s`", "resume"))
    assert line.endswith("run `mjwatch *** resume`")


@pytest.mark.parametrize(
    "form",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET), repr(SECRET)],
)
def test_a_secret_never_shows_in_any_form(form: str) -> None:
    text = formatted("sent %s", f"<{form}>")
    assert "***" in text
    assert_no_secret(text)
    assert "***" in formatted(f"in the message itself: {form}")


def assert_no_secret(text: str) -> None:
    for part in ("inven/ted", "inven%2Fted", "cret\\of", 'se"cret', "se%22cret", 'se\\"cret'):
        assert part not in text


def test_a_secret_shows_neither_in_a_traceback_nor_in_its_causes() -> None:
    error = raised(RuntimeError("above"), raised(ValueError(f"header {SECRET}")))
    text = formatted("it failed", error=error)
    assert_no_secret(text)
    assert "ValueError: header ***" in text
    assert "RuntimeError: above" in text
    assert "direct cause" in text


def test_text_from_outside_can_not_look_like_a_line_of_the_log() -> None:
    text = formatted("file %s taken", "a\n12:00:00 INFO    forged\r\x1b[31m\u202e\udce9.txt")
    assert "\n" not in text
    assert r"a\n12:00:00 INFO    forged\r\x1b[31m\u202e\udce9.txt" in text
    trace = formatted("it failed", error=raised(ValueError("a\n12:00:00 INFO    forged\x07")))
    assert "\n    12:00:00 INFO    forged\\x07" in trace
    assert all(line.startswith("    ") for line in trace.splitlines()[1:])


def test_a_stack_is_shown_too() -> None:
    record = logging.LogRecord("mjwatch", logging.INFO, "", 0, "here", (), None, sinfo=f"Stack\n {SECRET}")
    assert LineFormatter(Redaction([SECRET])).format(record).endswith("here\n    Stack\n     ***")


@given(message=st.text(st.characters(codec=None)), secret=st.text("ab/ %+", min_size=1))
def test_every_line_can_be_shown(message: str, secret: str) -> None:
    record = logging.LogRecord("mjwatch", logging.INFO, "", 0, "%s", (message,), None)
    text = LineFormatter(Redaction([secret])).format(record)
    text.encode()
    assert text.isprintable()


def test_a_log_file_has_the_day_too() -> None:
    text = LineFormatter(Redaction([]), dated=True).format(record_of("done"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO    done", text)


def test_a_json_record_is_one_object_on_one_line_without_secrets() -> None:
    record = record_of("sent %s", SECRET, error=raised(ValueError(f"header\n{SECRET}")))
    record.job = "7k3f9a2m"
    record.created = 1_800_000_000.25
    text = JsonFormatter(Redaction([SECRET])).format(record)
    assert "\n" not in text
    facts = json.loads(text)
    assert_no_secret(text)
    assert facts["traceback"][0] == "Traceback (most recent call last):"
    assert facts["traceback"][-1] == "***"
    del facts["traceback"]
    assert facts == {
        "at": "2027-01-15T08:00:00.250Z",
        "level": "info",
        "logger": "mjwatch",
        "thread": "MainThread",
        "job": "7k3f9a2m",
        "message": "sent ***",
    }


def test_a_json_record_about_several_jobs_names_them_all() -> None:
    record = record_of("%s taken: %s", "cats.list.txt", "7k3f9a2m, 8k3f9a2m")
    record.job = ["7k3f9a2m", "8k3f9a2m"]
    assert json.loads(JsonFormatter(Redaction([])).format(record))["job"] == ["7k3f9a2m", "8k3f9a2m"]


def test_a_json_record_about_no_job_says_so() -> None:
    facts = json.loads(JsonFormatter(Redaction([])).format(record_of("watching")))
    assert (facts["job"], facts["traceback"]) == (None, [])


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Logging as the program starts it; restored afterwards."""
    stream = io.StringIO()
    loggers = [logging.getLogger(name) for name in (None, "mjwatch", "watchdog.observers.inotify")]
    kept = [(logger.handlers[:], logger.level, logger.filters[:]) for logger in loggers]
    monkeypatch.setattr(sys, "stderr", stream)
    for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (logging, "raiseExceptions")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    with warnings.catch_warnings():
        start_logging([SECRET])
        yield stream
        logging.captureWarnings(False)
    for logger, (handlers, level, filters) in zip(loggers, kept, strict=True):
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)


def test_the_format_can_be_chosen(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    start_logging([SECRET], style="json")
    logging.getLogger("mjwatch").info("taken with %s", SECRET)
    assert json.loads(stream.getvalue())["message"] == "taken with ***"


def test_our_messages_are_shown_and_those_of_libraries_only_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("mjwatch.inbox").info("taken with %s", SECRET)
    logging.getLogger("mjwatch.inbox").debug("chatter")
    logging.getLogger("urllib3").info("chatter")
    logging.getLogger("urllib3").warning("a warning")
    lines = [line[20:] for line in stream.getvalue().splitlines()]
    assert lines == ["INFO    taken with ***", "WARNING a warning"]


def test_logging_that_is_started_twice_logs_once(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    start_logging([SECRET])
    logging.getLogger("mjwatch").info("once")
    assert len(stream.getvalue().splitlines()) == 1


def test_messages_that_python_prints_are_redacted_too(stream: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail, name="collector-1")
    thread.start()
    thread.join(20)
    error = raised(ValueError(SECRET))
    sys.excepthook(type(error), error, error.__traceback__)
    warnings.simplefilter("always")
    warnings.warn(SECRET, stacklevel=1)
    text = stream.getvalue()
    assert_no_secret(text)
    assert "ended the thread collector-1" in text
    assert "ended the program" in text
    assert text.count("ValueError: ***") == 2
    assert "UserWarning: ***" in text


def test_an_interrupt_and_the_end_of_a_thread_are_no_errors(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join(20)
    shown: list[object] = []
    monkeypatch.setattr(sys, "__excepthook__", lambda *args: shown.append(args[0]))
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert shown == [KeyboardInterrupt]
    assert stream.getvalue() == ""


def test_a_mistake_in_a_log_line_shows_no_arguments(stream: io.StringIO) -> None:
    logging.getLogger("mjwatch").info("one %s two %s", SECRET)
    assert stream.getvalue() == ""


def test_the_error_of_watchdog_at_its_stop_is_not_shown_but_its_other_errors_are(stream: io.StringIO) -> None:
    watchdog = logging.getLogger("watchdog.observers.inotify")
    watchdog.error("InotifyEmitter.queue_events() called when the thread is inactive")
    watchdog.error("Inotify queue overflowed")
    assert stream.getvalue().splitlines()[0][20:] == "ERROR   Inotify queue overflowed"


def test_a_log_file_is_rotated_and_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO
) -> None:
    monkeypatch.setattr(log_module, "LOG_FILE_SIZE", 2000)
    file = tmp_path / "mjwatch.log"
    start_logging([SECRET], file=file)
    for number in range(400):
        logging.getLogger("mjwatch").warning("line %d with %s", number, SECRET)
    logging.getLogger().handlers[0].close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert stream.getvalue() == ""
    assert files == ["mjwatch.log", *(f"mjwatch.log.{number}" for number in range(1, 6))]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \S+ WARNING line 399 with \*\*\*", file.read_text().splitlines()[-1]
    )


def test_a_log_file_that_can_not_be_written_is_reported(tmp_path: Path, stream: io.StringIO) -> None:
    with pytest.raises(ConfigError, match="can't be written"):
        start_logging([SECRET], file=tmp_path / "none" / "mjwatch.log")
