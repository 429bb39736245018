"""Notifications reach a program and a web address once, without a secret, and without delaying jobs."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import __version__
from mjwatch.discord.http import Transport
from mjwatch.effects import Notification, SendNotification
from mjwatch.host.redaction import Redaction
from mjwatch.jobs.status_text import RESULT_HELD
from mjwatch.model import Pause, PauseKind, Prompt, State
from mjwatch.settings.sections import NotifySettings
from mjwatch.trouble import pause_trouble
from mjwatch.workers import notifier as module
from mjwatch.workers import programs
from mjwatch.workers.notifier import Notifier, payload
from tests.helpers.job_factory import made_job
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import free_port
from tests.scenarios.stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE = deadline(20.0)
DONE = made_job(state=State.DONE, folder="clients/acme/cat-7k3f9a2m")
NEWS = SendNotification(Notification.DONE, 1_770_000_000.0, job=DONE)
STUCK = SendNotification(Notification.NEEDS_PERSON, 1_770_000_001.0, "Discord wants a captcha solved")

SCRIPT = """
import json, os, sys
with open(sys.argv[1], "a") as file:
    file.write(json.dumps({"env": dict(os.environ), "argv": sys.argv[2:]}) + "\\n")
"""


@contextmanager
def hooks(outbox: Path, *, patience: float = PATIENCE, **options: Any) -> Iterator[Notifier]:
    """Run hooks; at the end of the block all notifications have been delivered."""
    settings = {key: options.pop(key) for key in ("exec", "webhook", "on") if key in options}
    made = Notifier(NotifySettings(**settings), outbox, **{"pauses": (0.0, 0.0), **options})
    made._transport.close()
    made._transport = Transport(
        timeout=(PATIENCE, PATIENCE), deadline=PATIENCE
    )  # no slow answer is a failure
    made.start()
    try:
        yield made
    finally:
        made.stop(patience)
        made._thread.join(PATIENCE)
        assert not made._thread.is_alive()


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


def read(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def ours(entry: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in entry["env"].items() if key.startswith("MJWATCH_")}


class _WebhookHandler(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers with the next status that the test has set."""

    server: WebhookServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class WebhookServer(ThreadingHTTPServer):
    """A web address on this machine."""

    daemon_threads = True

    def __init__(self, statuses: Sequence[int]) -> None:
        super().__init__(("127.0.0.1", 0), _WebhookHandler)
        self.statuses = list(statuses)
        self.received: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/s3cret"


