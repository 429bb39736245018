"""Wrong input, or a Discord that cannot be used, gives one clear line, an exit code and no traceback."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from mjwatch import MidjourneyAPI
from mjwatch.client import in_process
from mjwatch.errors import UnreachableError
from tests.scenarios.stage import HANG, Stage, open_stage, wait_until
from tests.scenarios.test_cli import start_command, wait_for_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

TOKEN = "authToken.key"


@pytest.fixture(scope="module")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("bad") / "w", "--seconds-per-job", "0.3") as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage, tmp_path: Path) -> Iterator[Stage]:
    """A new workspace for the shared simulator."""
    stage = Stage(tmp_path / "w", shared_stage.address)
    (stage.folder / "keys").mkdir(parents=True)
    stage.config.write_text(shared_stage.config.read_text())
    for key in (shared_stage.folder / "keys").iterdir():
        (stage.folder / "keys" / key.name).write_text(key.read_text())
        (stage.folder / "keys" / key.name).chmod(0o600)
    try:
        yield stage
    finally:
        for daemon in stage.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait(timeout=HANG)


def write(stage: Stage, name: str, text: str) -> None:
    (stage.folder / name).write_text(text)


CONFIGS: dict[str, tuple[Callable[[Stage], object], str]] = {
    "broken TOML": (lambda stage: write(stage, "config.toml", '[inbox\npath = "x"\n'), "is not valid TOML"),
    "an unknown key": (
        lambda stage: stage.set_config("pace", jiter=1),
        'unknown key "jiter" (did you mean jitter?)',
    ),
    "a wrong type": (
        lambda stage: stage.set_config("pace", jitter="much"),
        'jitter is "much", but must be a number',
    ),
    "no file": (lambda stage: stage.config.unlink(), "there is no configuration file"),
}

KEYS: dict[str, tuple[Callable[[Stage], object], str]] = {
    "a token that others can read": (
        lambda stage: (stage.folder / "keys" / TOKEN).chmod(0o644),
        "can be read or changed by others (mode 0644) - chmod 600",
    ),
    "a missing token": (
        lambda stage: (stage.folder / "keys" / TOKEN).unlink(),
        "there is no Discord token",
    ),
    "a missing channel": (
        lambda stage: (stage.folder / "keys" / "API_channel_id.key").unlink(),
        "there is no channel id",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_every_command_reports_a_wrong_configuration_in_one_line(stage: Stage, case: str) -> None:
    break_it, message = CONFIGS[case]
    break_it(stage)
    for verb in (("run",), ("submit", "a cat"), ("imagine", "a cat")):
        done = stage.run(*verb)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
        assert message in done.stderr
    done = stage.run("check")
    assert (done.returncode, done.stderr) == (1, "")
    assert message in done.stdout
    assert "to fix it: " in done.stdout


@pytest.mark.parametrize("case", KEYS)
def test_a_wrong_key_is_reported_in_one_line_and_submit_still_works(stage: Stage, case: str) -> None:
    break_it, message = KEYS[case]
    break_it(stage)
    for verb in (("run",), ("imagine", "a cat")):
        done = stage.run(*verb)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
        assert message in done.stderr
    assert stage.run("submit", "a cat").returncode == 0
    failed = [line for line in json.loads(stage.run("check", "--json").stdout) if line["state"] == "fail"]
    assert [line["name"] for line in failed] == ["keys"]
    assert failed[0]["mend"]


def test_a_wrong_guild_pauses_sending_until_it_is_corrected_and_resumed(stage: Stage) -> None:
    guild = stage.folder / "keys" / "API_guild_id.key"
    right = guild.read_text()
    guild.write_text("1111000000000000099\n")
    check = stage.run("check")
    assert check.returncode == 1
    assert f"write {right.strip()} into API_guild_id.key" in check.stdout
    done = stage.run("imagine", "a cat")
    assert (done.returncode, done.stdout) == (4, "")
    assert "does not know this guild" in done.stderr.splitlines()[-1]
    stage.drop("cat.txt", "a lost cat\n")
    assert stage.start("--drain").wait(timeout=HANG) == 4
    status = stage.run("status")
    assert status.returncode == 4
    assert "does not know this guild" in status.stdout
    guild.write_text(right)
    assert stage.start("--drain").wait(timeout=HANG) == 4
    assert "resumed; it was paused: " in stage.run("resume").stdout
    stage.drain()
    states = {manifest["prompt"]["submitted"]: manifest["state"] for manifest in stage.manifests()}
    assert states == {"a cat": "cancelled", "a lost cat": "done"}


def test_with_a_wrong_token_the_service_stays_up_paused_and_reports_why(stage: Stage) -> None:
    (stage.folder / "keys" / TOKEN).write_text("aaaa.bbbb.cccc\n")
    assert "does not accept the token" in stage.run("check").stdout
    daemon = stage.start()
    wait_until(lambda: "sending is paused: " in stage.log, "the pause")
    done = stage.run("submit", "a cat", "--wait")
    assert done.returncode == 4
    assert "does not accept the token" in done.stderr.splitlines()[-1]
    assert stage.run("imagine", "a dog").returncode == 4
    assert stage.run("status").returncode == 4
    assert stage.stop(daemon) == 0
    assert stage.start("--drain").wait(timeout=HANG) == 4
    done = stage.run("imagine", "a dog")
    assert done.returncode == 4
    assert "does not accept the token" in done.stderr.splitlines()[-1]
    assert "Traceback" not in stage.log
    assert "aaaa.bbbb.cccc" not in stage.log


# ---- a Discord that cannot be used


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    """Start a server with the same response to every request, and yield its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def nothing() -> Iterator[str]:
    """Yield an address where nothing listens, and which no other test run has: an account has one sender."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def unused_address() -> Iterator[str]:
    with nothing() as address:
        yield address


def set_address(stage: Stage, address: str) -> None:
    stage.config.write_text(stage.config.read_text().replace(stage.address, address))


BROKEN: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "nothing listens": nothing,
    "it has an error": lambda: answering(500, "text/plain", b"oops"),
    "it is a web page": lambda: answering(200, "text/html", b"<html><title>Sign in</title></html>"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_with_discord_unreachable_check_fails_and_imagine_waits_and_reports_it(
    stage: Stage, case: str
) -> None:
    with BROKEN[case]() as address:
        set_address(stage, address)
        check = stage.run("check")
        assert check.returncode == 1
        assert "fail    token" in check.stdout
        assert "Traceback" not in check.stdout + check.stderr
        verb = start_command(stage, "imagine", "a cat")
        wait_for_line(verb, "waiting: ")
        verb.send_signal(signal.SIGINT)
        out, err = verb.communicate(timeout=HANG)
    assert (verb.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "mjwatch: stopped; the prompt was not sent"
    # The gateway failure may be reported before the prompt is taken; then there is nothing to withdraw.
    assert [manifest["state"] for manifest in stage.manifests()] in ([], ["cancelled"])


def test_an_unresolvable_host_name_is_reported(stage: Stage) -> None:
    hosts = [f"{name}-{os.getpid()}.mjwatch.invalid" for name in ("api", "gateway")]
    stage.set_config(
        "discord", api_url=f"https://{hosts[0]}/v9", gateway_url=f"wss://{hosts[1]}", allow_hosts=hosts
    )
    check = stage.run("check")
    assert check.returncode == 1
    assert f"no connection to {hosts[0]}" in check.stdout
    verb = start_command(stage, "imagine", "a cat")
    assert "can't be resolved" in wait_for_line(verb, "waiting: ")
    verb.send_signal(signal.SIGINT)
    verb.communicate(timeout=HANG)
    assert verb.returncode == 130


def test_an_api_call_gives_up_and_withdraws_the_prompt(
    stage: Stage, unused_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_process, "CONNECT_PATIENCE", 0.0)
    set_address(stage, unused_address)
    reported: list[str] = []
    with pytest.raises(UnreachableError, match="the prompt was not sent: no connection"):
        MidjourneyAPI(stage.config).imagine("a cat", on_trouble=reported.append)
    assert reported
    assert [manifest["state"] for manifest in stage.manifests()] == ["cancelled"]


def test_the_service_keeps_trying_and_status_and_submit_report_it(
    stage: Stage, shared_stage: Stage, unused_address: str
) -> None:
    set_address(stage, unused_address)
    daemon = stage.start()
    wait_until(lambda: "no connection" in stage.log, "a try")
    assert daemon.poll() is None
    verb = start_command(stage, "submit", "a patient cat", "--wait")
    wait_for_line(verb, "waiting: ")
    status = json.loads(stage.run("status", "--json").stdout)
    assert "no connection" in status["trouble"]
    assert status["paused"] is None
    verb.send_signal(signal.SIGINT)
    verb.communicate(timeout=HANG)
    assert stage.stop(daemon) == 0
    stage.config.write_text(stage.config.read_text().replace(unused_address, shared_stage.address))
    stage.drain()
    assert [manifest["state"] for manifest in stage.manifests()] == ["done"]
    assert json.loads(stage.run("status", "--json").stdout)["trouble"] is None
