"""The gallery's server: what it sends, and that it sends nothing else, to nobody else."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mjwatch.gallery.gallery import Gallery
from mjwatch.gallery.server import GalleryServer, ssh_command
from tests.helpers.outbox_factory import an_outbox
from tests.helpers.timeouts import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "clients/acme/note-000001zz"


@contextmanager
def serving(outbox: Path) -> Iterator[GalleryServer]:
    with GalleryServer(outbox, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GalleryServer]:
    """A server of three jobs; beside them lie a picture that is no job's, links, and files of other kinds."""
    root = tmp_path_factory.mktemp("gallery")
    outbox = root / "outbox"
    an_outbox(outbox, 3)
    gallery = Gallery(outbox, root / "state")
    gallery.install()
    gallery.add(gallery.repair())
    (root / "secret.png").write_bytes(b"secret")
    (outbox / "private").mkdir()
    (outbox / "private/holiday.png").write_bytes(b"secret")
    (outbox / ".mjwatch-staging/job").mkdir(parents=True)
    for name in ("manifest.json", "note_1.png"):
        (outbox / ".mjwatch-staging/job" / name).write_bytes(b"secret")
    (outbox / "_gallery/thumbs/0/another.png").write_bytes(b"secret")
    (outbox / JOB / "link.png").symlink_to(root / "secret.png")
    (outbox / "linked").symlink_to(outbox / JOB)
    (outbox / JOB / "page.html").write_bytes(b"secret")
    (outbox / JOB / "ünï code #1?.png").write_bytes(b"picture")
    (outbox / JOB / "clip.mp4").write_bytes(bytes(range(200)))
    with serving(outbox) as running:
        yield running


class Response(http.client.HTTPResponse):
    body: bytes


