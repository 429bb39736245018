"""The recording of the wire beside the journal: what is in it, what never is, and how large it gets.

Seen to catch: a session's id in a POST; other people's messages of the history; a file that grows for ever.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch.diagnostics import wire_log
from mjwatch.diagnostics.wire_log import WIRE_FILE, WireKind, WireLog, read_wire
from mjwatch.discord.cdn import Download
from mjwatch.discord.rest import HttpExchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHANNEL, ME, SESSION = "222222222222222222", "444444444444444444", "0123456789abcdef-session"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[WireLog]:
    with closing(WireLog(tmp_path, CHANNEL, lambda: 5.0)) as found:
        yield found


def received(wire: WireLog, name: str, data: dict[str, Any]) -> None:
    wire.gateway("received", {"op": 0, "t": name, "s": 1, "d": data})


def exchange(
    method: str, path: str, status: int | None, sent: object = None, body: object = None
) -> HttpExchange:
    return HttpExchange(method, path, sent, status, {"Set-Cookie": "x", "Via": "1.1"}, answering(body), False)


def answering(body: object) -> Callable[[], object]:
    return lambda: body


def test_it_has_our_dispatches_and_no_session_and_nobody_elses_messages(
    wire: WireLog, tmp_path: Path
) -> None:
    wire.gateway("sent", {"op": 2, "d": {"token": "secret-token"}})
    received(wire, "READY", {"user": {"id": ME}, "session_id": SESSION, "auth_token": "secret-token"})
    received(wire, "MESSAGE_CREATE", {"id": "1", "channel_id": CHANNEL, "content": "ours"})
    received(wire, "MESSAGE_CREATE", {"id": "2", "channel_id": "3", "content": "elsewhere"})
    received(wire, "TYPING_START", {"channel_id": CHANNEL})
    received(wire, "PASSIVE_UPDATE_V2", {"updated_channels": [{"id": CHANNEL}, {"id": "elsewhere"}]})
    wire.gateway("closed", {"code": 4000})
    wire.http(exchange("POST", "/interactions", None, {"session_id": SESSION, "nonce": "7"}))
    page = [{"id": "1", "content": f"<@{ME}>"}, {"id": "2", "content": "elsewhere"}]
    wire.http(exchange("GET", f"/channels/{CHANNEL}/messages", 200, None, page))
    wire.http(exchange("GET", "/users/@me", 200, None, {"email": "elsewhere"}))
    wire.download(Download("https://cdn.example/attachments/1/2/a.png?hm=elsewhere", 200, b"\x89PNG"))
    lines = list(read_wire(tmp_path, 0.0))
    assert [(line.kind, line.name) for line in lines] == [
        (WireKind.SESSION, "READY"),
        (WireKind.DISPATCH, "MESSAGE_CREATE"),
        (WireKind.DISPATCH, "PASSIVE_UPDATE_V2"),
        (WireKind.CLOSED, "close"),
        (WireKind.HTTP, "POST /interactions"),
        (WireKind.HTTP, f"GET /channels/{CHANNEL}/messages"),
        (WireKind.HTTP, "GET /users/@me"),
        (WireKind.DOWNLOAD, "/attachments/1/2/a.png"),
    ]
    text = (tmp_path / WIRE_FILE).read_text()
    assert [word for word in (SESSION, "secret-token", "elsewhere", "Cookie") if word in text] == []
    assert lines[4].data["sent"] == {"nonce": "7"}
    assert stat.S_IMODE((tmp_path / WIRE_FILE).stat().st_mode) == 0o600


def test_the_two_files_stay_small(wire: WireLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_log, "LARGEST_FILE", 2000)
    for number in range(100):
        received(wire, "MESSAGE_CREATE", {"id": str(number), "channel_id": CHANNEL, "content": "x" * 100})
    received(wire, "MESSAGE_CREATE", {"id": "100", "channel_id": CHANNEL, "content": "x" * 140_000})
    assert sum(file.stat().st_size for file in tmp_path.glob(f"{WIRE_FILE}*")) < 6000
    *_, before, last = read_wire(tmp_path, 0.0)
    assert (before.data["id"], last.data) == ("99", None)


def test_what_can_not_be_recorded_does_no_harm_and_is_logged_once_for_each_kind_of_error(
    wire: WireLog, caplog: pytest.LogCaptureFixture
) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    wire.http(exchange("POST", "/interactions", 400, {"nonce": "7"}, deep))
    received(wire, "INTERACTION_CREATE", {"nonce": "7", "data": deep})
    assert caplog.messages == ["the wire can't be recorded"]
    received(wire, "INTERACTION_CREATE", {"nonce": "7", "data": object()})
    assert caplog.messages == ["the wire can't be recorded"] * 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes, and links need a right")
def test_nothing_is_recorded_through_a_link_or_into_a_pipe(wire: WireLog, tmp_path: Path) -> None:
    diary, file = tmp_path / "diary", tmp_path / WIRE_FILE
    diary.write_text('{"at": 6.0, "kind": "session", "name": "dear diary", "data": 1}\n')
    before = diary.read_bytes()
    file.symlink_to(diary)
    received(wire, "RESUMED", {})
    assert diary.read_bytes() == before
    assert list(read_wire(tmp_path, 0.0)) == []
    file.unlink()
    os.mkfifo(file)
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        received(wire, "RESUMED", {})
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
    file.unlink()
    received(wire, "RESUMED", {})
    assert [line.name for line in read_wire(tmp_path, 0.0)] == ["RESUMED"]


def test_a_disk_that_takes_nothing_and_a_torn_line_are_no_failures(wire: WireLog, tmp_path: Path) -> None:
    lost = WireLog(tmp_path / "missing", CHANNEL, lambda: 5.0)
    received(lost, "RESUMED", {})
    received(wire, "RESUMED", {})
    with (tmp_path / WIRE_FILE).open("a") as file:
        file.write(
            '{"at": 6.0, "kind": "http"\n[]\n' + json.dumps({"at": 7, "kind": "new", "name": "x"}) + "\n"
        )
    assert [line.name for line in read_wire(tmp_path, 0.0)] == ["RESUMED"]
    assert list(read_wire(tmp_path, 5.1)) == []
