"""Whatever comes back, a request that may have left is never said not to have reached Discord."""

import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import pytest
import trustme

from mjwatch.discord.http import Transport, tls_context
from mjwatch.discord.rest import DiscordREST
from mjwatch.errors import AnsweredNoError, NotReachedError, UnansweredError
from tests.helpers.raw_server import RawAnswer, RawServer, answering, end, raw_server, read_request
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import free_port

HOST = "discord.example.org"
TIMES = (deadline(20), deadline(20))
OK = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\nContent-Length: 13\r\n\r\n" + b'{"id": "100"}'
)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.1 google\r\n\r\n"
    b'6;name="value"\r\n{"id":\r\n7\r\n "100"}\r\n0\r\nX-Trailer: 1\r\n\r\n'
)
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nSet-Cookie: __cfruid=0; path=/\r\n\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 2\r\n\r\n{}"
HEADED = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n{}"

STATUS_LINES = [
    b"",
    b"\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 abc\r\n\r\n",
    b"HTTP/1.1 -1 x\r\n\r\n",
    b"HTTP/1.1 99999 x\r\n\r\n",
    b"HTTP/1.1 000 x\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/0.9 204 x\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 200 \xff\xfe\r\n\r\n",
    b"HTTP/1.1 " + b"2" * 70_000,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"\x16\x03\x03\x00\x02\x02\x28",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    bytes(range(256)),
]
HEADERS = [
    b"Content-Length: 1, 2",
    b"Content-Length: 2, 2",
    b"Content-Length: x",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 2\r\nTransfer-Encoding: chunked",
    b"Content-Length: 2\r\nContent-Length: 3",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: \xff",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Content-Encoding: gzip, gzip, gzip",
    b"Content-Encoding: \xff\xfe",
    b"Content-Type: \xe9; charset=\xff",
    b"Content-Type: application/json; charset=rot13",
    b"Set-Cookie: =;;;\x00\xff; expires=never; domain=\xff",
    b"Set-Cookie: a=" + b"b" * 60_000,
    b"Connection: keep-alive, close, \xff",
    b"Keep-Alive: timeout=-1",
    b"Date: yesterday",
    b"No colon at all",
    b": no name",
    b"X-Fold: a\r\n b\r\n\tc",
    b"X-Nul: \x00",
    b"X-Long: " + b"x" * 70_000,
    b"\r\n".join(b"X-%d: 1" % number for number in range(200)),
    b"Location: http://[\r\nX: 1",
]
LOCATIONS = [
    b"http://[",
    b"\xff\xfe\xe9",
    b"http://\xc3\xa9\xff/",
    b"//",
    b"http://a:99999/",
    b"x" * 9000,
    b"\x00",
]
BODIES = [
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 70_000,
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}3\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: 1\r\n" * 300,
    b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00x",
]
REASONED: list[bytes] = [
    *STATUS_LINES,
    *(HEADED % header for header in HEADERS),
    *(REDIRECT % location for location in LOCATIONS),
    *(b"HTTP/1.1 200 OK\r\n" + body for body in BODIES),
]


def mutated(seed: int) -> bytes:
    """Return an answer with a few bytes changed, doubled or taken away."""
    rng = random.Random(seed)
    data = bytearray(rng.choice([OK, CHUNKED, NO_CONTENT, REDIRECT % b"/there"]))
    for _ in range(rng.randint(1, 6)):
        position = rng.randrange(len(data))
        change = rng.choice(
            [b"", bytes([rng.randrange(256)]), bytes([data[position]]) * 2, b"\r\n", b"\x00", b":"]
        )
        data[position : position + 1] = change
    return bytes(data)