@contextmanager
def listening(*statuses: int) -> Iterator[WebhookServer]:
    with WebhookServer(statuses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


# ---- the program


def test_a_program_gets_the_facts_in_its_environment_and_its_own_arguments(
    tmp_path: Path, told: Path
) -> None:
    command = python(SCRIPT, str(told), "one argument; rm -rf /", "$HOME")
    with hooks(tmp_path / "outbox", exec=command) as made:
        made.put(NEWS)
    (entry,) = read(told)
    assert entry["argv"] == ["one argument; rm -rf /", "$HOME"]
    folder = tmp_path / "outbox" / "clients/acme/cat-7k3f9a2m"
    assert ours(entry) == {
        "MJWATCH_EVENT": "done",
        "MJWATCH_JOB": "7k3f9a2m",
        "MJWATCH_STATE": "done",
        "MJWATCH_PROMPT": "a cat --ar 3:2",
        "MJWATCH_FOLDER": str(folder),
        "MJWATCH_REASON": "",
        "MJWATCH_TROUBLE": "",
        "MJWATCH_REMEDY": "",
        "MJWATCH_MANIFEST": str(folder / "manifest.json"),
    }


def test_a_folder_is_absolute_even_if_the_outbox_is_not(
    tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with hooks(Path("out"), exec=python(SCRIPT, str(told))) as made:
        made.put(NEWS)
    assert ours(read(told)[0])["MJWATCH_FOLDER"] == str(tmp_path / "out/clients/acme/cat-7k3f9a2m")


def test_a_notification_about_no_job_leaves_the_facts_of_the_job_empty(tmp_path: Path, told: Path) -> None:
    with hooks(tmp_path, exec=python(SCRIPT, str(told))) as made:
        made.put(STUCK)
    facts = ours(read(told)[0])
    assert facts.pop("MJWATCH_EVENT") == "needs_person"
    assert facts.pop("MJWATCH_REASON") == "Discord wants a captcha solved"
    assert set(facts.values()) == {""}


def test_the_commands_in_a_notification_name_the_configuration(tmp_path: Path, told: Path) -> None:
    trouble = pause_trouble(Pause("Discord wants a captcha solved", PauseKind.ACCOUNT))
    stuck, held = replace(STUCK, trouble=trouble), replace(STUCK, reason=RESULT_HELD)
    with hooks(tmp_path, exec=python(SCRIPT, str(told)), option="--config /etc/b.toml") as made:
        made.put(stuck)
        made.put(held)
    of_pause, of_held = map(ours, read(told))
    assert of_pause["MJWATCH_REMEDY"] == "fix the cause, then run `mjwatch --config /etc/b.toml resume`"
    assert "`mjwatch --config /etc/b.toml status` has the commands" in of_held["MJWATCH_REASON"]


def test_neither_the_token_nor_a_path_to_it_is_passed_on(tmp_path: Path, told: Path) -> None:
    environ = {**os.environ, "MJWATCH_TOKEN": "inv.ent.ed", "CREDENTIALS_DIRECTORY": "/run/credentials/x"}
    environ |= {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "1", "MOOD": "calm"}
    with hooks(tmp_path, exec=python(SCRIPT, str(told)), environ=environ) as made:
        made.put(NEWS)
    (entry,) = read(told)
    assert entry["env"]["MOOD"] == "calm"
    assert "inv.ent.ed" not in json.dumps(entry)
    assert (
        entry["env"]
        .keys()
        .isdisjoint({"MJWATCH_TOKEN", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"})
    )


def test_a_token_at_the_end_of_what_is_logged_of_a_message_shows_no_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = "aW52ZW50ZWQtdXNlcg.Gx1nvT.0123456789_abcdefghijkl"
    complains = python(f"import sys; sys.exit('{'x' * 151}{token}')")
    with hooks(tmp_path, exec=complains, redaction=Redaction([token])) as made:
        made.put(NEWS)
    assert "ended with code 1: xxx" in caplog.text
    assert not any(token[at : at + 12] in caplog.text for at in range(len(token) - 11))


def test_a_prompt_that_no_environment_can_contain_is_passed_as_well_as_possible(
    tmp_path: Path, told: Path
) -> None:
    job = made_job(prompt=Prompt("a\0cat\ud800\n猫"), folder="cat")
    with hooks(tmp_path, exec=python(SCRIPT, str(told))) as made:
        made.put(SendNotification(Notification.FAILED, 1.0, job=job))
    assert ours(read(told)[0])["MJWATCH_PROMPT"] == "a\ufffdcat?\n猫"


def test_a_program_that_hangs_is_killed_with_its_children_and_the_next_notification_is_delivered(
    tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hangs_once = """
        import os, subprocess, sys, time
        if os.environ["MJWATCH_EVENT"] == "done":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            with open(sys.argv[1] + ".new", "w") as file:
                file.write(str(child.pid))
            os.rename(sys.argv[1] + ".new", sys.argv[1] + ".pid")
            time.sleep(600)
        open(sys.argv[1], "w").write("{}")
    """
    command = python("if 1:\n" + hangs_once, str(told))
    started = Path(f"{told}.pid")

    now = [0.0]

    def clock() -> float:
        """Run on while the first program hangs, and stand still before that and afterwards."""
        if started.exists() and "was stopped" not in caplog.text:
            now[0] += 1.0
        return now[0]

    monkeypatch.setattr(programs, "time", SimpleNamespace(monotonic=clock))
    with hooks(tmp_path, exec=command, program_limit=2.0) as made:
        made.put(NEWS)
        made.put(STUCK)
    assert read(told) == [{}]
    assert "was stopped after 2 s" in caplog.text
    child = int(started.read_text())
    wait_until(lambda: not runs(child), "the end of what the program had started")


def runs(process: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_stop_does_not_wait_for_a_program_without_limit(tmp_path: Path, told: Path) -> None:
    command = python(f"open({str(told)!r}, 'w').close(); import time; time.sleep(600)")
    with hooks(tmp_path, exec=command, patience=0.0, program_limit=600.0) as made:
        made.put(NEWS)
        made.put(STUCK)


def test_notifications_that_wait_at_a_stop_are_still_delivered(tmp_path: Path, told: Path) -> None:
    with hooks(tmp_path, exec=python(SCRIPT, str(told))) as made:
        for _ in range(3):
            made.put(NEWS)
    assert len(read(told)) == 3


# ---- which news


@pytest.mark.parametrize("on", [("failed",), (), ("failed", "needs_person")])
def test_disabled_notifications_are_not_delivered(tmp_path: Path, told: Path, on: tuple[str, ...]) -> None:
    with hooks(tmp_path, exec=python(SCRIPT, str(told)), on=on) as made:
        made.put(NEWS)
        made.put(SendNotification(Notification.FAILED, 1.0, job=DONE))
        made.put(STUCK)
    assert [ours(entry)["MJWATCH_EVENT"] for entry in read(told)] == list(on)


def test_without_a_hook_nothing_waits(tmp_path: Path) -> None:
    with hooks(tmp_path) as made:
        made.put(NEWS)
        assert made._waiting.empty()


def test_of_too_many_notifications_the_oldest_are_dropped_and_nothing_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 3)
    made = Notifier(NotifySettings(exec=("true",)), tmp_path)
    for number in range(5):
        made.put(SendNotification(Notification.DONE, float(number)))
    kept = [made._waiting.get_nowait() for _ in range(3)]
    assert [news.at for news in kept if news] == [2.0, 3.0, 4.0]
    assert caplog.text.count("more than 3 notifications; dropping the oldest") == 1
    made._transport.close()


# ---- what goes wrong


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/nowhere/tell",), "the hook /nowhere/tell can't be run: No such file or directory"),
        (
            python("import sys; print('first\\nno such sound', file=sys.stderr); sys.exit(3)"),
            "ended with code 3: no such sound",
        ),
        (python("import os; os.kill(os.getpid(), 9)"), "ended with code -9"),
    ],
)
def test_a_program_that_fails_is_logged_once_and_does_no_harm(
    tmp_path: Path, command: tuple[str, ...], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with hooks(tmp_path, exec=command) as made:
        made.put(NEWS)
        made.put(NEWS)
    assert caplog.text.count(words) == 1
    assert "Traceback" not in caplog.text


def test_a_failure_after_a_success_is_logged_again(
    tmp_path: Path, told: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fails_but_for_one = 'import os, sys; sys.exit(os.environ["MJWATCH_EVENT"] != "failed")'
    with hooks(tmp_path, exec=python(fails_but_for_one)) as made:
        for news in (NEWS, NEWS, SendNotification(Notification.FAILED, 1.0), NEWS):
            made.put(news)
    assert caplog.text.count("ended with code 1") == 2


def test_an_unexpected_error_is_logged_and_the_next_notification_is_delivered(
    tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with hooks(tmp_path, exec=python(SCRIPT, str(told))) as made:
        made.put(SendNotification(Notification.DONE, float("nan")))
        made.put(NEWS)
    assert "with an unexpected error" in caplog.text
    assert len(read(told)) == 1


# ---- the web address


def test_a_webhook_gets_the_facts_as_json(tmp_path: Path) -> None:
    with listening() as server, hooks(tmp_path, webhook=server.url) as made:
        made.put(NEWS)
        made.put(STUCK)
        made.stop(PATIENCE)
        (path, headers, body), (_, _, second) = server.received
    assert path == "/hook/s3cret"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"mjwatch/{__version__}"
    assert "Authorization" not in headers
    assert "Cookie" not in headers
    assert json.loads(body) == {
        "event": "done",
        "job": "7k3f9a2m",
        "state": "done",
        "prompt": "a cat --ar 3:2",
        "folder": "clients/acme/cat-7k3f9a2m",
        "reason": None,
        "trouble": None,
        "remedy": None,
        "at": "2026-02-02T02:40:00.000Z",
        "version": __version__,
    }
    assert json.loads(second) == payload(STUCK)
    assert json.loads(second)["reason"] == "Discord wants a captcha solved"


@pytest.mark.parametrize("statuses", [(500, 502, 200), (429, 204)])
def test_a_failing_webhook_is_tried_again(
    tmp_path: Path, statuses: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with listening(*statuses) as server, hooks(tmp_path, webhook=server.url) as made:
        made.put(NEWS)
        made.stop(PATIENCE)
        assert len(server.received) == len(statuses)
    assert caplog.text == ""


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404])
def test_a_refusal_and_a_redirect_are_final_and_logged_without_the_address(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(status) as server, hooks(tmp_path, webhook=server.url) as made:
        made.put(NEWS)
        made.stop(PATIENCE)
        assert len(server.received) == 1
    assert f"the webhook at 127.0.0.1 answered HTTP {status}" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_unreachable_webhook_is_tried_a_few_times_then_once_for_each_notification(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(500, 500, 500, 500, 204) as server, hooks(tmp_path, webhook=server.url) as made:
        for _ in range(3):
            made.put(NEWS)
        made.stop(PATIENCE)
        assert len(server.received) == 5
    with hooks(tmp_path, webhook=f"http://127.0.0.1:{free_port()}/hook/s3cret") as made:
        made.put(NEWS)
        made.put(NEWS)
    assert caplog.text.count("the webhook can't be reached: no connection to 127.0.0.1") == 1
    assert "s3cret" not in caplog.text


def test_a_program_is_notified_although_the_webhook_fails(tmp_path: Path, told: Path) -> None:
    with listening(404, 404) as server:
        with hooks(tmp_path, exec=python(SCRIPT, str(told)), webhook=server.url) as made:
            made.put(NEWS)
            made.put(STUCK)
        assert len(server.received) == 2
    assert len(read(told)) == 2


def test_no_text_of_the_requests_library_reaches_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # as start_logging has it
    with hooks(tmp_path, webhook="http://127.0.0.1:1/s3cret") as made:
        made.put(NEWS)
    assert "s3cret" not in caplog.text
