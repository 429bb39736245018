"""Notifications through Apprise reach each address once, and no address is shown anywhere.

Seen to catch: an address that took the notification gets it again; a refusal that is tried again; text of
Apprise's in the log; a link followed to the picture; a server that is waited for without a limit.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.effects import Notification, SendNotification
from mjwatch.errors import ConfigError
from mjwatch.host.redaction import Redaction
from mjwatch.model import MANIFEST_SCHEMA, Prompt, State
from mjwatch.settings.secrets import Secret
from mjwatch.settings.sections import NotifySettings
from mjwatch.workers import apprise_hook
from mjwatch.workers.apprise_hook import AppriseDelivery, TryAgainError
from mjwatch.workers.notifier import Notifier
from mjwatch.workers.programs import Ended
from tests.helpers.job_factory import made_job
from tests.unit.workers.test_notifier import DONE, NEWS, PATIENCE, STUCK, WebhookServer, listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PASSWORD = "Pa55-w0rd-invented"
PICTURE = b"\x89PNG invented"


def url_of(server: WebhookServer, path: str = "", scheme: str = "json") -> Secret:
    patience = "cto=60&rto=60"  # no slow answer is a failure
    return Secret(f"{scheme}://me:{PASSWORD}@127.0.0.1:{server.server_port}/{path}?{patience}")


@contextmanager
def notifying(outbox: Path, *urls: Secret, **options: Any) -> Iterator[Notifier]:
    """Run hooks; at the end of the block all notifications have been delivered."""
    settings = NotifySettings(attach=options.pop("attach", False))
    made = Notifier(settings, outbox, apprise=urls, **{"pauses": (0.0,), **options})
    made.start()
    try:
        yield made
    finally:
        made.stop(PATIENCE)
        assert not made._thread.is_alive()


def publish(outbox: Path, **entry: str) -> Path:
    folder = outbox / str(DONE.folder)
    folder.mkdir(parents=True)
    manifest = {"schema": MANIFEST_SCHEMA, "images": [{"file": "cat_1.png", **entry}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "cat_1.png").write_bytes(PICTURE)
    return folder


def test_a_done_job_arrives_with_its_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    publish(tmp_path)
    with listening() as server:
        with notifying(tmp_path, url_of(server, "hook"), attach=True) as made:
            made.put(NEWS)
        ((path, headers, body),) = server.received
    message = json.loads(body)
    assert path == "/hook"
    assert headers["Authorization"] == f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"
    assert (message["title"], message["type"]) == ("mjwatch: done", "success")
    assert message["message"] == "a cat --ar 3:2\njob 7k3f9a2m in clients/acme/cat-7k3f9a2m"
    (attachment,) = message["attachments"]
    assert base64.b64decode(attachment["base64"]) == PICTURE
    assert caplog.text == ""


def test_only_who_has_not_got_it_is_tried_again_and_a_refusal_is_final(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(200) as good, listening(503, 200) as busy, listening(403) as closed:
        servers = (good, busy, closed)
        with notifying(tmp_path, *map(url_of, servers), Secret(f"nosuch://{PASSWORD}")) as made:
            made.put(STUCK)
        assert [len(server.received) for server in servers] == [1, 2, 1]
    assert "Apprise address 3 (json://) answered HTTP 403" in caplog.text
    assert "Apprise address 4 (nosuch://) is not an address that Apprise can use" in caplog.text
    assert "address 2" not in caplog.text
    assert PASSWORD not in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and nobody reads
        url = Secret(f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=600")
        with notifying(tmp_path, url, program_limit=2.0, pauses=()) as made:
            made.put(STUCK)
    assert "Apprise address 1 (json://) took too long" in caplog.text


def test_the_test_is_sent_once_by_every_hook(tmp_path: Path) -> None:
    with listening(500) as web, listening() as server:
        command = (sys.executable, "-c", "import os, sys; sys.exit(os.environ['MJWATCH_EVENT'] != 'test')")
        settings = NotifySettings(exec=command, webhook=web.url)
        made = Notifier(settings, tmp_path, apprise=[url_of(server)], pauses=(600.0,))
        found = made.test()
        assert len(web.received) == len(server.received) == 1
    assert found == {"exec": "", "webhook": "the webhook at 127.0.0.1 answered HTTP 500", "apprise": ""}


# ---- without Apprise


class Runs:
    """What a delivery gives to the program, which prints these lines."""

    def __init__(self, *lines: str, code: int | None = 0) -> None:
        self.ended = Ended(code, "\n".join(lines))
        self.orders: list[dict[str, Any]] = []
        self.commands: list[Sequence[str]] = []
        self.attached: list[bytes] = []

    def __call__(self, command: Sequence[str], stdin: bytes) -> Ended:
        self.commands.append(command)
        self.orders.append(json.loads(stdin))
        if path := self.orders[-1]["attach"]:
            with open(path, "rb") as file:  # noqa: PTH123
                self.attached.append(file.read())
        return self.ended


def delivery(
    outbox: Path, runs: Runs, notification: SendNotification = NEWS, urls: Sequence[str] = ("json://a",)
) -> AppriseDelivery:
    return AppriseDelivery([Secret(url) for url in urls], notification, outbox, runs, attach=True)


def test_no_address_is_in_the_command(tmp_path: Path) -> None:
    runs = Runs("0 delivered")
    delivery(tmp_path, runs, urls=[f"json://{PASSWORD}"]).attempt()
    assert PASSWORD not in str(runs.commands)
    assert runs.orders[0]["urls"] == [f"json://{PASSWORD}"]


@pytest.mark.parametrize("where", ["picture", "manifest", "folder", "path"])
def test_nothing_outside_of_the_jobs_folder_is_sent(tmp_path: Path, where: str) -> None:
    outbox, secret = tmp_path / "outbox", tmp_path / "token.key"
    secret.write_text("secret")
    folder = publish(outbox, **({"file": "../../../../token.key"} if where == "path" else {}))
    if where == "picture":
        (folder / "cat_1.png").unlink()
        (folder / "cat_1.png").symlink_to(secret)
    elif where == "manifest":
        (folder / "manifest.json").rename(tmp_path / "manifest.json")
        (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    elif where == "folder":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    runs = Runs("0 delivered")
    delivery(outbox, runs).attempt()
    assert (runs.orders[0]["attach"], runs.attached) == (None, [])


@pytest.mark.parametrize("notification", [STUCK, SendNotification(Notification.FAILED, 1.0, job=DONE)])
def test_only_a_done_job_has_a_picture(tmp_path: Path, notification: SendNotification) -> None:
    publish(tmp_path)
    runs = Runs("0 delivered")
    delivery(tmp_path, runs, notification).attempt()
    assert runs.orders[0]["attach"] is None
    delivery(tmp_path, runs).attempt()
    assert runs.attached == [PICTURE]


def test_a_long_prompt_is_cut_and_the_reason_comes_first(tmp_path: Path) -> None:
    job = made_job(state=State.FAILED, prompt=Prompt("x" * 5000 + "\ud800"))
    runs = Runs("0 delivered")
    delivery(tmp_path, runs, SendNotification(Notification.FAILED, 1.0, "moderated", job)).attempt()
    body = runs.orders[0]["body"]
    assert body.startswith("moderated\nxxx")
    assert len(body) < apprise_hook._MOST_PROMPT + 100


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        (("0 failed 429",), 0, "answered HTTP 429"),
        (("0 failed ",), 0, "did not take the notification, or can't be reached"),
        ((), 1, "was not tried: Apprise ended with an error"),
        ((), None, "took too long"),
    ],
)
def test_what_may_pass_is_tried_again(
    tmp_path: Path, lines: tuple[str, ...], code: int | None, words: str
) -> None:
    with pytest.raises(TryAgainError) as error:
        delivery(tmp_path, Runs(*lines, code=code)).attempt()
    assert error.value.message == f"Apprise address 1 (json://) {words}"


def test_without_the_library_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs apprise, which is not installed") as error:
        Notifier(NotifySettings(), tmp_path, apprise=[Secret("json://a")], redaction=Redaction(()))
    assert "install apprise" in error.value.hint