def cut(step: int) -> list[bytes]:
    return [whole[:end] for whole in (OK, CHUNKED, NO_CONTENT) for end in range(0, len(whole), step)]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssl.SSLContext]:
    """Return the context of a server for HOST whose authority is trusted."""
    authority = trustme.CA()
    bundle = tmp_path_factory.mktemp("tls") / "authority.pem"
    bundle.write_bytes(authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        tls_context.cache_clear()
        yield context
    tls_context.cache_clear()


def outcome(transport: Transport, url: str) -> str:
    """Send a POST, read its answer, and return how that ended; any other exception is a failure."""
    try:
        transport.read_body(transport.send("POST", url, json={"nonce": "1"}))
    except NotReachedError:
        return "not reached"
    except UnansweredError:
        return "unanswered"
    finally:
        transport.close()  # the server has ended the connection
    return "answered"


def check_none_is_denied(server: RawServer, transport: Transport, url: str, answers: list[RawAnswer]) -> None:
    """Check that each request arrived, and that none of them is said not to have."""
    wrong = []
    for answer in answers:
        server.answer = answer
        if outcome(transport, url) == "not reached":
            wrong.append(answer)
    assert wrong == []
    assert len(server.received) == len(answers)
    assert all(b'{"nonce": "1"}' in request for request in server.received)


def both_ends(answers: list[bytes]) -> list[RawAnswer]:
    """Return these answers, of which every other one ends with a reset, and two that are empty."""
    empty = [RawAnswer(b""), RawAnswer(b"", reset=True)]
    return empty + [RawAnswer(data, reset=bool(number % 2)) for number, data in enumerate(answers)]


@pytest.mark.parametrize("reset", [False, True])
def test_a_broken_answer(reset: bool) -> None:
    answers = [*REASONED, *cut(1), *(mutated(seed) for seed in range(100))]
    with answering(RawServer()) as server:
        url = f"http://127.0.0.1:{server.port}/api"
        check_none_is_denied(
            server, Transport(timeout=TIMES), url, [RawAnswer(data, reset) for data in answers]
        )


def test_a_broken_answer_through_a_proxy_that_passes_requests_on() -> None:
    with answering(RawServer()) as server:
        transport = Transport(proxy=f"http://127.0.0.1:{server.port}", timeout=TIMES)
        check_none_is_denied(server, transport, f"http://{HOST}/api", both_ends([*REASONED, *cut(7)]))


def test_a_broken_answer_through_the_tunnel_of_a_proxy(tls: ssl.SSLContext) -> None:
    with answering(RawServer(to_connect=b"HTTP/1.1 200 OK\r\n\r\n", tls=tls)) as server:
        transport = Transport(proxy=f"http://127.0.0.1:{server.port}", timeout=TIMES)
        check_none_is_denied(server, transport, f"https://{HOST}/api", both_ends([*REASONED[::2], *cut(13)]))


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # ssl leaves it after a reset
def test_a_proxy_that_refuses_or_breaks_the_tunnel_was_never_passed() -> None:
    """Nothing of the request is sent before the tunnel stands, so it may safely be sent again."""
    refusals = [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 x\r\n\r\n",
        *STATUS_LINES,
    ]
    whole = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answers[0].data)
        end(connection, reset=answers.pop(0).reset)

    cut_short = (whole[:length] for length in range(0, len(whole), 3))
    no_tls = RawAnswer(whole + b"\x15\x03")
    answers = [*both_ends([*refusals, *cut_short]), no_tls]
    count = len(answers)
    failures: list[BaseException] = []
    with raw_server(talk, failures) as port:
        transport = Transport(proxy=f"http://127.0.0.1:{port}", timeout=TIMES)
        assert {outcome(transport, f"https://{HOST}/api") for _ in range(count)} == {"not reached"}
    assert (answers, failures) == ([], [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(b"HTTP/1.1 407 Who are you\r\n\r\n", "HTTP 407"), (b"", "it took too long|broke|ended")],
)
def test_a_refused_tunnel_names_the_proxy_as_the_cause(answer: bytes, reason: str) -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    with raw_server(talk, []) as port:
        transport = Transport(proxy=f"http://127.0.0.1:{port}", timeout=TIMES)
        with pytest.raises(NotReachedError, match=reason):
            transport.send("GET", f"https://{HOST}/api")
        transport.close()


def test_a_name_that_is_not_found_and_a_closed_port_were_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Transport(timeout=TIMES)
    assert outcome(transport, f"http://127.0.0.1:{free_port()}/") == "not reached"
    assert outcome(transport, "http://[/") == "not reached"
    assert outcome(transport, "ftp://127.0.0.1/") == "not reached"
    assert outcome(transport, "http://" + "a" * 300 + ".example.org/") == "not reached"

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert outcome(transport, f"http://{HOST}/") == "not reached"


def test_a_kept_connection_that_dies_with_the_next_request_leaves_it_open() -> None:
    """The server may have read the request before it closed."""
    requests = []

    def talk(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(OK)
        requests.append(read_request(connection))
        end(connection, reset=True)

    with raw_server(talk, []) as port:
        transport = Transport(timeout=TIMES)
        url = f"http://127.0.0.1:{port}/api"
        transport.read_body(transport.send("GET", url))
        with pytest.raises(UnansweredError):
            transport.send("POST", url, json={})
        transport.close()
    assert [request[:4] for request in requests] == [b"GET ", b"POST"]


def test_no_answer_in_two_hundred_makes_an_interaction_safe_to_repeat() -> None:
    """The same for the call that costs money: it succeeds, is refused by Discord, or stays open."""
    with answering(RawServer()) as server:
        url = f"http://127.0.0.1:{server.port}/api/v9"
        for seed in range(200):
            server.answer = RawAnswer(mutated(seed))
            rest = DiscordREST(url, "an-invented-token", timeout=TIMES)
            with suppress(AnsweredNoError, UnansweredError):
                rest.interact({"nonce": "1"})
            rest.close()
    assert len(server.received) == 200
