import pytest

from mjwatch.discord.http import IDLE_LIMIT, Transport
from mjwatch.errors import UnansweredError
from tests.helpers.wire_servers import Answer, http_server


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    now = [0.0]
    with http_server(lambda _request: Answer(body=b"x")) as server:
        transport = Transport(clock=lambda: now[0])
        for pause in (0, IDLE_LIMIT - 1, IDLE_LIMIT - 1):
            now[0] += pause
            transport.read_body(transport.send("GET", server.url))
        assert server.connections == 1
        now[0] += IDLE_LIMIT + 1
        transport.read_body(transport.send("GET", server.url))
        assert server.connections == 2
        transport.close()


@pytest.mark.parametrize(("size", "limit"), [(1000, 999), (3, 0)])
def test_too_large_an_answer_is_not_read_to_its_end(size: int, limit: int) -> None:
    with http_server(lambda _request: Answer(body=b"x" * size)) as server:
        transport = Transport()
        with pytest.raises(UnansweredError, match="larger"):
            transport.read_body(transport.send("GET", server.url), limit=limit)
        transport.close()


def test_a_slow_body_ends_at_its_deadline() -> None:
    with http_server(lambda _request: Answer(body=b"x" * 1000, drip=0.02)) as server:
        transport = Transport()
        with pytest.raises(UnansweredError, match="longer than"):
            transport.read_body(transport.send("GET", server.url), seconds=0.1)
        transport.close()


def test_a_transport_without_a_token_sends_none_and_its_repr_shows_none() -> None:
    with http_server(lambda _request: Answer(body=b"x")) as server:
        for token in (None, "an-invented-token"):
            transport = Transport(token=token)
            transport.read_body(transport.send("GET", server.url))
            assert server.requests[-1].headers.get("Authorization") == token
            assert "an-invented-token" not in str(vars(transport))
            transport.close()
