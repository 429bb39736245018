"""Discord's API behind a proxy (CONNECT) whose tunnel ends between the execution of a POST and its answer."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import trustme

from tests.helpers.raw_server import end, raw_server, read_request
from tests.scenarios.stage import open_stage, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOST = "discord.example.org"


def test_a_tunnel_that_ends_before_the_answer_does_not_make_mjwatch_pay_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    bundle = tmp_path / "authority.pem"
    bundle.write_bytes(authority.cert_pem.bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    cut: list[bytes] = []

    with open_stage(tmp_path / "w", "--seconds-per-job", "0.2") as stage:
        address = stage.address.rsplit(":", 1)

        def relay(connection: socket.socket) -> None:
            """Pass one request of a tunnel on, and its answer unless it is that of the first POST."""
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            tunnel = tls.wrap_socket(connection, server_side=True)
            request = read_request(tunnel)
            with socket.create_connection((address[0], int(address[1]))) as simulator:
                simulator.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                answer = b"".join(iter(lambda: simulator.recv(65536), b""))
            if b"/interactions " in request and not cut:
                cut.append(request)
                end(tunnel, reset=False)
            else:
                tunnel.sendall(answer)
                tunnel.close()

        failures: list[BaseException] = []
        with raw_server(relay, failures) as port:
            stage.set_config(
                "discord",
                api_url=f"https://{HOST}/api/v9",
                proxy=f"http://127.0.0.1:{port}",
                allow_hosts=[HOST],
            )
            stage.arm_fault(fault="told_late", seconds=3.5)  # a second POST would leave before that
            stage.drop("cat.ready.txt", "a cat behind a proxy\n")
            daemon = stage.start_ready()
            wait_until(lambda: stage.manifests(), "the folder")
            assert stage.stop(daemon) == 0
        assert len(cut) == 1
        assert failures == []
        (manifest,) = stage.manifests()
        assert (manifest["state"], len(manifest["images"])) == ("done", 4)
        assert len(stage.simulator_state()["interactions"]) == 1
        stage.check_simulator_record()
