import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mjwatch.discord.cdn import CDN
from mjwatch.errors import DownloadError
from tests.helpers.timeouts import deadline
from tests.helpers.wire_servers import Answer, HttpServer, Request, free_port, http_server

PICTURE = b"\x89PNG and then some" * 50_000


@contextmanager
def cdn_at(answer: Answer, **options: float) -> Iterator[tuple[CDN, HttpServer, str]]:
    """Return a CDN client, a server that gives this answer, and a URL of the server."""
    with http_server(lambda _request: answer) as server:
        limits = {"max_bytes": 2**20, "deadline": deadline(20)} | options
        cdn = CDN(
            [f"127.0.0.1:{server.port}"],
            timeout=(deadline(20), deadline(20)),
            max_bytes=int(limits["max_bytes"]),
            deadline=limits["deadline"],
        )
        yield cdn, server, f"{server.url}/attachments/1/2/a.png?ex=66&is=65&hm=ab&"
        cdn.close()


def failure(answer: Answer, size: int | None = None, **options: float) -> DownloadError:
    with cdn_at(answer, **options) as (cdn, _, url), pytest.raises(DownloadError) as caught:
        cdn.fetch(url, size)
    return caught.value


def test_a_picture_is_complete_and_its_url_is_sent_unchanged() -> None:
    with cdn_at(Answer(body=PICTURE)) as (cdn, server, url):
        assert cdn.fetch(url) == PICTURE
        assert cdn.fetch(url, size=len(PICTURE)) == PICTURE
        assert server.requests[0].path == "/attachments/1/2/a.png?ex=66&is=65&hm=ab&"
        assert server.connections == 1


def test_no_credentials_are_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login ann password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with cdn_at(Answer(body=PICTURE)) as (cdn, server, url):
        cdn.fetch(url)
        assert "Authorization" not in server.requests[0].headers
        assert server.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("status", [403, 404])
def test_an_expired_url_is_gone(status: int) -> None:
    error = failure(Answer(status, b"This content is no longer available."))
    assert error.gone


@pytest.mark.parametrize("status", [204, 206, 302, 400, 429, 500, 503])
def test_other_answers_are_worth_another_try(status: int) -> None:
    error = failure(Answer(status, b"" if status == 204 else PICTURE, {"Location": "http://127.0.0.1:1/"}))
    assert not error.gone


def test_only_listed_hosts_are_contacted() -> None:
    with cdn_at(Answer(body=PICTURE)) as (cdn, server, _):
        for url in (
            "https://example.org/a.png",
            f"http://127.0.0.1:{free_port()}/",
            "file:///etc/passwd",
            "",
        ):
            with pytest.raises(DownloadError, match="not downloaded"):
                cdn.fetch(url)
        assert server.requests == []


def test_an_unreachable_host_is_a_failed_download() -> None:
    cdn = CDN([f"127.0.0.1:{(port := free_port())}"])
    with pytest.raises(DownloadError, match="refused"):
        cdn.fetch(f"http://127.0.0.1:{port}/a.png")
    cdn.close()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b""),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it", cut=True),
        Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        Answer(raw=b""),
        Answer(body=b"x" * (2**20 + 1)),
        Answer(body=PICTURE, headers={"Content-Encoding": "br"}),
        Answer(body=PICTURE, headers={"X-Goog-Hash": "crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="}),
    ],
    ids=["empty", "short", "reset", "cut chunk", "bad chunk", "eof", "too large", "compressed", "checksum"],
)
def test_an_incomplete_download_is_rejected(answer: Answer) -> None:
    assert not failure(answer).gone


def test_a_different_size_is_an_error() -> None:
    assert "instead of 5" in str(failure(Answer(body=b"1234"), size=5))


def test_a_matching_checksum_is_accepted() -> None:
    digest = base64.b64encode(hashlib.md5(PICTURE, usedforsecurity=False).digest()).decode()
    with cdn_at(Answer(body=PICTURE, headers={"X-Goog-Hash": f"crc32c=AAAAAA==, md5={digest}"})) as (
        cdn,
        _,
        url,
    ):
        assert cdn.fetch(url) == PICTURE


def test_a_slow_drip_ends_at_the_deadline() -> None:
    assert "longer than" in str(failure(Answer(body=b"x" * 1000, drip=0.02), deadline=0.1))


@pytest.mark.parametrize("length", [b"", b"Content-Length: " + b"9" * 5000 + b"\r\n"])
def test_a_missing_or_impossible_length_is_no_error(length: bytes) -> None:
    def answer(_request: Request) -> Answer:
        return Answer(raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + b"\r\n" + PICTURE)

    with http_server(answer) as server:
        cdn = CDN(["127.0.0.1"])
        assert cdn.fetch(f"{server.url}/a.png") == PICTURE
        cdn.close()
