import asyncio
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from mjwatch.discord.connection import OutageLog, SuspendWatch, WebsocketConnection
from mjwatch.discord.payloads import ResumeState
from mjwatch.discord.session import GatewaySession
from mjwatch.errors import ConfigError
from mjwatch.events import (
    GatewayDispatch,
    GatewayDown,
    GatewayEvent,
    GatewayReady,
    GatewayRejected,
    GatewayResumed,
)
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import GatewayServer, Peer, Script, free_port, gateway_server

TOKEN = "an-invented-token"


@pytest.fixture(autouse=True)
def patient_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for its thread as long as that may take on this machine."""
    monkeypatch.setattr("mjwatch.discord.connection.STOP_TIMEOUT", deadline(20))


class Client:
    """A connection with a queue of its events."""

    def __init__(self, url: str, **options: Any) -> None:
        self.events: queue.Queue[GatewayEvent] = queue.Queue()
        session_options = {"resume": options.pop("resume", None)}
        self.session = GatewaySession(TOKEN, random=lambda: 0.01, gateway_url=url, **session_options)
        self.connection = WebsocketConnection(self.session, self.events.put, **options)

    def next(self) -> GatewayEvent:
        return self.events.get(timeout=deadline(20))


@contextmanager
def connected_client(server: GatewayServer, **options: Any) -> Iterator[Client]:
    client = Client(server.url, **options)
    client.connection.start()
    try:
        yield client
    finally:
        client.connection.stop(resumable=True)
        assert not client.connection.alive


async def welcome(server: GatewayServer, peer: Peer, _request: web.Request) -> None:
    await peer.hello()
    await peer.expect(2)
    await peer.ready(server.port)


async def resume(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
    await peer.hello()
    payload = await peer.expect(6)
    await peer.dispatch(payload["d"]["seq"] + 1, "MESSAGE_CREATE", id="missed")
    await peer.dispatch(payload["d"]["seq"] + 2, "RESUMED")


def then(first: Script, more: Script) -> Script:
    async def script(server: GatewayServer, peer: Peer, request: web.Request) -> None:
        await first(server, peer, request)
        await more(server, peer, request)

    return script


def expecting(op: int) -> Script:
    async def script(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.expect(op)

    return script


def closing(code: int) -> Script:
    async def script(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.close(code)

    return script


def wait_until(condition: Callable[[], object]) -> None:
    """Poll; the deadline only catches a hang."""
    pause = threading.Event()
    for _ in range(round(100 * deadline(20))):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("the condition never became true")


# Connecting


def test_a_session_comes_up_and_its_dispatches_arrive() -> None:
    async def talk(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.dispatch(2, "MESSAGE_CREATE", id="9", content="größer")

    with gateway_server(then(welcome, talk)) as server, connected_client(server) as client:
        ready = client.next()
        assert isinstance(ready, GatewayReady)
        assert ready.session_id == "session-1"
        assert client.next() == GatewayDispatch("MESSAGE_CREATE", {"id": "9", "content": "größer"}, 2)
        assert client.connection.connected
        assert server.urls == ["/?v=9&encoding=json&compress=zlib-stream"]
        assert server.headers[0]["User-Agent"].startswith("mjwatch/")
        assert "Origin" not in server.headers[0]
    assert not client.connection.connected


def test_the_token_reaches_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with gateway_server(then(welcome, closing(4000)), resume) as server, connected_client(server) as client:
        while not isinstance(client.next(), GatewayResumed):
            pass
        assert server.received[0]["d"]["token"] == TOKEN
        assert TOKEN not in caplog.text + repr(client.connection)


def test_uncompressed_and_split_messages_are_read_too() -> None:
    async def talk(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.send_text(json.dumps({"op": 0, "t": "A", "s": 2, "d": {"x": 1}}))
        data = peer.compressed({"op": 0, "t": "B", "s": 3, "d": {"x": "y" * 1000}})
        for start in range(0, len(data), 7):
            await peer.send_bytes(data[start : start + 7])
        await peer.send_text("[1]")
        await peer.dispatch(4, "C")

    with gateway_server(then(welcome, talk)) as server, connected_client(server) as client:
        client.next()
        names = [
            event.name
            for event in (client.next(), client.next(), client.next())
            if isinstance(event, GatewayDispatch)
        ]
        assert names == ["A", "B", "C"]


def test_a_ready_of_many_megabytes_is_read() -> None:
    async def talk(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.dispatch(
            2, "BIG", filler=[{"id": str(number), "name": "x" * 60} for number in range(100_000)]
        )

    with gateway_server(then(welcome, talk)) as server, connected_client(server) as client:
        client.next()
        big = client.next()
        assert isinstance(big, GatewayDispatch)
        assert len(big.data["filler"]) == 100_000


def test_this_machine_is_reached_directly_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with gateway_server(welcome) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)


def test_a_proxy_of_another_kind_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="http proxies"):
        Client("wss://gateway.discord.gg", proxy="socks5://127.0.0.1:1080")


# Reconnecting and resuming


@pytest.mark.parametrize("code", [1000, 1001, 4000, 4002])
def test_after_a_close_the_session_is_resumed_and_the_answer_was_not_1000(code: int) -> None:
    answers: list[int | None] = []

    async def close(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        answers.append(await peer.close(code))

    with gateway_server(then(welcome, close), resume) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        down = client.next()
        assert isinstance(down, GatewayDown)
        assert str(code) in down.reason
        assert client.next() == GatewayDispatch("MESSAGE_CREATE", {"id": "missed"}, 2)
        assert client.next() == GatewayResumed("session-1", 3)
        assert server.urls[1].startswith("/node/?v=9")
        assert answers == [4000]


def test_a_connection_that_we_cut_is_resumed_and_everything_is_recorded() -> None:
    seen: list[tuple[str, Any]] = []

    def tap(direction: str, payload: Mapping[str, Any]) -> None:
        seen.append((direction, payload.get("t") or payload.get("op", payload.get("code"))))

    server = gateway_server(then(welcome, expecting(99)), resume)
    with server as running, connected_client(running, tap=tap) as client:
        assert isinstance(client.next(), GatewayReady)
        client.connection.cut()
        assert isinstance(client.next(), GatewayDown)
        client.next()
        assert client.next() == GatewayResumed("session-1", 3)
    beats = (("sent", 1), ("received", 11))
    assert [entry for entry in seen if entry not in beats] == [
        *(("received", 10), ("sent", 2), ("received", "READY"), ("closed", None)),
        *(("received", 10), ("sent", 6), ("received", "MESSAGE_CREATE"), ("received", "RESUMED")),
    ]


def test_a_cut_connection_is_resumed() -> None:
    async def cut(_server: GatewayServer, peer: Peer, request: web.Request) -> None:
        peer.cut(request)

    with gateway_server(then(welcome, cut), resume) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        assert isinstance(client.next(), GatewayDown)
        client.next()
        assert client.next() == GatewayResumed("session-1", 3)


def test_op_7_as_the_first_message_leads_to_another_connection() -> None:
    async def reconnect(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.send({"op": 7, "d": None})

    with gateway_server(reconnect, welcome) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayDown)
        assert isinstance(client.next(), GatewayReady)
        wait_until(lambda: server.close_codes)
        assert server.close_codes == [4000]


def test_the_connection_to_a_silent_gateway_is_closed_with_4000(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mjwatch.discord.timing.SHORTEST_INTERVAL", 0.1)

    async def silent(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.hello(interval_ms=100)  # not before READY, which may take longer than the interval

    with gateway_server(then(welcome, silent), resume) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        down = client.next()
        assert isinstance(down, GatewayDown)
        assert "heartbeats" in down.reason
        client.next()
        assert isinstance(client.next(), GatewayResumed)
        wait_until(lambda: server.close_codes)
        assert server.close_codes == [4000]


def test_heartbeats_are_sent_while_a_message_arrives_slowly() -> None:
    async def trickle(_server: GatewayServer, peer: Peer, request: web.Request) -> None:
        await peer.hello(interval_ms=20_000)  # the first heartbeat comes after a hundredth of that
        data = peer.compressed({"op": 0, "t": "LATE", "s": 2, "d": {}})
        assert request.transport is not None
        request.transport.write(bytes([0x82, len(data)]) + data[:5])  # the beginning of a frame
        await peer.expect(1)
        request.transport.write(data[5:])
        await peer.send({"op": 11, "d": None})

    with gateway_server(then(welcome, trickle)) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        assert client.next() == GatewayDispatch("LATE", {}, 2)


@pytest.mark.parametrize(
    "nonsense",
    [b"not zlib\x00\x00\xff\xff", b"\x78\x9c\x00\x00\xff\xff"],
)
def test_a_broken_stream_leads_to_another_connection(nonsense: bytes) -> None:
    async def broken(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.send_bytes(nonsense)

    with gateway_server(then(welcome, broken), resume) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        down = client.next()
        assert isinstance(down, GatewayDown)
        assert "message" in down.reason
        client.next()
        assert isinstance(client.next(), GatewayResumed)


@pytest.mark.parametrize("kind", ["too large", "large frame", "too many values", "no JSON", "no zlib"])
def test_a_message_that_can_never_be_read_does_not_come_for_ever(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("mjwatch.discord.websocket.LARGEST_MESSAGE", 50_000)

    async def poison(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        payload: dict[str, Any] = {"op": 0, "t": "GUILD_CREATE", "s": 2, "d": {"name": "x" * 60_000}}
        if kind == "large frame":
            await peer.send_text(json.dumps(payload))
        elif kind == "no JSON":
            await peer.send_text("{" * 10_000)
        elif kind == "no zlib":
            await peer.send_bytes(b"not zlib\x00\x00\xff\xff")
        else:
            if kind == "too many values":
                monkeypatch.setattr("mjwatch.discord.websocket.MOST_VALUES", 1000)
                payload["d"] = {"roles": [1] * 2000}
            await peer.send(payload)

    async def again(server: GatewayServer, peer: Peer, request: web.Request) -> None:
        await peer.hello()
        assert (await peer.expect(6))["d"]["seq"] == 1
        await poison(server, peer, request)

    with (
        gateway_server(then(welcome, poison), again, again, welcome) as server,
        connected_client(server) as client,
    ):
        assert isinstance(client.next(), GatewayReady)
        losses = [client.next() for _ in range(3)]
        assert [loss.session_lost for loss in losses if isinstance(loss, GatewayDown)] == [False, False, True]
        assert isinstance(client.next(), GatewayReady)


def test_text_that_is_not_json_leads_to_another_connection() -> None:
    async def broken(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.send_text("{" * 100_000)

    with gateway_server(then(welcome, broken), resume) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        assert isinstance(client.next(), GatewayDown)


def test_a_refused_token_ends_the_thread() -> None:
    async def refuse(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.hello()
        await peer.expect(2)
        await peer.close(4004)

    with gateway_server(refuse) as server, connected_client(server) as client:
        stopped = client.next()
        assert isinstance(stopped, GatewayRejected)
        assert stopped.code == 4004
        assert TOKEN not in stopped.reason
        wait_until(lambda: not client.connection.alive)
        assert len(server.urls) == 1


def test_a_session_of_the_last_process_is_resumed() -> None:
    with gateway_server(resume) as server:
        state = ResumeState("session-0", 50, f"{server.url}/node")
        with connected_client(server, resume=state) as client:
            assert client.next() == GatewayDispatch("MESSAGE_CREATE", {"id": "missed"}, 51)
            assert client.next() == GatewayResumed("session-0", 52)


# Handshakes that fail


@pytest.mark.parametrize(
    ("status", "headers", "at_least"),
    [
        (401, {}, 300),
        (403, {}, 300),
        (429, {"Retry-After": "90"}, 90),
        (429, {"Retry-After": "9" * 400}, 3600),
        (429, {}, 60),
        (502, {}, 0),
        (302, {}, 0),
    ],
)
def test_a_refused_handshake_waits_as_long_as_its_status_requires(
    status: int, headers: dict[str, str], at_least: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    location = {"Location": "ws://127.0.0.1:1/"} if status == 302 else {}
    refusal = web.Response(
        status=status, headers={"Set-Cookie": "secret=1", **headers, **location}, text="body text"
    )
    with gateway_server(refusal=refusal) as server, connected_client(server) as client:
        down = client.next()
        assert isinstance(down, GatewayDown)
        assert at_least <= down.retry_in <= 3600
        assert "body text" not in down.reason + caplog.text
        assert "secret" not in down.reason + caplog.text


def test_a_port_without_a_listener_is_a_loss_with_a_reason() -> None:
    client = Client(f"ws://127.0.0.1:{free_port()}")
    client.connection.start()
    down = client.next()
    client.connection.stop(resumable=False)
    assert isinstance(down, GatewayDown)
    assert "refused" in down.reason
    assert not client.connection.alive


def test_an_internal_error_becomes_an_event_and_another_try(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object) -> None:
        raise LookupError("a bug")

    with gateway_server(welcome) as server:
        client = Client(server.url)
        monkeypatch.setattr(client.session, "receive", fail)
        client.connection.start()
        down = client.next()
        client.connection.stop(resumable=True)
    assert isinstance(down, GatewayDown)
    assert down.reason == "internal error: LookupError"
    assert "a bug" in caplog.text


# Stopping


@pytest.mark.parametrize(("resumable", "code"), [(True, 4000), (False, 1000)])
def test_stopping_says_whether_the_session_continues(resumable: bool, code: int) -> None:
    with gateway_server(welcome) as server:
        client = Client(server.url)
        client.connection.start()
        client.next()
        client.connection.stop(resumable)
        assert not client.connection.alive
        wait_until(lambda: server.close_codes)
        assert server.close_codes == [code]
        assert client.events.empty(), "a requested end is no loss"


def test_stopping_ends_a_wait_between_two_connections() -> None:
    with gateway_server(closing(4008)) as server:
        client = Client(server.url)
        client.connection.start()
        down = client.next()
        assert isinstance(down, GatewayDown)
        assert down.retry_in >= 60
        client.connection.stop(resumable=True)
        assert not client.connection.alive


def test_stopping_works_before_the_start_twice_and_from_the_gateway_thread() -> None:
    with gateway_server(welcome) as server:
        client = Client(server.url)
        client.connection.stop(resumable=True)
        stopper = WebsocketConnection(client.session, lambda _event: stopper.stop(resumable=True))
        stopper.start()
        wait_until(lambda: not stopper.alive)
        stopper.stop(resumable=True)
        stopper.stop(resumable=False)


def test_a_stopped_connection_can_be_started_again() -> None:
    with gateway_server(welcome, resume) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        client.connection.stop(resumable=True)
        client.connection.start()
        client.connection.start()
        client.next()
        assert isinstance(client.next(), GatewayResumed)


# Suspend


def test_clocks_that_differ_show_a_suspend() -> None:
    clock, wall = [0.0], [1000.0]
    watch = SuspendWatch(lambda: clock[0], lambda: wall[0])
    results = []
    for monotonic, real in [(10, 10), (10, 15), (1, 600), (10, 10), (5, -300), (5, 5)]:
        clock[0] += monotonic
        wall[0] += real
        results.append(watch.jumped())
    assert results == [False, False, True, False, False, False]


def test_after_a_suspend_the_session_is_resumed() -> None:
    slept = [0.0]

    async def wake(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        while not slept[0]:
            await asyncio.sleep(0.01)
        await peer.dispatch(2, "ANYTHING")

    with (
        gateway_server(then(welcome, wake), resume) as server,
        connected_client(server, wall=lambda: 1e9 + slept[0]) as client,
    ):
        assert isinstance(client.next(), GatewayReady)
        slept[0] = 3600.0
        down = client.next()
        assert isinstance(down, GatewayDown)
        assert down.reason == "the machine was suspended"
        client.next()
        assert isinstance(client.next(), GatewayResumed)


def test_a_call_wakes_the_thread_only_once() -> None:
    """Seen to catch: a waker whose byte was never read, so that each wait ended at once."""
    waits: list[float] = []
    with gateway_server(then(welcome, expecting(37))) as server, connected_client(server) as client:
        assert isinstance(client.next(), GatewayReady)
        wait_time = client.connection._wait_time

        def counted() -> float:
            waits.append(wait_time())
            return waits[-1]

        client.connection._wait_time = counted  # type: ignore[method-assign]
        client.connection.subscribe("1111000000000000002", "1111000000000000003")
        wait_until(lambda: waits)
        threading.Event().wait(0.5)  # the time of about a thousand rounds of a thread that does not wait
    assert 1 <= len(waits) < 20


# The log of outages


def outage_log(caplog: pytest.LogCaptureFixture) -> tuple[OutageLog, list[float], Callable[[], list[str]]]:
    """Return a log, its clock (the last of a list), and the lines so far without the module's name."""
    caplog.set_level(logging.INFO)
    now = [0.0]
    return OutageLog(lambda: now[-1]), now, lambda: [record.message for record in caplog.records]


