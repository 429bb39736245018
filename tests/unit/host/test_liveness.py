"""Which parts of the service report that they no longer work, so that systemd can restart it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mjwatch import effects as ef
from mjwatch import runtime as building
from mjwatch.config import Config, Keys, Secret
from mjwatch.discord import connection as connecting
from mjwatch.discord.connection import WebsocketConnection
from mjwatch.discord.session import GatewaySession
from mjwatch.inbox import inbox as looking
from mjwatch.inbox.inbox import Inbox
from mjwatch.runtime import Runtime
from mjwatch.workers import pool as working
from mjwatch.workers.pool import WorkerPool
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import free_port, gateway_server
from tests.unit.discord.test_connection import TOKEN, welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HANG = deadline(20.0)


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A thread that waits for it hangs until the test ends, like one that waits for a disk or a host."""
    gate = threading.Event()
    yield gate
    gate.set()


def hanging_at(gate: threading.Event) -> Callable[..., None]:
    def hang(*_: object) -> None:
        gate.wait(HANG)

    return hang


@pytest.fixture(autouse=True)
def patient_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "STOP_TIMEOUT", HANG)


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece of work exceeds its limit at once."""
    for module, name in (
        (working, "LONGEST_EFFECT"),
        (looking, "LONGEST_TURN"),
        (connecting, "LONGEST_ROUND"),
        (building, "LONGEST_TURN"),
    ):
        monkeypatch.setattr(module, name, 0.0)


@contextmanager
def a_worker(remove_file: Callable[..., object]) -> Iterator[WorkerPool]:
    class Nobody:
        """Nothing is sent or collected."""

        def stop(self) -> None:
            """Nothing to end."""

    nobody: Any = Nobody()
    worker = WorkerPool(
        lambda event: None,
        sender=nobody,
        collector=nobody,
        subscribe=lambda: None,
        probe=lambda: None,
        remove_file=remove_file,
        defer_file=lambda path, why, seconds: None,
        notify=lambda news: None,
    )
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(HANG)


@pytest.mark.usefixtures("no_time")
def test_a_worker_that_hangs_at_an_effect_is_unhealthy_until_it_continues(gate: threading.Event) -> None:
    with a_worker(hanging_at(gate)) as worker:
        assert worker.healthy
        worker.perform(ef.RemoveFile("cat.txt", (1,)))
        wait_until(lambda: not worker.healthy)
        gate.set()
        wait_until(lambda: worker.healthy)


def test_a_worker_that_lost_a_thread_is_unhealthy() -> None:
    with a_worker(lambda path, identity: True) as worker:
        worker._collecting[0].put(None)
        wait_until(lambda: not worker.healthy)


@pytest.mark.usefixtures("no_time")
def test_an_inbox_that_hangs_in_a_scan_is_unhealthy(tmp_path: Path, gate: threading.Event) -> None:
    inbox = Inbox(tmp_path, hanging_at(gate), settle=0.0, settle_incomplete=0.0, scan_interval=0.02)
    inbox.start()
    try:
        wait_until(lambda: not inbox.healthy)
        gate.set()
        wait_until(lambda: inbox.healthy)
    finally:
        gate.set()
        inbox.stop(HANG)
    assert not inbox.healthy


@pytest.mark.usefixtures("no_time")
def test_a_gateway_thread_that_hangs_is_unhealthy(gate: threading.Event) -> None:
    with gateway_server(welcome) as server:
        session = GatewaySession(TOKEN, random=lambda: 0.01, gateway_url=server.url)
        connection = WebsocketConnection(session, hanging_at(gate))
        connection.start()
        try:
            wait_until(lambda: not connection.healthy)
        finally:
            gate.set()
            connection.stop(resumable=True)
        assert not connection.healthy


def test_a_gateway_thread_that_waits_or_was_refused_is_healthy() -> None:
    session = GatewaySession(TOKEN, random=lambda: 0.01, gateway_url=f"ws://127.0.0.1:{free_port()}")
    connection = WebsocketConnection(session, lambda event: None)
    connection.start()
    assert connection.healthy
    connection.stop(resumable=True)

    async def refuse(_server: Any, peer: Any, _request: Any) -> None:
        await peer.hello()
        await peer.expect(2)
        await peer.close(4004)

    with gateway_server(refuse) as server:
        session = GatewaySession(TOKEN, random=lambda: 0.01, gateway_url=server.url)
        connection = WebsocketConnection(session, lambda event: None)
        connection.start()
        wait_until(lambda: not connection.alive)
        assert connection.healthy
        connection.stop(resumable=True)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A whole service without a server that answers it; its loop does not run."""
    address = f"127.0.0.1:{free_port()}"  # no other test run has it
    text = (
        f'[discord]\napi_url = "http://{address}"\ngateway_url = "ws://{address}"\n'
        "[outbox]\ngallery = false\n[inbox]\nscan_interval = 0.1\n"
    )
    config = Config.from_toml(text, tmp_path / "config.toml", environ={})
    for folder in (config.inbox.path, config.outbox.path, config.state.path):
        folder.mkdir()
    keys = Keys(Secret("an-invented-token"), None, "1111000000000000003")
    with Runtime(config, keys) as runtime:
        yield runtime


def test_a_service_names_its_unhealthy_parts(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.unhealthy_parts() == []
    runtime._wakeups.stop()
    assert runtime.unhealthy_parts() == ["control"]
    runtime._inbox.stop()
    monkeypatch.setattr(runtime._connection, "_thread", None)
    runtime._worker._sending.put(None)
    wait_until(lambda: "the workers" in runtime.unhealthy_parts())
    assert runtime.unhealthy_parts() == ["the inbox", "the gateway", "the workers", "control"]


@pytest.mark.usefixtures("no_time")
def test_a_loop_that_hangs_is_unhealthy_and_one_that_has_ended_is_not(
    runtime: Runtime, gate: threading.Event
) -> None:
    def is_last() -> bool:
        gate.wait(HANG)
        return True

    loop = threading.Thread(target=runtime.run, args=(is_last,))
    loop.start()
    wait_until(lambda: "the loop" in runtime.unhealthy_parts())
    gate.set()
    loop.join(HANG)
    assert not loop.is_alive()


def test_the_service_has_started_when_inbox_and_gateway_are_up_or_say_what_they_wait_for(
    runtime: Runtime,
) -> None:
    assert not runtime.started
    runtime.run(lambda: runtime.started)
    assert runtime.engine.service.connection_trouble is not None
    assert runtime.engine.service.inbox_waiting == 0