def ask(server: GalleryServer, path: str, method: str = "GET", **headers: str) -> Response:
    """Send a request; an underscore in a header's name is a dash. Without ``Host`` it is the right one."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=deadline(10))
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": f"127.0.0.1:{server.port}", **headers}.items():
        if value:
            connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.__class__ = Response
    assert isinstance(answer, Response)
    answer.body = answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/_gallery/gallery.css?abc", "text/css; charset=utf-8"),
        ("/_gallery/gallery.js", "text/javascript; charset=utf-8"),
        ("/_gallery/index.js?1", "text/javascript; charset=utf-8"),
        ("/_gallery/status.js", "text/javascript; charset=utf-8"),
        ("/_gallery/jobs-0001.js", "text/javascript; charset=utf-8"),
        ("/_gallery/thumbs/0/000000zz.webp", "image/webp"),
        (f"/{JOB}/note_1.webp", "image/webp"),
        (f"/{JOB}/note_grid.webp", "image/webp"),
        (f"/{JOB}/%C3%BCn%C3%AF%20code%20%231%3F.png", "image/png"),
        (f"/{JOB}/clip.mp4", "video/mp4"),
    ],
)
def test_it_sends_the_page_and_the_pictures(server: GalleryServer, path: str, kind: str) -> None:
    answer = ask(server, path)
    assert (answer.status, answer.getheader("Content-Type")) == (200, kind)
    assert answer.body
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    head = ask(server, path, "HEAD")
    assert head.getheader("Content-Length") == str(len(answer.body))
    assert head.body == b""


@pytest.mark.parametrize(
    "path",
    [
        *("/_gallery", "/_gallery/", "/clients/", "/clients/acme", f"/{JOB}", f"/{JOB}/"),
        *(f"/{JOB}/manifest.json", f"/{JOB}/note.txt", f"/{JOB}/page.html", "/status.json"),
        *("/private/holiday.png", "/.mjwatch-staging/job/note_1.png", "/_gallery/thumbs/0/another.png"),
        *(f"/{JOB}/link.png", "/linked/note_1.webp", f"/{JOB}/gone.png", "/_gallery/jobs-9999.js"),
        *("/../secret.png", "/%2e%2e/secret.png", f"/{JOB}/../../../../secret.png", "//secret.png"),
        *("/clients%2Facme/../secret.png", f"/{JOB}/..%2F..%2F..%2F..%2Fsecret.png", "/a%00/b.png"),
        *("/_gallery/../_gallery/index.js", "/_gallery/%2e%2e/index.html", f"/{JOB}//note_1.webp"),
        *("/~syncthing~index.html.tmp", f"/{'x' * 300}/a.png", "/%ff%fe/a.png", "/index.html/a.png"),
    ],
)
def test_it_sends_nothing_else(server: GalleryServer, path: str) -> None:
    answer = ask(server, path)
    assert answer.status == 404
    assert answer.body.startswith(b"Not Found: ")
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    ("wanted", "status", "body", "where"),
    [
        ("bytes=0-9", 206, bytes(range(10)), "bytes 0-9/200"),
        ("bytes=190-", 206, bytes(range(190, 200)), "bytes 190-199/200"),
        ("bytes=-5", 206, bytes(range(195, 200)), "bytes 195-199/200"),
        ("bytes=150-999", 206, bytes(range(150, 200)), "bytes 150-199/200"),
        ("bytes=-999", 206, bytes(range(200)), "bytes 0-199/200"),
        ("bytes=200-", 416, b"", "bytes */200"),
        ("bytes=-0", 416, b"", "bytes */200"),
        ("bytes=9-3", 200, bytes(range(200)), None),
        ("bytes=0-1,5-6", 200, bytes(range(200)), None),
        ("bytes=-", 200, bytes(range(200)), None),
        ("lines=1-2", 200, bytes(range(200)), None),
    ],
)
def test_a_player_gets_the_part_that_it_asks_for(
    server: GalleryServer, wanted: str, status: int, body: bytes, where: str | None
) -> None:
    answer = ask(server, f"/{JOB}/clip.mp4", Range=wanted)
    assert (answer.status, answer.body, answer.getheader("Content-Range")) == (status, body, where)


def test_only_names_of_this_machine_are_answered(server: GalleryServer) -> None:
    for host in ("localhost", "localhost:1234", "127.0.0.1", f"127.0.0.1:{server.port}"):
        assert ask(server, "/", Host=host).status == 200
    for host in ("evil.example", "127.0.0.1.evil.example:80", "evil.example:8460", "[::1", "10.0.0.1", ""):
        answer = ask(server, "/", Host=host)
        assert answer.status == 421
        assert answer.body == (
            f"Misdirected Request: open http://127.0.0.1:{server.port}/ instead\n".encode()
        )


def test_other_sites_get_nothing_but_a_link_to_the_page(server: GalleryServer) -> None:
    for site in ("cross-site", "same-site"):
        script = ask(server, "/_gallery/jobs-0001.js", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
        assert script.status == 403
        framed = ask(server, f"/{JOB}/note_1.webp", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")
        assert framed.status == 403
        assert ask(server, "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 200
    for site in ("none", "same-origin"):
        assert ask(server, "/_gallery/jobs-0001.js", Sec_Fetch_Site=site).status == 200


def test_a_connection_serves_several_requests(server: GalleryServer) -> None:
    """Each answer ends where it says: the next one would begin in the middle of it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=deadline(10))
    for method, path, status in (
        ("HEAD", "/", 200),
        ("GET", f"/{JOB}/clip.mp4", 200),
        ("HEAD", "/gone.png", 404),
        ("GET", "/gone.png", 404),
        ("GET", "/favicon.ico", 204),
        ("GET", "/index.html", 200),
    ):
        connection.request(method, path)
        response = connection.getresponse()
        assert response.status == status
        assert bool(response.read()) == (method == "GET" and status != 204)
    connection.close()
    with socket.create_connection(("127.0.0.1", server.port), timeout=deadline(10)) as raw:
        raw.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with raw.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n\r\n")


def test_there_is_no_icon_and_no_error_about_it(server: GalleryServer) -> None:
    assert (ask(server, "/favicon.ico").status, ask(server, "/favicon.ico").body) == (204, b"")


def test_nothing_can_be_changed(server: GalleryServer) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, "/index.html", method).status == 501


def test_it_listens_on_loopback_alone(server: GalleryServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.port}/"
    with pytest.raises(OSError, match="in use"):
        GalleryServer(server.outbox, server.port)


def test_the_ssh_command_leads_back_to_where_the_person_came_from() -> None:
    tunnel = "-L 8460:127.0.0.1:8460"
    assert ssh_command(8460, "ann", "studio", {}) == f"ssh -N {tunnel} ann@studio"
    came = {"SSH_CONNECTION": "198.51.100.7 50000 203.0.113.9 22"}
    assert ssh_command(8460, "ann", "studio", came) == f"ssh -N {tunnel} ann@203.0.113.9"
    came = {"SSH_CONNECTION": "198.51.100.7 50000 203.0.113.9 2222"}
    assert ssh_command(8460, "ann", "studio", came) == f"ssh -N -p 2222 {tunnel} ann@203.0.113.9"