def test_an_outage_is_logged_once_for_each_cause_and_then_its_end(caplog: pytest.LogCaptureFixture) -> None:
    log, now, lines = outage_log(caplog)
    for second in range(27):
        now.append(float(second))
        log.down("no route" if second else "lost", 1.0)
    log.up()
    assert lines() == [
        "gateway: lost; reconnecting, next try in 1.0 s",
        "gateway: no route; reconnecting, next try in 1.0 s",
        "gateway: connected again after 26 s",
    ]
    now.append(100.0)
    log.down("lost", 1.0)
    assert len(lines()) == 4


def test_a_connection_that_is_lost_again_at_once_is_the_same_outage(caplog: pytest.LogCaptureFixture) -> None:
    log, now, lines = outage_log(caplog)
    for second in range(0, 500, 20):
        now.append(float(second))
        log.down("closed with 4000", 1.0)
        log.up()
    assert len(lines()) == 2


def test_a_first_connection_is_no_end_of_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    log, _, lines = outage_log(caplog)
    log.up()
    assert lines() == []


def test_no_new_session_begins_before_the_loss_of_the_last_one_is_stored() -> None:
    async def invalid(_server: GatewayServer, peer: Peer, _request: web.Request) -> None:
        await peer.hello()
        await peer.expect(6)
        await peer.send({"op": 9, "d": False})
        await peer.until_closed()

    known = ResumeState("session-1", 7, "")
    asked: list[int] = []

    def may_identify() -> bool:
        asked.append(len(server.urls))
        return len(asked) == 3

    with (
        gateway_server(invalid, welcome) as server,
        connected_client(server, resume=known, may_identify=may_identify) as client,
    ):
        down, ready = client.next(), client.next()
    assert isinstance(down, GatewayDown)
    assert down.session_lost
    assert isinstance(ready, GatewayReady)
    assert asked == [1, 1, 1]
